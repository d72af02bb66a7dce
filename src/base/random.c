#include "base/random.h"

#include <math.h>
#include <string.h>

#include "base/math.h"

#define PI 3.14159265358979323846

/* ---- MT19937 (Matsumoto and Nishimura 1998, mt19937ar) --------------------------------------- */

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

/* ---- float32 functions ----------------------------------------------------------------------- */

/* logf, sinf and cosf are not rounded correctly in the library that torch's programs run on, and a
 * unit in the last place of each makes two or three in a normal number. So these have the very
 * polynomials of glibc 2.28 and later (from Arm's Optimized Routines: MIT licence), whose bits are
 * the ones people have in their pictures. Plain doubles: fused or not, the float32 is the same. */

/* ln x for normal x > 0: x = 2^k z, z = c (1 + r) with c in the middle of z's sixteenth. */
static float log_f32(float x) {
    static const struct {
        double inverse, log; /* 1/c and ln c */
    } c[16] = {{0x1.661ec79f8f3bep+0, -0x1.57bf7808caadep-2},
               {0x1.571ed4aaf883dp+0, -0x1.2bef0a7c06ddbp-2},
               {0x1.49539f0f010bp+0, -0x1.01eae7f513a67p-2},
               {0x1.3c995b0b80385p+0, -0x1.b31d8a68224e9p-3},
               {0x1.30d190c8864a5p+0, -0x1.6574f0ac07758p-3},
               {0x1.25e227b0b8eap+0, -0x1.1aa2bc79c81p-3},
               {0x1.1bb4a4a1a343fp+0, -0x1.a4e76ce8c0e5ep-4},
               {0x1.12358f08ae5bap+0, -0x1.1973c5a611cccp-4},
               {0x1.0953f419900a7p+0, -0x1.252f438e10c1ep-5},
               {0x1p+0, 0x0p+0},
               {0x1.e608cfd9a47acp-1, 0x1.aa5aa5df25984p-5},
               {0x1.ca4b31f026aap-1, 0x1.c5e53aa362eb4p-4},
               {0x1.b2036576afce6p-1, 0x1.526e57720db08p-3},
               {0x1.9c2d163a1aa2dp-1, 0x1.bc2860d22477p-3},
               {0x1.886e6037841edp-1, 0x1.1058bc8a07ee1p-2},
               {0x1.767dcf5534862p-1, 0x1.4043057b6ee09p-2}};
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t above = bits - 0x3f330000u; /* z is in [0x3f330000, 0x3fb30000) as bits */
    int k = (int)(above >> 23) - (above >> 31 ? 512 : 0);
    uint32_t z_bits = bits - (above & 0xff800000u);
    float z;
    memcpy(&z, &z_bits, sizeof z);
    unsigned i = above >> 19 & 15;
    double r = (double)z * c[i].inverse - 1;
    double y = 0x1.5575b0be00b6ap-2 * r - 0x1.ffffef20a4123p-2;
    y = -0x1.00ea348b88334p-2 * (r * r) + y;
    return (float)(y * (r * r) + (c[i].log + k * 0x1.62e42fefa39efp-1 + r));
}

/* sin(x + turn pi/2) for 0 <= x < 7 */
static float sine(float x, int turn) {
    int n = (int)((double)x * 0x1.45f306dc9c883p-1 + 0.5);
    double r = (double)x - n * 0x1.921fb54442d18p0;
    double w = r * r;
    double s = r + r * w * -0x1.555545995a603p-3;
    s += r * w * w * (0x1.1107605230bc4p-7 + w * -0x1.994eb3774cf24p-13);
    double c = 1 + w * -0x1.ffffffd0c621cp-2 + w * w * 0x1.55553e1068f19p-5;
    c += w * w * w * (-0x1.6c087e89a359dp-10 + w * 0x1.99343027bf8c3p-16);
    double y = (n + turn) & 1 ? c : s;
    return (float)((n + turn) & 2 ? -y : y);
}

static float sin_f32(float x) {
    return sine(x, 0);
}
static float cos_f32(float x) {
    return sine(x, 1);
}

/* ---- torch's normal numbers ------------------------------------------------------------------ */

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

/* ---- Philox-4x32-10 (Salmon et al. 2011) ----------------------------------------------------- */

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
    /* C++'s log and sin resolve to double there, with a float32 between the two. */
    float radius = (float)sqrt(-2.0 * limn_log(u));
    return (float)(radius * limn_sin(v));
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
