/* Not the portable code: see sha256.c, which gives the same bytes. */
#include "base/sha256_blocks.h"

bool limn_sha256_has_x86(void) {
    return false;
}

void limn_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t blocks) {
    (void)state, (void)data, (void)blocks;
}
