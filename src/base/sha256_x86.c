/* SHA-256 with the SHA extensions of x86 (Intel, "New Instructions Supporting the Secure Hash
 * Algorithm on Intel Architecture Processors", 2013): one instruction does two rounds. Built for
 * every x86-64, called only where the processor has them; the other processors get no more than
 * the answer "no". */
#include "base/sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

bool limn_sha256_has_x86(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
    bool shuffles = (c & bit_SSSE3) && (c & bit_SSE4_1);
    return shuffles && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* The next 4 words of the message schedule from the last 16, oldest first. */
__attribute__((target("sha,sse4.1"))) static inline __m128i next_words(__m128i w0, __m128i w1,
                                                                       __m128i w2, __m128i w3) {
    __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(t, w3);
}

/* One block. The halves of the state are in the order that the instructions want: words a, b, e, f
 * and c, d, g, h from the highest down. */
__attribute__((target("sha,sse4.1"))) static void one_block(__m128i state[2], const uint8_t *data) {
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = state[0], cdgh = state[1], w[4];
    for (int i = 0; i < 4; i++)
        w[i] =
            _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)data + i), big_endian);
    for (int i = 0; i < 16; i++) {
        __m128i k = _mm_loadu_si128((const __m128i *)(const void *)limn_sha256_k + i);
        __m128i wk = _mm_add_epi32(w[i % 4], k);
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
        if (i < 12) w[i % 4] = next_words(w[i % 4], w[(i + 1) % 4], w[(i + 2) % 4], w[(i + 3) % 4]);
    }
    state[0] = _mm_add_epi32(state[0], abef);
    state[1] = _mm_add_epi32(state[1], cdgh);
}

__attribute__((target("sha,sse4.1"))) void
limn_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32_t *s = state;
    __m128i packed[2] = {
        _mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]),
        _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7]),
    };
    for (size_t i = 0; i < blocks; i++) one_block(packed, data + 64 * i);
    uint32_t abef[4], cdgh[4];
    _mm_storeu_si128((__m128i *)(void *)abef, packed[0]);
    _mm_storeu_si128((__m128i *)(void *)cdgh, packed[1]);
    for (int i = 0; i < 2; i++) {
        s[i] = abef[3 - i];
        s[4 + i] = abef[1 - i];
        s[2 + i] = cdgh[3 - i];
        s[6 + i] = cdgh[1 - i];
    }
}

#else

bool limn_sha256_has_x86(void) {
    return false;
}

void limn_sha256_blocks_x86(uint32_t state[8], const uint8_t *data, size_t blocks) {
    limn_sha256_blocks_c(state, data, blocks);
}

#endif
