/* Which level runs: the best that the processor and the operating system support. */
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "kernels/levels.h"
#include "limn.h"

/* All tables from slowest to fastest. */
static const limn_kernels *const tables[] = {
    &limn_kernels_c,
#if defined(__x86_64__)
    &limn_kernels_avx2, &limn_kernels_avx2_dot, &limn_kernels_avx512, &limn_kernels_avx512_dot,
#elif defined(__aarch64__)
    &limn_kernels_neon,
    &limn_kernels_neon_dot,
#endif
};

#define TABLES ((int)(sizeof tables / sizeof *tables))

#if defined(__x86_64__)
/* What the level avx2 is compiled with. Clang's __builtin_cpu_supports has no word for F16C; that
 * the system keeps the registers follows from AVX2. */
static bool has_avx2(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* Leaf 7, sub-leaf `leaf` of cpuid: bit `bit` of eax (0) or ecx (2). */
static bool has_leaf7(unsigned leaf, int which, int bit) {
    unsigned r[4] = {0};
    return __get_cpuid_count(7, leaf, &r[0], &r[1], &r[2], &r[3]) && (r[which] >> bit & 1);
}

static bool has_avx512(void) {
#if defined(LIMN_SIMDE) /* AVX-512 played on other instructions, to test its logic anywhere */
    return true;
#else
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
}
#endif

static bool runs_here(const limn_kernels *k) {
#if defined(__x86_64__)
    if (k == &limn_kernels_avx2) return has_avx2();
    if (k == &limn_kernels_avx2_dot) return has_avx2() && has_leaf7(1, 0, 4);
    if (k == &limn_kernels_avx512) return has_avx2() && has_avx512();
#if defined(LIMN_SIMDE)
    return has_avx2();
#else
    if (k == &limn_kernels_avx512_dot) return has_avx2() && has_avx512() && has_leaf7(0, 2, 11);
#endif
#elif defined(__aarch64__)
    if (k == &limn_kernels_neon_dot) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
    return k != NULL;
}

const limn_kernels *limn_kernels_table(int i) {
    for (int t = 0; t < TABLES; t++)
        if (runs_here(tables[t]) && i-- == 0) return tables[t];
    return NULL;
}

const limn_kernels *limn_kernels_level(const char *name) {
    for (int t = TABLES - 1; t >= 0; t--)
        if (strcmp(tables[t]->level, name) == 0 && runs_here(tables[t])) return tables[t];
    return NULL;
}

const limn_kernels *limn_kernels_pick(void) {
    const char *most = getenv("LIMN_ISA");
    int top = TABLES - 1;
    for (int t = 0; most && t < TABLES; t++)
        if (strcmp(tables[t]->level, most) == 0) top = t;
    while (top > 0 && !runs_here(tables[top])) top--;
    return tables[top];
}

const char *limn_simd_level(void) {
    return limn_kernels_pick()->level;
}
