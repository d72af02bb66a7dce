/* One task that goes on beside its caller, on a thread of its own: for what takes long and is
 * wanted later. Signals are left to the caller's threads. */
#ifndef LIMN_BASE_BESIDE_H
#define LIMN_BASE_BESIDE_H

#include <stdbool.h>

typedef struct limn_beside limn_beside;

/* Begins task(ctx). NULL where the system gives no thread or memory: nothing was begun then. */
limn_beside *limn_beside_start(void (*task)(void *ctx), void *ctx);

/* Returns true when the task is over. Any thread may call it, any number of times. A child process
 * made by fork() has no such thread: there it returns at once, false where the task was not over
 * when the child was made. */
bool limn_beside_wait(limn_beside *b);

/* Waits likewise, and releases it. NULL is fine. */
void limn_beside_end(limn_beside *b);

#endif
