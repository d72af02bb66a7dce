#include "support/layer_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/guarded.h"
#include "support/levels.h"

/* A case's run as the body of a team. */
typedef struct running {
    layer_case *c;
    const limn_kernels *k;
    float *out;
} running;

static void run_once(running *r, limn_arena *ws, limn_team *team) {
    limn_exec e = {.k = r->k, .ws = ws, .team = team};
    r->c->run(r->c, &e, r->out);
    assert_int_equal(ws->used, 0); /* all that was taken is given back */
}

/* Measures, takes exactly that much, and runs: the peak must be the one that was measured. */
static void run_body(void *ctx, limn_team *team) {
    running *r = ctx;
    limn_arena plan = limn_arena_measure(), ws;
    run_once(r, &plan, NULL);
    assert_int_equal(limn_arena_open(&ws, plan.peak, NULL), LIMN_OK);
    memset(ws.block, 0xff, ws.size); /* NaN, should anything be read before it is written */
    run_once(r, &ws, team);
    assert_int_equal(ws.peak, plan.peak);
    limn_arena_close(&ws);
}

/* The case with its weights packed for that level, narrow types kept or not; counts, then packs. */
static guarded run_at(layer_case *c, const limn_kernels *k, int threads, bool narrow) {
    limn_arena plan = limn_arena_measure(), weights;
    limn_error err;
    limn_loader ld = {.k = k,
                      .arena = &plan,
                      .tensors = c->tensors ? c->tensors : weights_tensors(c->file),
                      .keep_narrow = narrow,
                      .err = &err};
    c->load(c, &ld);
    if (ld.status != LIMN_OK) fail_msg("%s: %s", c->what, err.text);
    assert_int_equal(limn_arena_open(&weights, plan.peak, &err), LIMN_OK);
    memset(weights.block, 0xff, weights.size);
    ld.arena = &weights;
    ld.jobs_room = ld.job_count;
    ld.jobs = calloc((size_t)ld.jobs_room + 1, sizeof *ld.jobs);
    assert_non_null(ld.jobs);
    ld.job_count = 0;
    c->load(c, &ld);
    assert_int_equal(ld.status, LIMN_OK);
    assert_int_equal(ld.job_count, ld.jobs_room);
    assert_int_equal(weights.peak, plan.peak);
    assert_int_equal(limn_load_pack(&ld, threads), LIMN_OK);

    guarded out = guarded_take(c->count, sizeof(float));
    limn_team_run(threads, run_body, &(running){c, k, out.f});
    limn_arena_close(&weights);
    free(ld.jobs);
    return out;
}

/* The case against double, and every level and team against the first result. */
void layer_case_check(layer_case *c) {
    static const int threads[] = {1, 2, 3, 5};
    guarded first = run_at(c, level_at(0), 1, false);
    double most = 0, scale = 0;
    for (size_t i = 0; i < c->count; i++) {
        double error = fabs((double)first.f[i] - c->want[i]);
        most = error <= most ? most : error; /* NaN counts */
        scale = fmax(scale, fabs(c->want[i]));
    }
    print_message("  %-70s %.1e\n", c->what, scale > 0 ? most / scale : most);
    if (!(most <= (c->tolerance > 0 ? c->tolerance : LAYER_TOLERANCE) * scale))
        fail_msg("%s: error %.2g where the largest value is %.2g", c->what, most, scale);
    for (int i = 0; i < level_count(); i++)
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            guarded got = run_at(c, level_at(i), threads[t], t % 2 == 0);
            size_t at = floats_differ(first.f, got.f, c->count);
            if (at < c->count)
                fail_msg("%s: level %s, %d threads: [%zu] is %a, not %a", c->what,
                         level_at(i)->level, threads[t], at, (double)got.f[at],
                         (double)first.f[at]);
            guarded_free(&got);
        }
    guarded_free(&first);
}

double *layer_doubles(size_t count) {
    double *d = calloc(count, sizeof *d);
    assert_non_null(d);
    return d;
}

double layer_activated(limn_activation act, double x) {
    switch (act) {
    case LIMN_ACT_SILU:
        return x / (1 + exp(-x));
    case LIMN_ACT_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case LIMN_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case LIMN_ACT_RELU:
        return x > 0 ? x : 0;
    default:
        return x;
    }
}
