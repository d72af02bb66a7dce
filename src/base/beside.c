#include "base/beside.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct limn_beside {
    pthread_t thread;
    pid_t process;        /* that the thread is in */
    atomic_bool done;     /* the task has returned */
    pthread_mutex_t lock; /* of `joined` */
    bool joined;
    void (*task)(void *ctx);
    void *ctx;
};

static void *run(void *it) {
    limn_beside *b = it;
    b->task(b->ctx);
    atomic_store(&b->done, true);
    return NULL;
}

limn_beside *limn_beside_start(void (*task)(void *ctx), void *ctx) {
    sigset_t all, before;
    limn_beside *b = malloc(sizeof *b);
    if (!b) return NULL;
    *b = (limn_beside){.process = getpid(), .task = task, .ctx = ctx};
    pthread_mutex_init(&b->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&b->thread, NULL, run, b) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) return b;
    pthread_mutex_destroy(&b->lock);
    free(b);
    return NULL;
}

bool limn_beside_wait(limn_beside *b) {
    /* A child must not touch the lock either: a thread that is not there may hold it. */
    if (getpid() != b->process) return atomic_load(&b->done);
    pthread_mutex_lock(&b->lock);
    if (!b->joined) pthread_join(b->thread, NULL);
    b->joined = true;
    pthread_mutex_unlock(&b->lock);
    return true;
}

void limn_beside_end(limn_beside *b) {
    if (!b) return;
    limn_beside_wait(b);
    if (getpid() == b->process) pthread_mutex_destroy(&b->lock);
    free(b);
}
