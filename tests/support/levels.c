#include "support/levels.h"

const limn_kernels *level_at(int i) {
    static const char *const names[] = {"c", "avx2", "avx512", "neon"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const limn_kernels *k = limn_kernels_level(names[n]);
        if (k && i-- == 0) return k;
    }
    return NULL;
}

int level_count(void) {
    int count = 0;
    while (level_at(count)) count++;
    return count;
}
