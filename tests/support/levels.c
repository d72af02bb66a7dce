#include "support/levels.h"

const limn_kernels *level_at(int i) {
    return limn_kernels_table(i);
}

int level_count(void) {
    int count = 0;
    while (level_at(count)) count++;
    return count;
}
