/* A team: threads that stay together for one picture. The only place that starts threads which
 * compute (OpenMP); beside.h has one for what goes on meanwhile.
 *
 * A picture is thousands of short parallel loops, some of them microseconds long. Ending a loop at
 * OpenMP's barrier costs little on an idle machine and milliseconds on a busy one, where a thread
 * that has nothing left to do still waits for one that the system has put to sleep. So the threads
 * are started once (by OpenMP), loops are handed to whoever is awake, and a loop is over when its
 * tasks are done: a caller who is alone does them alone.
 *
 * Threads split outputs, never a sum: tasks are numbered by the shape of the work, each writes its
 * own part, and which thread runs which task cannot be seen in the result. Every task runs in the
 * contract's floating-point environment (thread.h). */
#ifndef LIMN_BASE_TEAM_H
#define LIMN_BASE_TEAM_H

#include <stdatomic.h>

#include "base/error.h"

typedef struct limn_team limn_team;

/* Runs body(ctx, team) on the calling thread with `threads` threads in all at its service; returns
 * when body has. With one thread, team is NULL. At most 64 threads are started, or as
 * many as there are processors: OpenMP ends the process where the system gives it no thread, so a
 * slip of the finger must not ask for hundreds. */
void limn_team_run(int threads, void (*body)(void *ctx, limn_team *team), void *ctx);

/* Runs task(ctx, i) for every i in [0, tasks) and returns when all are done. Only for the thread
 * that runs the body, one loop at a time. team NULL: all run on the caller. */
void limn_team_loop(limn_team *team, int tasks, void (*task)(void *ctx, int i), void *ctx);

/* One loop with a team of its own: for work that is long and comes once. At most as many threads as
 * tasks; 0 threads and fewer count as 1. */
void limn_parallel(int threads, int tasks, void (*task)(void *ctx, int i), void *ctx);

/* The one fault that is kept of many tasks'. Begin with {.err = where its sentence goes}. */
typedef struct limn_fault {
    atomic_int status; /* LIMN_OK until there is one; any task may look, and give up */
    limn_error *err;   /* NULL is fine; not to be read before the tasks are over */
} limn_fault;

/* Keeps a task's fault if it is the first. */
void limn_fault_keep(limn_fault *f, limn_status status, const limn_error *own);

#endif
