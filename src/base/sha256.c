#include "base/sha256.h"

#include <string.h>

#include "base/sha256_blocks.h"

const uint32_t limn_sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t ror(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static inline uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One round (FIPS 180-4, 6.2.2, step 3), with the words named anew instead of moved: what it leaves
 * in d and h are the next round's e and a. */
static inline void one_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e,
                             uint32_t f, uint32_t g, uint32_t *h, uint32_t kw) {
    uint32_t t = *h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + (g ^ (e & (f ^ g))) + kw;
    *d += t;
    *h = t + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) | (c & (a | b)));
}

static void one_block(uint32_t state[8], const uint8_t *data) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++) w[i] = big_endian(data + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (ror(x, 7) ^ ror(x, 18) ^ x >> 3) + w[i - 7] +
               (ror(y, 17) ^ ror(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i++) w[i] += limn_sha256_k[i];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i += 8) {
        one_round(a, b, c, &d, e, f, g, &h, w[i]);
        one_round(h, a, b, &c, d, e, f, &g, w[i + 1]);
        one_round(g, h, a, &b, c, d, e, &f, w[i + 2]);
        one_round(f, g, h, &a, b, c, d, &e, w[i + 3]);
        one_round(e, f, g, &h, a, b, c, &d, w[i + 4]);
        one_round(d, e, f, &g, h, a, b, &c, w[i + 5]);
        one_round(c, d, e, &f, g, h, a, &b, w[i + 6]);
        one_round(b, c, d, &e, f, g, h, &a, w[i + 7]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void limn_sha256_blocks_c(uint32_t state[8], const uint8_t *data, size_t blocks) {
    for (size_t i = 0; i < blocks; i++) one_block(state, data + 64 * i);
}

static void take_blocks(limn_sha256 *h, const uint8_t *data, size_t blocks) {
    if (h->native)
        limn_sha256_blocks_x86(h->state, data, blocks);
    else
        limn_sha256_blocks_c(h->state, data, blocks);
}

void limn_sha256_start(limn_sha256 *h) {
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    *h = (limn_sha256){.native = limn_sha256_has_x86()};
    memcpy(h->state, first, sizeof first);
}

void limn_sha256_add(limn_sha256 *h, const void *data, size_t size) {
    const uint8_t *p = data;
    size_t held = h->bytes % 64;
    if (size == 0) return;
    h->bytes += size;
    if (held > 0) {
        size_t n = size < 64 - held ? size : 64 - held;
        memcpy(h->block + held, p, n);
        if (held + n < 64) return;
        take_blocks(h, h->block, 1);
        p += n;
        size -= n;
    }
    take_blocks(h, p, size / 64);
    memcpy(h->block, p + size / 64 * 64, size % 64);
}

void limn_sha256_end(limn_sha256 *h, char hex[65]) {
    uint64_t bits = h->bytes * 8;
    uint8_t tail[72] = {0x80};
    size_t zeros = (119 - h->bytes % 64) % 64; /* after the 0x80, to 8 short of a whole block */
    for (int i = 0; i < 8; i++) tail[1 + zeros + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    limn_sha256_add(h, tail, 1 + zeros + 8);
    for (int i = 0; i < 64; i++)
        hex[i] = "0123456789abcdef"[h->state[i / 8] >> (28 - i % 8 * 4) & 15];
    hex[64] = 0;
}

void limn_sha256_of(const void *data, size_t size, char hex[65]) {
    limn_sha256 h;
    limn_sha256_start(&h);
    limn_sha256_add(&h, data, size);
    limn_sha256_end(&h, hex);
}
