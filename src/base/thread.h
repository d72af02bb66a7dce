/* What a thread needs before it may compute: the contract's floating-point environment (round to
 * nearest, subnormals kept). Threads that compute are started in team.c alone. */
#ifndef LIMN_BASE_THREAD_H
#define LIMN_BASE_THREAD_H

/* How many threads "0" stands for: the processors this process may run on. At least 1. */
int limn_threads_default(void);

/* The floating-point environment of the contract, for code outside a team: what was before
 * it was set. */
typedef struct limn_fp_state {
    unsigned long long bits;
} limn_fp_state;

/* Sets the contract's environment on this thread and returns what was. */
limn_fp_state limn_fp_enter(void);

/* Puts back what was. */
void limn_fp_leave(limn_fp_state state);

#endif
