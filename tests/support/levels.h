/* The levels of kernels that this machine can run, for tests that hold them against each other. */
#ifndef TESTS_SUPPORT_LEVELS_H
#define TESTS_SUPPORT_LEVELS_H

#include "kernels/kernels.h"

/* The i-th table of a level that runs here: 0 is "c", the reference; NULL past the last. */
const limn_kernels *level_at(int i);

/* How many run here, "c" included: at least 1. */
int level_count(void);

#endif
