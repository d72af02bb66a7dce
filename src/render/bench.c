/* Measuring an architecture: every stage on the code that draws, with invented weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/thread.h"
#include "render/encode.h"
#include "render/invent.h"
#include "render/peak.h"
#include "render/plan.h"

#define RUNS_DEFAULT 5
#define RUNS_MOST    1000

/* Where a peak is sought: this long before the stages, and again after them. */
#define PEAK_S 1.0

/* More than caches hold. */
#define READ_BYTES ((size_t)256 << 20)

/* What a process holds beside weights and workspace, generously. */
#define PROCESS_BYTES ((size_t)64 << 20)

/* A stage's result is believed where its root mean square is in this range: arithmetic on numbers
 * that are none, or subnormal, has a speed of its own. */
#define RMS_LEAST 1e-6
#define RMS_MOST  1e6

/* The stages' inputs and results, in the workspace. */
typedef struct work {
    const limn_model *m;
    int h, w; /* of the latents */
    int32_t *ids;
    float *cond, *pooled;
    limn_map in, out; /* out: what the stage gives */
    limn_unet_context context;
} work;

/* A stage: what comes before the clock runs, and what it measures. */
typedef struct stage {
    const char *name;
    void (*prepare)(limn_exec *e, work *w);
    void (*run)(limn_exec *e, work *w);
} stage;

/* A measurement under way. */
typedef struct bench {
    const limn_bench_options *o;
    limn_bench_report *r;
    const limn_arch *arch;
    const limn_kernels *k;
    bool int8;
    limn_model *m;
    work w;
    limn_arena ws;
    double *times; /* [runs] */
    limn_error *err;
    limn_status status;
} bench;

/* Numbers in [-1, 1) without a pattern that matters: multiples of the golden ratio, modulo 2. */
static void fill(limn_exec *e, float *x, size_t count) {
    for (size_t i = 0; i < count && !limn_exec_measuring(e); i++) {
        uint32_t turn = (uint32_t)i * 2654435769u;
        x[i] = (float)turn * 0x1p-31f - 1.0f;
    }
}

/* ---- the stages ------------------------------------------------------------------------------ */

static void prepare_text(limn_exec *e, work *w) {
    const limn_text *t = w->m->text;
    w->ids = limn_arena_take(e->ws, (size_t)t->positions, sizeof *w->ids);
    w->out = limn_map_take(e, 1, t->positions, 1, w->m->unet.context_d);
    w->pooled = limn_arena_floats(e->ws, (size_t)w->m->unet.pooled_d);
    for (int i = 0; i < t->positions && !limn_exec_measuring(e); i++)
        w->ids[i] = (int32_t)((int64_t)i * 7919 % t->vocabulary);
}

static void run_text(limn_exec *e, work *w) {
    const int32_t *const ids[LIMN_ENCODERS_MOST] = {w->ids, w->ids};
    limn_encode_ids(e, w->m, ids, 1, 0, w->out.v, w->pooled);
}

static void prepare_unet(limn_exec *e, work *w) {
    const limn_unet *u = &w->m->unet;
    int tokens = w->m->text[0].positions;
    size_t numbers = 2 * (size_t)tokens * (size_t)u->context_d, pooled = 2 * (size_t)u->pooled_d;
    w->in = limn_map_take(e, 2, w->h, w->w, u->in_c);
    w->out = limn_map_take(e, 2, w->h, w->w, u->out_c);
    w->cond = limn_arena_floats(e->ws, numbers);
    w->pooled = limn_arena_floats(e->ws, pooled);
    fill(e, w->in.v, limn_map_count(&w->in));
    fill(e, w->cond, numbers);
    fill(e, w->pooled, pooled);
    const limn_unet_condition condition = {
        .n = 2, .tokens = tokens, .cond = w->cond, .pooled = w->pooled};
    limn_unet_prepare(e, u, &condition, &w->context);
}

static void run_unet(limn_exec *e, work *w) {
    limn_unet_run(e, &w->m->unet, &w->in, 500, &w->context, &w->out);
}

static void prepare_decode(limn_exec *e, work *w) {
    const limn_vae *v = &w->m->vae;
    w->in = limn_map_take(e, 1, w->h, w->w, v->latent_c);
    w->out = limn_map_take(e, 1, w->h * v->scale_px, w->w * v->scale_px, 3);
    fill(e, w->in.v, limn_map_count(&w->in));
    for (size_t i = 0; i < limn_map_count(&w->in) && !limn_exec_measuring(e); i++)
        w->in.v[i] *= (float)v->scaling;
}

static void run_decode(limn_exec *e, work *w) {
    const limn_decoder decoder = limn_model_decoder(w->m);
    limn_decode_run(e, &decoder, &w->in, &w->out);
}

#define STAGES 3

static const stage stages[STAGES] = {
    {"text", prepare_text, run_text},
    {"unet_guided_step", prepare_unet, run_unet},
    {"vae_decode", prepare_decode, run_decode},
};

static limn_bench_stage *stage_of(limn_bench_report *r, int i) {
    return i == 0 ? &r->text : i == 1 ? &r->unet : &r->decode;
}

/* The workspace that the largest stage takes, and each stage's operations. */
static size_t measure_stages(bench *b, const limn_model *m) {
    limn_arena plan = limn_arena_measure();
    work w = {.m = m, .h = b->w.h, .w = b->w.w};
    for (int i = 0; i < STAGES; i++) {
        limn_exec e = {.k = b->k, .ws = &plan};
        limn_arena_release(&plan, 0);
        stages[i].prepare(&e, &w);
        e.flop = 0;
        stages[i].run(&e, &w);
        stage_of(b->r, i)->direct_gflop = e.flop / 1e9;
    }
    return plan.peak;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Tells the caller what comes now; LIMN_E_CANCELLED where it has had enough. */
static limn_status announce(const bench *b, const char *what) {
    if (!b->o->watch || b->o->watch(b->o->user, what)) return LIMN_OK;
    return limn_fail(b->err, LIMN_E_CANCELLED, "stopped before %s was measured", what);
}

static limn_status check_result(const bench *b, const char *name) {
    const limn_map *out = &b->w.out;
    double sum = 0;
    for (size_t i = 0; i < limn_map_count(out); i++) sum += (double)out->v[i] * out->v[i];
    double rms = sqrt(sum / (double)limn_map_count(out));
    if (rms >= RMS_LEAST && rms <= RMS_MOST) return LIMN_OK;
    return limn_fail(b->err, LIMN_E_INPUT,
                     "the stage %s gave numbers of size %g with the weights that were made up for "
                     "%s, so its time says nothing",
                     name, rms, b->arch->name);
}

static limn_status time_stage(bench *b, limn_exec *e, const stage *s, double *seconds) {
    limn_status status = LIMN_OK;
    limn_arena_release(&b->ws, 0);
    s->prepare(e, &b->w);
    for (int run = -1; run < b->r->runs && status == LIMN_OK; run++) {
        status = announce(b, s->name);
        if (status != LIMN_OK) break;
        double begin = b->r->wall ? limn_clock_wall_s() : limn_clock_thread_s();
        s->run(e, &b->w);
        double end = b->r->wall ? limn_clock_wall_s() : limn_clock_thread_s();
        if (run >= 0) b->times[run] = end - begin;
        status = check_result(b, s->name);
    }
    if (status == LIMN_OK) *seconds = limn_median(b->times, b->r->runs);
    return status;
}

static void run_stages(void *ctx, limn_team *team) {
    bench *b = ctx;
    limn_exec e = {.k = b->k, .ws = &b->ws, .team = team};
    for (int i = 0; i < STAGES && b->status == LIMN_OK; i++)
        b->status = time_stage(b, &e, &stages[i], &stage_of(b->r, i)->seconds);
}

/* The process's peak of resident memory: Linux gives kilobytes. */
static size_t peak_bytes(void) {
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0) return 0;
    return (size_t)used.ru_maxrss * 1024;
}

/* The best of what was found before and now: the machine's clock and load change. */
static limn_status seek_peak(bench *b) {
    const struct {
        limn_peak peak;
        double *best;
    } sought[] = {{b->k->peak_f32, &b->r->f32_gflops}, {b->k->peak_int8(), &b->r->int8_gops}};
    for (size_t i = 0; i < sizeof sought / sizeof *sought; i++) {
        limn_status status = announce(b, "peak");
        if (status != LIMN_OK) return status;
        double found = limn_peak_ops(&sought[i].peak, b->r->threads, PEAK_S) / 1e9;
        if (found > *sought[i].best) *sought[i].best = found;
    }
    b->r->int8_with = sought[1].peak.with;
    return LIMN_OK;
}

/* After the peak of memory was taken, which this would raise. */
static limn_status seek_read(bench *b) {
    limn_status status = announce(b, "peak");
    if (status != LIMN_OK) return status;
    uint64_t *words = malloc(READ_BYTES);
    if (!words) return limn_fail(b->err, LIMN_E_MEMORY, "no memory to measure reading it");
    memset(words, 1, READ_BYTES);
    size_t count = READ_BYTES / sizeof *words;
    b->r->read_gbs = limn_peak_read_bytes(words, count, b->r->threads, PEAK_S) / 1e9;
    free(words);
    return LIMN_OK;
}

/* ---- from options to a report ---------------------------------------------------------------- */

static limn_status check_side(const bench *b, const char *what, int px, int step) {
    if (px >= step && px <= LIMN_SIDE_MOST_PX && px % step == 0) return LIMN_OK;
    return limn_fail(b->err, LIMN_E_USAGE,
                     "the %s is %d, expected a multiple of %d from %d to %d px for %s", what, px,
                     step, step, LIMN_SIDE_MOST_PX, b->arch->name);
}

/* Everything that can be refused is refused here, and the workspace's size found. */
static limn_status plan(bench *b, size_t *workspace) {
    limn_arch_weight weight;
    limn_model *m = calloc(1, sizeof *m);
    if (!m) return limn_fail(b->err, LIMN_E_MEMORY, "no memory to measure %s", b->arch->name);
    limn_status status = limn_arch_measure(b->arch, b->k, b->int8, m, &weight, b->err);
    int scale = m->vae.scale_px;
    if (status == LIMN_OK) status = check_side(b, "width", b->r->width, scale);
    if (status == LIMN_OK) status = check_side(b, "height", b->r->height, scale);
    if (status == LIMN_OK) {
        b->w.h = b->r->height / scale;
        b->w.w = b->r->width / scale;
        *workspace = measure_stages(b, m);
        status = limn_machine_check(weight.bytes + PROCESS_BYTES, *workspace, b->r->width,
                                    b->r->height, b->err);
    }
    free(m);
    return status;
}

static limn_status measure(bench *b, size_t workspace) {
    b->times = calloc((size_t)b->r->runs, sizeof *b->times);
    if (!b->times) return limn_fail(b->err, LIMN_E_MEMORY, "no memory for %d times", b->r->runs);
    limn_status status = seek_peak(b);
    if (status == LIMN_OK) status = announce(b, "weights");
    if (status == LIMN_OK)
        status = limn_arch_open(b->arch, b->k, b->int8, b->r->threads, &b->m, b->err);
    if (status == LIMN_OK) status = limn_arena_open(&b->ws, workspace, b->err);
    if (status != LIMN_OK) return status;
    b->w.m = b->m;
    b->r->parameters = b->m->info.parameters;
    b->r->weights_bytes = b->m->info.resident_bytes;
    limn_team_run(b->r->threads, run_stages, b);
    if (b->status == LIMN_OK) b->status = seek_peak(b);
    b->r->peak_bytes = peak_bytes();
    return b->status == LIMN_OK ? seek_read(b) : b->status;
}

static limn_status read_options(bench *b) {
    const limn_bench_options *o = b->o;
    if (!o->arch || o->runs < 0 || o->runs > RUNS_MOST || o->threads < 0)
        return limn_fail(b->err, LIMN_E_USAGE,
                         "measuring wants an architecture, 1 to %d runs and some threads",
                         RUNS_MOST);
    const char *precision = o->precision ? o->precision : limn_precision_name(false);
    limn_status status = limn_arch_find(o->arch, &b->arch, b->err);
    if (status == LIMN_OK) status = limn_precision_find(precision, &b->int8, b->err);
    if (status != LIMN_OK) return status;
    b->k = limn_kernels_pick();
    *b->r = (limn_bench_report){
        .arch = b->arch->name, .simd = b->k->level, .precision = limn_precision_name(b->int8)};
    b->r->width = o->width ? o->width : b->arch->width_px;
    b->r->height = o->height ? o->height : b->arch->width_px;
    b->r->threads = o->threads ? o->threads : limn_threads_default();
    b->r->runs = o->runs ? o->runs : RUNS_DEFAULT;
    b->r->wall = b->r->threads > 1;
    return LIMN_OK;
}

limn_status limn_bench_run(const limn_bench_options *options, limn_bench_report *report,
                           limn_error *error) {
    limn_bench_report r;
    size_t workspace = 0;
    bench b = {.o = options, .r = &r, .err = error};
    limn_status status = read_options(&b);
    if (status == LIMN_OK) status = plan(&b, &workspace);
    if (status == LIMN_OK) status = measure(&b, workspace);
    limn_arena_close(&b.ws);
    limn_model_close(b.m);
    free(b.times);
    if (status != LIMN_OK) return status;
    for (int i = 0; i < STAGES; i++) {
        limn_bench_stage *s = stage_of(&r, i);
        s->share = s->direct_gflop / s->seconds / r.f32_gflops;
    }
    *report = r;
    return LIMN_OK;
}
