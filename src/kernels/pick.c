/* Which level runs: the best that the processor and the operating system support. */
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/levels.h"
#include "limn.h"

/* The levels from slowest to fastest. */
static const limn_kernels *const levels[] = {
    &limn_kernels_c,
#if defined(__x86_64__)
    &limn_kernels_avx2,
    &limn_kernels_avx512,
#elif defined(__aarch64__)
    &limn_kernels_neon,
#endif
};

#define LEVELS ((int)(sizeof levels / sizeof *levels))

#if defined(__x86_64__)
/* What the level avx2 is compiled with. Clang's __builtin_cpu_supports has no word for F16C; that
 * the system keeps the registers follows from AVX2. */
static bool has_avx2(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static bool runs_here(const limn_kernels *k) {
#if defined(__x86_64__)
    if (k == &limn_kernels_avx2) return has_avx2();
#if defined(LIMN_SIMDE) /* AVX-512 played on other instructions, to test its logic anywhere */
    if (k == &limn_kernels_avx512) return true;
#endif
    if (k == &limn_kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               has_avx2();
#endif
    (void)k;
    return true;
}

const limn_kernels *limn_kernels_level(const char *name) {
    for (int i = 0; i < LEVELS; i++)
        if (strcmp(levels[i]->level, name) == 0) return runs_here(levels[i]) ? levels[i] : NULL;
    return NULL;
}

const limn_kernels *limn_kernels_pick(void) {
    const char *most = getenv("LIMN_ISA");
    int top = LEVELS - 1;
    for (int i = 0; most && i < LEVELS; i++)
        if (strcmp(levels[i]->level, most) == 0) top = i;
    while (top > 0 && !runs_here(levels[top])) top--;
    return levels[top];
}

const char *limn_simd_level(void) {
    return limn_kernels_pick()->level;
}
