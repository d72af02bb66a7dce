#include "weights/rotate.h"

int limn_rotate_block(size_t c) {
    int block = 1;
    while (block < LIMN_ROTATE_MOST && c % (2 * (size_t)block) == 0) block *= 2;
    return block;
}

void limn_rotate_row(const limn_kernels *k, float *x, size_t c, size_t taps, int block) {
    if (taps == 1) {
        k->rotate(x, c, block, x);
        return;
    }
    const size_t n = (size_t)block;
    float run[LIMN_ROTATE_MOST];
    for (size_t at = 0; at < c; at += n)
        for (size_t t = 0; t < taps; t++) {
            float *first = x + at * taps + t;
            for (size_t i = 0; i < n; i++) run[i] = first[i * taps];
            k->rotate(run, n, block, run);
            for (size_t i = 0; i < n; i++) first[i * taps] = run[i];
        }
}
