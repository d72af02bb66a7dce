/* A layer's loop that can be left. */
#include <pthread.h>

#include "layers/layers.h"

/* The loop under way: what its tasks are, and whether the caller, who alone is asked, wants to
 * stop. */
typedef struct loop {
    limn_exec *e;
    void (*task)(void *ctx, int i);
    void *ctx;
    pthread_t caller;
    atomic_bool stopped;
} loop;

/* A task, unless the caller was told to stop; it asks behind each of those that it does itself. */
static void run_task(void *ctx, int i) {
    loop *l = ctx;
    if (atomic_load_explicit(&l->stopped, memory_order_relaxed)) return;
    l->task(l->ctx, i);
    if (pthread_equal(l->caller, pthread_self()) && l->e->stop(l->e->user))
        atomic_store_explicit(&l->stopped, true, memory_order_relaxed);
}

void limn_exec_loop(limn_exec *e, int tasks, void (*task)(void *ctx, int i), void *ctx) {
    if (!limn_exec_goes_on(e)) return;
    if (!e->stop) {
        limn_team_loop(e->team, tasks, task, ctx);
        return;
    }
    loop l = {.e = e, .task = task, .ctx = ctx, .caller = pthread_self()};
    limn_team_loop(e->team, tasks, run_task, &l);
    e->stopped = atomic_load(&l.stopped);
}
