/* make bench: what this machine can do, and what share of it limn uses.
 *
 * In: the library, the built-in model, the program ./limn. Out: a table on stdout, or with --json
 * one object. Every share is a rate divided by the peak that was measured in the same run: the best
 * of several tries for the peak, the median of at least five runs for everything else. On a busy
 * machine trust the figures of one thread.
 *
 * The shapes are not listed anywhere: the networks' own code is run in its measuring pass, and what
 * it asks of src/layers is written down (shapes.c). Stable Diffusion 1.5 needs no file for that. */
#ifndef LIMN_BENCH_H
#define LIMN_BENCH_H

#include <jansson.h>

#include "kernels/kernels.h"
#include "layers/layers.h"
#include "limn.h"

#define BENCH_LEVELS_MOST 4
#define BENCH_SHAPES_MOST 128

/* A SIMD level of this machine, and the best it could do. */
typedef struct bench_level {
    const limn_kernels *k;
    double peak_one, peak_all; /* float32 fused multiply-adds, GFLOP/s: one thread, all threads */
} bench_level;

/* The run as a whole. */
typedef struct bench {
    bool json, quick;
    int threads; /* "all" */
    int runs;    /* behind each median */
    const char *model_path, *program;
    limn_model *model;
    bench_level level[BENCH_LEVELS_MOST]; /* best first; level[0] is the one in use */
    int levels;
    double int8_one, int8_all; /* products of bytes, GOP/s, at the level in use */
    const char *int8_with;     /* the instruction for it */
    double read_one, read_all; /* GB/s from memory */
    json_t *report;
} bench;

/* What is done to activations. */
typedef enum bench_kind {
    BENCH_LINEAR,
    BENCH_CONV,
    BENCH_ATTENTION,
    BENCH_GROUP_NORM,
    BENCH_LAYER_NORM,
} bench_kind;

/* One call on src/layers. Fields that a kind does not use are 0. */
typedef struct bench_shape {
    bench_kind kind;
    int n, h, w, c; /* the input; a linear layer's rows are h, attention's queries too */
    int out_h, out_w, out_c;
    int up_h, up_w, kernel, stride, pad;
    int keys, heads; /* attention: c is the width of one head */
    bool causal, residual, gated;
    limn_activation act;
} bench_shape;

/* A network's distinct calls. */
typedef struct bench_network {
    const char *name, *what;
    bool built_in;
    int count;
    bench_shape shape[BENCH_SHAPES_MOST];
    int times[BENCH_SHAPES_MOST]; /* how often each is called */
    double gflop;                 /* of all calls: linear layers, convolutions, attention */
} bench_network;

/* ---- time (time.c) */

/* Something to be timed on a workspace; in a measuring pass it only takes its blocks. */
typedef void bench_work(limn_exec *e, void *ctx);

/* Seconds on the monotonic clock. */
double bench_now(void);

/* The median of `count` numbers, which are sorted in place. */
double bench_median(double *x, int count);

/* The median time of work(e, ctx) in seconds, on a team of `threads`, after one run to warm up.
 * Short work is repeated within a run until the clock's step does not matter. With one thread it is
 * processor time, which a busy machine hardly changes; with more, time on the wall. */
double bench_seconds(const bench *b, const limn_kernels *k, int threads, bench_work *work,
                     void *ctx);

/* ---- peak (peak.c) */

/* Measures level[].peak_*, int8_* and read_*. */
void bench_peak(bench *b);

/* ---- shapes (shapes.c) */

/* Multiplications and additions of one call, in thousands of millions; 0 for norms and the like. */
double bench_gflop(const bench_shape *s);

/* The built-in model's and SD 1.5's networks. *count becomes how many; NULL after a fault, with a
 * sentence on stderr. The caller frees it. */
bench_network *bench_networks(const bench *b, int *count);

/* ---- kernels (tile.c, products.c, rows.c) */

/* The matrix tile alone, at the depths that occur. */
void bench_tile(bench *b);

/* Linear layers, convolutions and attention of a network. */
void bench_products(bench *b, const bench_network *net);

/* Norms, softmax, activations of the networks. */
void bench_rows(bench *b, const bench_network *nets, int count);

/* ---- stages (stages.c, process.c, archs.c) */

/* Runs ./limn as a user does. Before anything else: a child that is forked from a large process
 * inherits its peak. False, with a sentence on stderr, where the program fails. */
bool bench_process(bench *b);

/* Runs ./limn bench for each architecture of which every stage is to be measured as a whole, before
 * anything else too. False as above. */
bool bench_archs(bench *b);

/* Text, U-Net, denoising, decoding, PNG, loading. False after a fault, as above. */
bool bench_stages(bench *b, const bench_network *nets, int count);

/* ---- report (report.c) */

/* Prints to stdout unless the report is JSON. */
void bench_say(const bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a number, rounded to five digits, into an object. */
void bench_put(json_t *object, const char *key, double value);

/* The object or array below `key`, made if it is not there. */
json_t *bench_object(json_t *object, const char *key);
json_t *bench_array(json_t *object, const char *key);

/* "2x16x16x64 -> 96, 3x3" */
void bench_describe(const bench_shape *s, char *text, size_t size);

#endif
