#include "base/random.h"

#include <math.h>

#include "base/math.h"

#define PI 3.14159265358979323846

/* ---- MT19937 (Matsumoto and Nishimura 1998, mt19937ar) ----------------------------------------
 */

enum { MT_SIZE = 624, MT_SHIFT = 397 };

static void mt_start(limn_rng *r, uint32_t seed) {
    r->mt[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++)
        r->mt[i] = 1812433253u * (r->mt[i - 1] ^ r->mt[i - 1] >> 30) + i;
    r->mt_next = MT_SIZE;
}

static void mt_renew(uint32_t *mt) {
    for (int i = 0; i < MT_SIZE; i++) {
        uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % MT_SIZE] & 0x7fffffffu);
        mt[i] = mt[(i + MT_SHIFT) % MT_SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

static uint32_t mt_draw(limn_rng *r) {
    if (r->mt_next >= MT_SIZE) {
        mt_renew(r->mt);
        r->mt_next = 0;
    }
    uint32_t y = r->mt[r->mt_next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* ---- torch's normal numbers -------------------------------------------------------------------
 */

/* The float32 functions that torch calls, each rounded once from double. */
static float log_f32(float x) {
    return (float)limn_log(x);
}
static float sin_f32(float x) {
    return (float)limn_sin(x);
}
static float cos_f32(float x) {
    return (float)limn_cos(x);
}

/* [0, 1) with 24 bits */
static float torch_uniform_f32(limn_rng *r) {
    return (float)(mt_draw(r) & 0xffffffu) * 0x1p-24f;
}

/* [0, 1) with 53 bits; the first word drawn is the upper half. */
static double torch_uniform_f64(limn_rng *r) {
    uint64_t high = mt_draw(r);
    uint64_t bits = high << 32 | mt_draw(r);
    return (double)(bits & 0x1fffffffffffffULL) * 0x1p-53;
}

/* Box-Muller in place: 16 uniforms become 16 normals (normal_fill_16). theta is a product in double
 * there, rounded to float32; the last addition is the mean, and turns -0 into 0. */
static void torch_fill_16(float *data) {
    for (int j = 0; j < 8; j++) {
        float u1 = 1.0f - data[j];
        float u2 = data[j + 8];
        float radius = sqrtf(-2.0f * log_f32(u1));
        float theta = (float)(2.0 * PI * (double)u2);
        data[j] = radius * cos_f32(theta) + 0.0f;
        data[j + 8] = radius * sin_f32(theta) + 0.0f;
    }
}

/* One normal number in double (normal_distribution<double>), for calls of fewer than 16. */
static double torch_one(limn_rng *r) {
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    double u1 = torch_uniform_f64(r);
    double u2 = torch_uniform_f64(r);
    double radius = sqrt(-2.0 * limn_log1p(-u2));
    double theta = 2.0 * PI * u1;
    r->spare = radius * limn_sin(theta);
    r->has_spare = true;
    return radius * limn_cos(theta);
}

static void torch_normal(limn_rng *r, float *out, size_t n) {
    if (n < 16) {
        for (size_t i = 0; i < n; i++) out[i] = (float)(torch_one(r) + 0.0);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = torch_uniform_f32(r);
    for (size_t i = 0; i + 16 <= n; i += 16) torch_fill_16(out + i);
    if (n % 16 == 0) return;
    /* The last 16 anew, over values that are done already. */
    float *last = out + n - 16;
    for (int i = 0; i < 16; i++) last[i] = torch_uniform_f32(r);
    torch_fill_16(last);
}

/* ---- Philox-4x32-10 (Salmon et al. 2011) ------------------------------------------------------
 */

static void philox(uint32_t c[4], uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * 0xd2511f53u;
        uint64_t b = (uint64_t)c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

/* The i-th value of the draw-th call. */
static float philox_normal(uint64_t seed, uint32_t draw, uint32_t i) {
    uint32_t c[4] = {draw, 0, i, 0};
    philox(c, seed);
    const float turn = 0x1p-32f * 6.2831855f;
    float u = (float)c[0] * 0x1p-32f + 0x1p-33f;
    float v = (float)c[1] * turn + turn / 2;
    return sqrtf(-2.0f * log_f32(u)) * sin_f32(v);
}

/* ---- both ------------------------------------------------------------------------------------ */

void limn_rng_start(limn_rng *r, limn_rng_kind kind, uint64_t seed) {
    *r = (limn_rng){.kind = kind, .seed = seed};
    if (kind == LIMN_RNG_TORCH) mt_start(r, (uint32_t)seed);
}

void limn_rng_normal(limn_rng *r, float *out, size_t n) {
    if (n == 0) return;
    if (r->kind == LIMN_RNG_TORCH) {
        torch_normal(r, out, n);
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = philox_normal(r->seed, r->draws, (uint32_t)i);
    r->draws++;
}

uint64_t limn_mix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}
