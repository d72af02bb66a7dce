/* Each stage of the built-in model, alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "bench/bench.h"
#include "render/encode.h"

static const char prompt[] = "a lighthouse on a floating island in the clouds";

/* What the stages hand to each other, all of it made before any is timed. */
typedef struct stage {
    const bench *b;
    const limn_model *m;
    int threads;
    limn_request request;
    int32_t *ids;         /* [2, positions] */
    float *cond, *pooled; /* of two prompts */
    limn_map latents, pixels;
    uint8_t *rgb;
    limn_picture *picture;
} stage;

static void run_text(limn_exec *e, void *ctx) {
    const stage *s = ctx;
    for (int i = 0; i < 2 && !limn_exec_measuring(e); i++)
        limn_tokenizer_encode(s->m->tokenizer[0], i ? prompt : "",
                              s->ids + i * s->m->text[0].positions, NULL, NULL);
    const int32_t *const ids[LIMN_ENCODERS_MOST] = {s->ids, s->ids};
    limn_encode_ids(e, s->m, ids, 2, 0, s->cond, s->pooled);
}

static limn_unet_condition condition_of(const stage *s) {
    return (limn_unet_condition){
        .n = 2, .tokens = s->m->text[0].positions, .cond = s->cond, .pooled = s->pooled};
}

/* One guided evaluation; the text's keys are made outside the clock, by the first run. */
typedef struct evaluation {
    const stage *s;
    limn_arena text; /* holds the context */
    limn_unet_context context;
    limn_map in, out;
} evaluation;

static void run_unet(limn_exec *e, void *ctx) {
    evaluation *v = ctx;
    limn_unet_run(e, &v->s->m->unet, &v->in, 500, &v->context, &v->out);
}

static limn_status denoise(limn_exec *e, const stage *s, limn_map *latents) {
    const limn_unet_condition condition = condition_of(s);
    const limn_denoise_task task = {.unet = &s->m->unet,
                                    .schedule = &s->m->schedule,
                                    .sampler = s->request.sampler,
                                    .steps = 20,
                                    .guidance = 4,
                                    .rng = LIMN_RNG_TORCH,
                                    .seed = 1,
                                    .condition = &condition};
    return limn_denoise_run(e, &task, latents, NULL);
}

static void run_steps(limn_exec *e, void *ctx) {
    stage *s = ctx;
    denoise(e, s, &s->latents);
}

static void run_decode(limn_exec *e, void *ctx) {
    stage *s = ctx;
    limn_vae_decode(e, &s->m->vae, &s->latents, &s->pixels);
    if (!limn_exec_measuring(e))
        limn_vae_to_pixels(s->pixels.v, limn_map_count(&s->pixels), s->rgb);
}

static void run_png(limn_exec *e, void *ctx) {
    const stage *s = ctx;
    uint8_t *bytes = NULL;
    size_t size;
    if (limn_exec_measuring(e)) return;
    limn_picture_png(s->picture, &bytes, &size, NULL);
    free(bytes);
}

static void run_load(limn_exec *e, void *ctx) {
    const stage *s = ctx;
    limn_model *model = NULL;
    if (limn_exec_measuring(e)) return;
    limn_model_open(s->b->model_path, &(limn_open_options){.threads = s->threads}, &model, NULL);
    limn_model_close(model);
}

/* A stage's line: its time on one thread and on all, and its share where its work is counted. */
static void measure(bench *b, const char *key, const char *what, bench_work *work, void *ctx,
                    stage *s, double gflop) {
    const limn_kernels *k = b->level[0].k;
    json_t *o = bench_object(bench_object(b->report, "stages"), key);
    s->threads = 1;
    double one = bench_seconds(b, k, 1, work, ctx);
    s->threads = b->threads;
    double all = bench_seconds(b, k, b->threads, work, ctx);
    bench_put(o, "seconds", all);
    bench_put(o, "seconds_one", one);
    bench_say(b, "  %-34s %9.2f  %9.2f", what, one * 1e3, all * 1e3);
    if (gflop > 0) {
        bench_put(o, "direct_gflop", gflop);
        bench_put(o, "share", gflop / all / b->level[0].peak_all);
        bench_put(o, "share_one", gflop / one / b->level[0].peak_one);
        bench_say(b, "  %9.3f  %4.0f%%  %4.0f%%", gflop, 100 * gflop / one / b->level[0].peak_one,
                  100 * gflop / all / b->level[0].peak_all);
    }
    bench_say(b, "\n");
}

/* Prepares the text's keys in an arena of their own. */
static bool prepare(const stage *s, evaluation *v) {
    limn_arena plan = limn_arena_measure();
    limn_exec e = {.k = s->b->level[0].k, .ws = &plan};
    const limn_unet *unet = &s->m->unet;
    const limn_unet_condition condition = condition_of(s);
    for (int pass = 0; pass < 2; pass++) {
        v->in = limn_map_take(&e, 2, s->latents.h, s->latents.w, unet->in_c);
        v->out = limn_map_take(&e, 2, s->latents.h, s->latents.w, unet->out_c);
        limn_unet_prepare(&e, unet, &condition, &v->context);
        if (pass == 1) break;
        if (limn_arena_open(&v->text, plan.peak, NULL) != LIMN_OK) return false;
        e.ws = &v->text;
    }
    for (size_t i = 0; i < limn_map_count(&v->in); i++)
        v->in.v[i] = (float)((i * 7919) % 2001) * 1e-3f - 1.0f;
    return true;
}

static void measure_all(bench *b, stage *s, const bench_network *nets) {
    double text = nets[0].gflop, unet = nets[1].gflop, decoder = nets[2].gflop;
    evaluation v = {.s = s};
    bench_say(
        b, "Stages of the built-in model, ms       1 thread  %d threads      GFLOP  share  share\n",
        b->threads);
    measure(b, "load", "load", run_load, s, s, 0);
    measure(b, "text", "text: two prompts", run_text, s, s, text);
    if (prepare(s, &v))
        measure(b, "unet_guided_step", "U-Net: one guided evaluation", run_unet, &v, s, unet);
    limn_arena_close(&v.text);
    measure(b, "steps_20", "20 guided steps", run_steps, s, s, 20 * unet);
    measure(b, "vae_decode", "decode", run_decode, s, s, decoder);
    measure(b, "png", "PNG", run_png, s, s, 0);
}

static void say_process(bench *b, const stage *s) {
    limn_plan plan = {0};
    json_t *o = json_object_get(json_object_get(b->report, "stages"), "process");
    double peak = json_number_value(json_object_get(b->report, "peak_bytes"));
    limn_request_plan(b->model, &s->request, &plan, NULL);
    double planned = (double)plan.peak_bytes;
    bench_put(b->report, "planned_bytes", planned);
    bench_say(b, "  %-34s %9.2f  %9.2f\n", "the whole process, ./limn",
              json_number_value(json_object_get(o, "seconds_one")) * 1e3,
              json_number_value(json_object_get(o, "seconds")) * 1e3);
    bench_say(b, "  %-34s %9.2f\n", "  of it computing (user), system",
              json_number_value(json_object_get(o, "user_seconds_one")) * 1e3);
    bench_say(b, "  peak memory %.1f MB, planned %.1f MB (%+.1f %%)\n\n", peak / 1e6, planned / 1e6,
              100 * (planned / peak - 1));
}

bool bench_stages(bench *b, const bench_network *nets, int count) {
    stage s = {.b = b, .m = b->model};
    const limn_model *m = b->model;
    size_t rows = 2 * (size_t)m->text[0].positions;
    (void)count;
    limn_request_defaults(m, &s.request);
    s.request.prompt = prompt;
    s.request.seed = 1;
    int w = s.request.width, h = s.request.height, scale = m->vae.scale_px;
    size_t pixels = (size_t)w * (size_t)h * 3;
    s.latents = (limn_map){NULL, 1, h / scale, w / scale, m->unet.in_c};
    s.pixels = (limn_map){malloc(pixels * sizeof(float)), 1, h, w, 3};
    s.latents.v = calloc(limn_map_count(&s.latents), sizeof(float));
    s.ids = calloc(rows, sizeof *s.ids);
    s.cond = calloc(rows * (size_t)m->text[0].d, sizeof *s.cond);
    s.pooled = calloc(2 * (size_t)m->text[0].d, sizeof *s.pooled);
    s.rgb = malloc(pixels);
    limn_error error = {0};
    bool good = limn_render(m, &s.request, NULL, &s.picture, &error) == LIMN_OK;
    if (!good) fprintf(stderr, "bench: %s\n", error.text);
    if (good && s.pixels.v && s.latents.v && s.ids && s.cond && s.pooled && s.rgb) {
        measure_all(b, &s, nets);
        say_process(b, &s);
    }
    limn_picture_free(s.picture);
    free(s.pixels.v);
    free(s.latents.v);
    free(s.ids);
    free(s.cond);
    free(s.pooled);
    free(s.rgb);
    return good;
}
