#include "base/beside.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct limn_beside {
    pthread_t thread;
    pthread_mutex_t lock; /* of `over` */
    bool over;            /* joined */
    void (*task)(void *ctx);
    void *ctx;
};

static void *run(void *it) {
    limn_beside *b = it;
    b->task(b->ctx);
    return NULL;
}

limn_beside *limn_beside_start(void (*task)(void *ctx), void *ctx) {
    sigset_t all, before;
    limn_beside *b = malloc(sizeof *b);
    if (!b) return NULL;
    *b = (limn_beside){.task = task, .ctx = ctx};
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

void limn_beside_wait(limn_beside *b) {
    pthread_mutex_lock(&b->lock);
    if (!b->over) pthread_join(b->thread, NULL);
    b->over = true;
    pthread_mutex_unlock(&b->lock);
}

void limn_beside_end(limn_beside *b) {
    if (!b) return;
    limn_beside_wait(b);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
