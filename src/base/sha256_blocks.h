/* SHA-256's inner loop, once in C and once with the instructions of x86 (inside base only). */
#ifndef LIMN_BASE_SHA256_BLOCKS_H
#define LIMN_BASE_SHA256_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
 */
extern const uint32_t limn_sha256_k[64];

/* Takes `blocks` blocks of 64 bytes each into the state (FIPS 180-4, 6.2.2). */
void limn_sha256_blocks_c(uint32_t state[8], const uint8_t *data, size_t blocks);

/* Whether this processor can run limn_sha256_blocks_x86. Asks the processor, which is slow on a
 * virtual machine: once for each hash, not for each block. */
bool limn_sha256_has_x86(void);

/* The same with the SHA extensions; on other machines than x86-64 it is limn_sha256_blocks_c. */
void limn_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t blocks);

#endif
