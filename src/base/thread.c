#include "base/thread.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <fenv.h>
#endif

/* More threads than any machine has use for. OpenMP ends the process where the system gives it no
 * thread, so a slip of the finger must not ask for a million. */
#define MOST_THREADS 512

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

void limn_parallel(int threads, int tasks, void (*task)(void *ctx, int i), void *ctx) {
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads > tasks) threads = tasks;
    if (threads <= 1) {
        limn_fp_state old = limn_fp_enter();
        for (int i = 0; i < tasks; i++) task(ctx, i);
        limn_fp_leave(old);
        return;
    }
    /* 64 bits: every thread counts once past the end. */
    atomic_llong next = 0;
#pragma omp parallel num_threads(threads) default(none) shared(next, tasks, task, ctx)
    {
        /* OpenMP's threads may belong to the caller's program too, so each is left as it was. */
        limn_fp_state old = limn_fp_enter();
        for (long long i; (i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed)) < tasks;)
            task(ctx, (int)i);
        limn_fp_leave(old);
    }
}
