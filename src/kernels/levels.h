/* The tables of each level that is built for this processor family; pick.c chooses among them. */
#ifndef LIMN_KERNELS_LEVELS_H
#define LIMN_KERNELS_LEVELS_H

#include "kernels/kernels.h"

extern const limn_kernels limn_kernels_c;
#if defined(__x86_64__)
extern const limn_kernels limn_kernels_avx2, limn_kernels_avx2_dot;
extern const limn_kernels limn_kernels_avx512, limn_kernels_avx512_dot;
#elif defined(__aarch64__)
extern const limn_kernels limn_kernels_neon, limn_kernels_neon_dot;
#endif

#endif
