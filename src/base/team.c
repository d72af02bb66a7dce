#include "base/team.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"

/* Looks at the ticket before a thread goes to sleep: some 20 to 50 microseconds, longer than the
 * pauses between loops, shorter than what another process would miss. */
#define SPINS 1500

/* See limn_team_run. */
#define THREADS_MOST 64

/* The ticket names the loop under way and its next task, in one word so that it can be taken in one
 * step: [generation 24 | tasks 20 | next 20]. */
#define TASKS_MOST       0xfffff
#define NEXT_OF(t)       ((int)((t)&0xfffff))
#define TASKS_OF(t)      ((int)((t) >> 20 & 0xfffff))
#define GENERATION_OF(t) ((t) >> 40)

struct limn_team {
    _Atomic uint64_t ticket;
    atomic_int left; /* tasks of the loop that are not done */
    void (*task)(void *ctx, int i);
    void *ctx;
    atomic_bool over; /* the body has returned */
    atomic_int sleepers;
    atomic_bool caller_sleeps;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool has_work(limn_team *t) {
    uint64_t ticket = atomic_load(&t->ticket);
    return NEXT_OF(ticket) < TASKS_OF(ticket);
}

/* Takes and runs tasks until none is left to take. A task that was taken keeps its loop from
 * ending, so `task` and `ctx` are still that loop's. */
static void run_tasks(limn_team *t) {
    uint64_t ticket = atomic_load(&t->ticket);
    while (NEXT_OF(ticket) < TASKS_OF(ticket)) {
        if (!atomic_compare_exchange_weak(&t->ticket, &ticket, ticket + 1)) continue;
        t->task(t->ctx, NEXT_OF(ticket));
        if (atomic_fetch_sub(&t->left, 1) == 1 && atomic_load(&t->caller_sleeps)) {
            pthread_mutex_lock(&t->lock);
            pthread_cond_signal(&t->done);
            pthread_mutex_unlock(&t->lock);
        }
        ticket = atomic_load(&t->ticket);
    }
}

/* Sleeps until there is work or the team is over. The counter of sleepers goes up before the last
 * look at the ticket, and the caller reads it after writing the ticket: one of the two sees. */
static void sleep_for_work(limn_team *t) {
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleepers, 1);
    while (!has_work(t) && !atomic_load(&t->over)) pthread_cond_wait(&t->work, &t->lock);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->lock);
}

static void wake_sleepers(limn_team *t) {
    if (atomic_load(&t->sleepers) == 0) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
}

/* What the team's other threads do. */
static void serve(limn_team *t) {
    while (!atomic_load(&t->over)) {
        int spin = 0;
        while (spin < SPINS && !has_work(t) && !atomic_load(&t->over)) {
            pause_briefly();
            spin++;
        }
        if (spin == SPINS) sleep_for_work(t);
        run_tasks(t);
    }
}

/* Waits until the last task is done, which another thread is doing. */
static void wait_for_end(limn_team *t) {
    for (int spin = 0; spin < SPINS && atomic_load(&t->left) > 0; spin++) pause_briefly();
    if (atomic_load(&t->left) == 0) return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->caller_sleeps, true);
    while (atomic_load(&t->left) > 0) pthread_cond_wait(&t->done, &t->lock);
    atomic_store(&t->caller_sleeps, false);
    pthread_mutex_unlock(&t->lock);
}

void limn_team_loop(limn_team *team, int tasks, void (*task)(void *ctx, int i), void *ctx) {
    if (!team || tasks <= 1 || tasks > TASKS_MOST) {
        for (int i = 0; i < tasks; i++) task(ctx, i);
        return;
    }
    team->task = task;
    team->ctx = ctx;
    atomic_store(&team->left, tasks);
    uint64_t generation = GENERATION_OF(atomic_load(&team->ticket)) + 1;
    atomic_store(&team->ticket, generation << 40 | (uint64_t)tasks << 20);
    wake_sleepers(team);
    run_tasks(team);
    wait_for_end(team);
}

void limn_team_run(int threads, void (*body)(void *ctx, limn_team *team), void *ctx) {
    limn_fp_state own = limn_fp_enter();
    int most = limn_threads_default();
    if (most < THREADS_MOST) most = THREADS_MOST;
    if (threads > most) threads = most;
    if (threads <= 1) {
        body(ctx, NULL);
        limn_fp_leave(own);
        return;
    }
    limn_team team = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .work = PTHREAD_COND_INITIALIZER,
                      .done = PTHREAD_COND_INITIALIZER};
#pragma omp parallel num_threads(threads) default(none) shared(team, body, ctx)
    {
        limn_fp_state old = limn_fp_enter();
        if (omp_get_thread_num() == 0) {
            body(ctx, &team);
            atomic_store(&team.over, true);
            wake_sleepers(&team);
        } else {
            serve(&team);
        }
        limn_fp_leave(old);
    }
    limn_fp_leave(own);
}

/* limn_parallel's loop as the body of a team. */
typedef struct single_loop {
    int tasks;
    void (*task)(void *ctx, int i);
    void *ctx;
} single_loop;

static void run_single(void *ctx, limn_team *team) {
    const single_loop *l = ctx;
    limn_team_loop(team, l->tasks, l->task, l->ctx);
}

void limn_parallel(int threads, int tasks, void (*task)(void *ctx, int i), void *ctx) {
    single_loop loop = {tasks, task, ctx};
    limn_team_run(threads < tasks ? threads : tasks, run_single, &loop);
}

void limn_fault_keep(limn_fault *f, limn_status status, const limn_error *own) {
    int none = LIMN_OK;
    if (atomic_compare_exchange_strong(&f->status, &none, status) && f->err) *f->err = *own;
}
