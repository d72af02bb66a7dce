#include "base/thread.h"

#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <fenv.h>
#endif

/* MXCSR after a reset: all exceptions masked, round to nearest, no flush to zero (FTZ), subnormal
 * inputs kept (DAZ). Intel SDM vol. 1, 10.2.3. */
#define MXCSR_DEFAULT 0x1F80u

limn_fp_state limn_fp_enter(void) {
    limn_fp_state old = {0};
#if defined(__x86_64__)
    old.bits = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(old.bits));
    __asm__ volatile("msr fpcr, %0" : : "r"(0ULL) : "memory");
#else
    old.bits = (unsigned long long)fegetround();
    fesetround(FE_TONEAREST);
#endif
    return old;
}

void limn_fp_leave(limn_fp_state state) {
#if defined(__x86_64__)
    _mm_setcsr((unsigned)state.bits);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(state.bits) : "memory");
#else
    fesetround((int)state.bits);
#endif
}

int limn_threads_default(void) {
    /* The mask's size is not known beforehand; the kernel refuses one that is too small. */
    for (int most = 1024; most <= 1 << 20; most *= 4) {
        cpu_set_t *set = CPU_ALLOC(most);
        if (!set) break;
        size_t bytes = CPU_ALLOC_SIZE(most);
        CPU_ZERO_S(bytes, set);
        int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}
