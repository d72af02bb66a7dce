/* Everything here is a Taylor series after a reduction of the argument, with the few leading terms
 * in pairs of doubles (Dekker 1971, "double-double"), so the last rounding is nearly the only one
 * that counts. The coefficients are therefore plain fractions, not fitted numbers. */
#include "base/math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- pairs of doubles ------------------------------------------------------------------------ */

/* The unrounded sum of two doubles, |lo| at most half a unit in the last place of hi. */
typedef struct pair {
    double hi, lo;
} pair;

/* a + b exactly (Knuth, The Art of Computer Programming, vol. 2, 4.2.2, theorem B). */
static inline pair sum(double a, double b) {
    double s = a + b;
    double v = s - a;
    return (pair){s, (a - (s - v)) + (b - v)};
}

/* a x b exactly, but for underflow. */
static inline pair product(double a, double b) {
    double p = a * b;
    return (pair){p, fma(a, b, -p)};
}

static inline pair pair_add(pair a, pair b) {
    pair s = sum(a.hi, b.hi);
    return sum(s.hi, s.lo + (a.lo + b.lo));
}

static inline pair pair_mul(pair a, pair b) {
    pair p = product(a.hi, b.hi);
    return sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static inline pair pair_div(pair a, pair b) {
    double q = a.hi / b.hi;
    double rest = fma(-q, b.hi, a.hi) + (a.lo - q * b.lo);
    return sum(q, rest / b.hi);
}

/* c[0] + c[1] x + ... + c[n - 1] x^(n - 1) */
static inline double polynomial(const double *c, size_t n, double x) {
    double s = c[n - 1];
    for (size_t i = n - 1; i-- > 0;) s = c[i] + x * s;
    return s;
}

/* 2^k for -1022 <= k <= 1023 */
static inline double power_of_two(int k) {
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* m x 2^k for m about 1 and any k; at most one rounding, below the normal range. */
static double scale(double m, int k) {
    if (k > 2100) k = 2100;
    if (k < -2100) k = -2100;
    while (k > 1023) m *= power_of_two(1023), k -= 1023;
    if (k < -1022) m *= power_of_two(-900 - (k < -1800 ? 900 : 0)), k += k < -1800 ? 1800 : 900;
    return m * power_of_two(k);
}

static inline int nearest(double x) {
    return (int)(x < 0 ? x - 0.5 : x + 0.5);
}

/* ---- exponentials ---------------------------------------------------------------------------- */

/* ln 2 = LN2_1 + LN2_2 + ...; LN2_1 has 42 bits, so k x LN2_1 is exact for |k| < 2048. */
#define LN2_1   0x1.62e42fefa38p-1
#define LN2_2   0x1.ef35793c76730p-45
#define LN2_3   0x1.f97b57a079a19p-103
#define INV_LN2 0x1.71547652b82fep+0

/* x - k ln 2, x given as a pair */
static pair less_ln2(pair x, int k) {
    pair r = sum(fma(-(double)k, LN2_1, x.hi), x.lo);
    pair p = product(-(double)k, LN2_2);
    return pair_add(r, p);
}

/* e^r - 1 for |r| <= 0.35, within 2^-60 */
static pair expm1_small(pair r) {
    static const double c[] = {1. / 6,          1. / 24,          1. / 120,
                               1. / 720,        1. / 5040,        1. / 40320,
                               1. / 362880,     1. / 3628800,     1. / 39916800.,
                               1. / 479001600., 1. / 6227020800., 1. / 87178291200.};
    double x = r.hi;
    pair square = product(x, x);
    double rest = x * square.hi * polynomial(c, COUNT(c), x);
    pair s = sum(x, 0.5 * square.hi);
    return sum(s.hi, s.lo + (0.5 * square.lo + (r.lo + x * r.lo) + rest));
}

/* e^x; x at most 2^-53 of itself away from x.hi */
static double exp_pair(pair x) {
    if (x.hi > 709.79) return INFINITY;
    if (x.hi < -745.14) return 0;
    int k = nearest(x.hi * INV_LN2);
    pair e = expm1_small(less_ln2(x, k));
    pair s = sum(1, e.hi);
    return scale(s.hi + (s.lo + e.lo), k);
}

double limn_exp(double x) {
    if (x != x) return x;
    return exp_pair((pair){x, 0});
}

/* e^x - 1 for |x| <= 40 */
static pair expm1_pair(double x) {
    int k = nearest(x * INV_LN2);
    pair e = expm1_small(less_ln2((pair){x, 0}, k));
    if (k == 0) return e;
    double s = power_of_two(k);
    return pair_add((pair){s * e.hi, s * e.lo}, sum(s, -1));
}

double limn_expm1(double x) {
    if (x != x || fabs(x) < 0x1p-54) return x;
    if (x > 40) return limn_exp(x) - 1;
    if (x < -40) return -1;
    pair e = expm1_pair(x);
    return e.hi + e.lo;
}

double limn_tanh(double x) {
    if (x != x || fabs(x) < 0x1p-28) return x;
    if (fabs(x) > 20) return x < 0 ? -1 : 1;
    /* tanh x = (e^2x - 1) / (e^2x + 1) */
    pair e = expm1_pair(2 * x);
    pair t = pair_div(e, pair_add(e, (pair){2, 0}));
    return t.hi + t.lo;
}

/* ---- logarithms ------------------------------------------------------------------------------ */

/* ln x for x > 0, finite; within 2^-64 of itself. x.lo counts only above 2^-900. */
static pair log_pair(pair x) {
    /* 2 artanh z = 2z (1 + w/3 + w^2/5 + ...), w = z^2 <= 0.0295 */
    static const double c[] = {1. / 5,  1. / 7,  1. / 9,  1. / 11, 1. / 13,
                               1. / 15, 1. / 17, 1. / 19, 1. / 21, 1. / 23};
    static const pair third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    int k = 0;
    if (x.hi < 0x1p-1022) x.hi *= 0x1p54, x.lo *= 0x1p54, k = -54;
    uint64_t bits;
    memcpy(&bits, &x.hi, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    double m;
    memcpy(&m, &bits, sizeof m);
    double low = fabs(x.lo) > 0x1p-900 ? scale(x.lo, -e) : 0;
    if (m > 1.4142135623730951) m *= 0.5, low *= 0.5, e++;
    k += e;

    pair f = sum(m - 1, low);
    pair z = pair_div(f, pair_add(f, (pair){2, 0}));
    pair w = pair_mul(z, z);
    pair t = pair_add(third, (pair){w.hi * polynomial(c, COUNT(c), w.hi), 0});
    pair y = pair_mul((pair){2 * z.hi, 2 * z.lo}, pair_mul(w, t));
    y = pair_add((pair){2 * z.hi, 2 * z.lo}, y);
    pair p = product(k, LN2_2);
    p.lo += k * LN2_3;
    return pair_add(pair_add((pair){k * LN2_1, 0}, p), y);
}

double limn_log(double x) {
    if (x != x || x == INFINITY) return x;
    if (x == 0) return -INFINITY;
    if (x < 0) return NAN;
    pair y = log_pair((pair){x, 0});
    return y.hi + y.lo;
}

double limn_log1p(double x) {
    if (x != x || x == INFINITY || fabs(x) < 0x1p-54) return x;
    if (x == -1) return -INFINITY;
    if (x < -1) return NAN;
    pair y = log_pair(sum(1, x));
    return y.hi + y.lo;
}

double limn_pow(double x, double y) {
    if (x == 1 || y == 0) return 1;
    if (x != x || y != y) return x + y;
    if (x < 0) return NAN;
    if (x == 0 || x == INFINITY) return (x == 0) == (y < 0) ? INFINITY : 0;
    pair l = log_pair((pair){x, 0});
    double rough = y * l.hi;
    if (rough > 710) return INFINITY;
    if (rough < -746) return 0;
    return exp_pair(pair_mul((pair){y, 0}, l));
}

/* ---- sine and cosine ------------------------------------------------------------------------- */

/* pi/2 = PIO2_1 + PIO2_2 + PIO2_3; PIO2_1 has 33 bits, so n x PIO2_1 is exact for |n| < 2^20. */
#define PIO2_1   0x1.921fb544p+0
#define PIO2_2   0x1.0b4611a626331p-34
#define PIO2_3   0x1.1701b839a2520p-88
#define INV_PIO2 0x1.45f306dc9c883p-1

/* Beyond this sin and cos give up (NaN): n would need more bits. */
#define MOST_ANGLE 0x1p20

/* x - n pi/2 with n the nearest integer; *quadrant = n mod 4 (Cody and Waite 1980). */
static pair reduce(double x, unsigned *quadrant) {
    int n = nearest(x * INV_PIO2);
    *quadrant = (unsigned)n & 3;
    if (n == 0) return (pair){x, 0};
    pair p = product(-(double)n, PIO2_2);
    pair r = sum(fma(-(double)n, PIO2_1, x), p.hi);
    return sum(r.hi, r.lo + (p.lo - n * PIO2_3));
}

/* sin r for |r| <= pi/4 */
static double sin_small(pair r) {
    static const double c[] = {
        -1. / 6,         1. / 120,         -1. / 5040,           1. / 362880,
        -1. / 39916800., 1. / 6227020800., -1. / 1307674368000., 1. / 355687428096000.};
    double w = r.hi * r.hi;
    double rest = w * r.hi * polynomial(c, COUNT(c), w);
    return r.hi + (rest + r.lo * (1 - 0.5 * w));
}

/* cos r for |r| <= pi/4 */
static double cos_small(pair r) {
    static const double c[] = {
        1. / 24,         -1. / 720,          1. / 40320,           -1. / 3628800,
        1. / 479001600., -1. / 87178291200., 1. / 20922789888000., -1. / 6402373705728000.};
    pair w = product(r.hi, r.hi);
    double rest = w.hi * w.hi * polynomial(c, COUNT(c), w.hi);
    pair s = sum(1, -0.5 * w.hi);
    return s.hi + (s.lo + (rest - 0.5 * w.lo - r.hi * r.lo));
}

double limn_sin(double x) {
    if (fabs(x) < 0x1p-27) return x;
    if (!(fabs(x) <= MOST_ANGLE)) return NAN;
    unsigned quadrant;
    pair r = reduce(x, &quadrant);
    double y = quadrant & 1 ? cos_small(r) : sin_small(r);
    return quadrant & 2 ? -y : y;
}

double limn_cos(double x) {
    if (!(fabs(x) <= MOST_ANGLE)) return NAN;
    unsigned quadrant;
    pair r = reduce(x, &quadrant);
    double y = quadrant & 1 ? sin_small(r) : cos_small(r);
    return quadrant == 1 || quadrant == 2 ? -y : y;
}

/* ---- the error function ---------------------------------------------------------------------- */

/* 2 / sqrt(pi) */
static const pair two_by_root_pi = {0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56};

/* erf x for 0 <= x < 0.625: its series at 0, 2/sqrt(pi) x (1 + sum of (-x^2)^n / (n! (2n + 1))) */
static double erf_small(double x) {
    static const double c[] = {-1. / 3,
                               1. / (2. * 5),
                               -1. / (6. * 7),
                               1. / (24. * 9),
                               -1. / (120. * 11),
                               1. / (720. * 13),
                               -1. / (5040. * 15),
                               1. / (40320. * 17),
                               -1. / (362880. * 19),
                               1. / (3628800. * 21),
                               -1. / (39916800. * 23),
                               1. / (479001600. * 25),
                               -1. / (6227020800. * 27),
                               1. / (87178291200. * 29),
                               -1. / (1307674368000. * 31)};
    double w = x * x;
    pair y = product(x, two_by_root_pi.hi);
    double low = y.lo + x * two_by_root_pi.lo;
    return y.hi + (low + y.hi * (w * polynomial(c, COUNT(c), w)));
}

/* erf x for 0.625 <= x < 6: its series at the nearest quarter q. The derivative f(x) = 2/sqrt(pi)
 * e^(-x^2) has f' = -2 x f, hence c[n+1] = -2 (q c[n] + c[n-1]) / (n + 1) for its coefficients. */
static double erf_large(double x) {
    /* 1 - erf(q), q = 0.75, 1, ... 6 */
    static const pair rest[] = {
        {0x1.27c6d14c5e341p-2, 0x1.3af34p-57},    {0x1.4226162fbddd5p-3, -0x1.b4044p-59},
        {0x1.3bcd133aa0ffcp-4, -0x1.89da8p-62},   {0x1.15aaa8ec85205p-5, -0x1.e86eep-61},
        {0x1.b4be201caa4b4p-7, -0x1.6abdep-61},   {0x1.328f5ec350e67p-8, -0x1.ca006p-62},
        {0x1.7f713f9cc9784p-10, -0x1.42072p-64},  {0x1.aab859b20ac9ep-12, 0x1.88f5p-66},
        {0x1.a609f7584d32bp-14, 0x1.d92f4p-68},   {0x1.729df6503422ap-16, 0x1.784cap-73},
        {0x1.20c1303550f0ep-18, -0x1.20ee8p-73},  {0x1.8ef2a9a18d857p-21, -0x1.2d76ep-75},
        {0x1.e87470e4f4246p-24, -0x1.cafa4p-82},  {0x1.08ddd13bd35e7p-26, -0x1.615dcp-80},
        {0x1.fcae93fb7323cp-30, 0x1.35a36p-84},   {0x1.b05cfe2e99435p-33, -0x1.a071ep-87},
        {0x1.453141082302ap-36, -0x1.1a102p-90},  {0x1.b0c1a759f7739p-40, -0x1.b2856p-94},
        {0x1.fd5f08ad2b29ap-44, 0x1.e5b1ep-99},   {0x1.09182b326b229p-47, -0x1.22e86p-102},
        {0x1.e7eea02e4ed88p-52, -0x1.824ccp-106}, {0x1.8cf81557d20b6p-56, 0x1.a8p-112}};
    int i = nearest(4 * x);
    double q = 0.25 * i, t = x - q;
    double c = two_by_root_pi.hi * limn_exp(-q * q);
    pair first = product(c, t);
    double before = 0, power = t, s = 0;
    for (int n = 1; n <= 17; n++) {
        double after = -2 * (q * c + before) / n;
        before = c;
        c = after;
        power *= t;
        s += c * power / (n + 1);
    }
    pair y = pair_add(pair_add(sum(1, -rest[i - 3].hi), first), (pair){s, -rest[i - 3].lo});
    return y.hi + y.lo;
}

double limn_erf(double x) {
    if (x != x || x == 0) return x;
    double a = fabs(x);
    double y = a < 0.625 ? erf_small(a) : a < 6 ? erf_large(a) : 1;
    return x < 0 ? -y : y;
}
