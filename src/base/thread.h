/* The only place that starts threads (OpenMP).
 *
 * Threads split outputs, never a sum: tasks are numbered by the shape of the work, each writes its
 * own part, and which thread runs which task cannot be seen in the result. Every task starts with
 * the floating-point environment of the contract: round to nearest, subnormals kept. */
#ifndef LIMN_BASE_THREAD_H
#define LIMN_BASE_THREAD_H

/* How many threads "0" stands for: the processors this process may run on. At least 1. */
int limn_threads_default(void);

/* Runs task(ctx, i) for every i in [0, tasks), on at most `threads` threads, and returns when all
 * are done. Tasks are handed out one by one in rising order. With one thread or one task, all run
 * on the caller. The caller's floating-point environment is as before afterwards. */
void limn_parallel(int threads, int tasks, void (*task)(void *ctx, int i), void *ctx);

/* The floating-point environment of the contract, for code outside limn_parallel: limn_fp_enter
 * sets it and returns what was, limn_fp_leave puts that back. */
typedef struct limn_fp_state {
    unsigned long long bits;
} limn_fp_state;
limn_fp_state limn_fp_enter(void);
void limn_fp_leave(limn_fp_state state);

#endif
