#include "support/guarded.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#define GUARD 256  /* bytes on either side */
#define FILL  0xa5 /* as float32 -2.9e-16 */

guarded guarded_take(size_t count, size_t size) {
    size_t bytes = (GUARD + size + count * size + GUARD + 63) / 64 * 64;
    guarded g = {.count = count, .size = size, .block = aligned_alloc(64, bytes)};
    assert_non_null(g.block);
    memset(g.block, FILL, bytes);
    g.f = (float *)(void *)(g.block + GUARD + size); /* one item past what is well aligned */
    return g;
}

void guarded_free(guarded *g) {
    size_t end = GUARD + g->size + g->count * g->size;
    for (size_t i = 0; i < GUARD + g->size; i++)
        if (g->block[i] != FILL)
            fail_msg("written %zu bytes before the block", GUARD + g->size - i);
    for (size_t i = end; i < end + GUARD; i++)
        if (g->block[i] != FILL) fail_msg("written %zu bytes after the block", i - end + 1);
    free(g->block);
    *g = (guarded){.count = 0};
}

uint64_t random_bits(uint64_t *state) {
    *state += 1;
    return limn_mix64(*state);
}

int random_int(uint64_t *state, int least, int most) {
    return least + (int)(random_bits(state) >> 33) % (most - least + 1);
}

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float plain(uint64_t *state) {
    return (float)((int64_t)random_bits(state) >> 32) * 0x1p-30f;
}

static float one(uint64_t *state, numbers kind) {
    uint32_t r = (uint32_t)(random_bits(state) >> 16), sign = r & 0x80000000u;
    switch (kind) {
    case NUMBERS_ANY: /* exponents 0 to 254: finite */
        return float_of(sign | (uint32_t)random_int(state, 0, 254) << 23 | (r & 0x7fffff));
    case NUMBERS_SUBNORMAL:
        return float_of(sign | (r % 5 == 0 ? 0 : r & 0x7fffff));
    case NUMBERS_HUGE:
        return float_of(sign | (uint32_t)random_int(state, 227, 254) << 23 | (r & 0x7fffff));
    case NUMBERS_ZERO:
        return float_of(sign);
    case NUMBERS_INFINITE:
        return r % 7 == 0 ? (sign ? -INFINITY : INFINITY) : plain(state);
    case NUMBERS_NAN: /* quiet, with and without a payload */
        return r % 7 == 0 ? float_of(sign | 0x7fc00000u | (r & 64 ? r & 0xffff : 0)) : plain(state);
    default:
        return plain(state);
    }
}

void random_fill(uint64_t *state, numbers kind, float *x, size_t count) {
    float same = plain(state);
    for (size_t i = 0; i < count; i++) x[i] = kind == NUMBERS_EQUAL ? same : one(state, kind);
}

size_t floats_differ(const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return i;
    return count;
}

size_t doubles_differ(const double *a, const double *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return i;
    return count;
}
