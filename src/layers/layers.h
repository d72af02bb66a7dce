/* The layers that networks are made of: weights packed for this machine, and how they are run.
 *
 * In: tensors (src/weights) and float32 activations. Out: float32 activations, in memory from the
 * caller's arena. Loading can fail with a sentence; running cannot fail and allocates nothing
 * but arena blocks.
 *
 * A network is run twice over the same code: once with a measuring arena, where every layer takes
 * its blocks and computes nothing (how the plan knows the peak), and then for real.
 *
 * Activations are maps [n, h, w, c]: n batch, h height, w width, c channels; a row of tokens
 * is a map with h = tokens and w = 1. Matrices are [n, k]: n outputs, k inputs, as the files have
 * them. Every result is the same on any number of threads (docs/numerics.md). */
#ifndef LIMN_LAYERS_H
#define LIMN_LAYERS_H

#include "base/arena.h"
#include "base/checked.h"
#include "base/team.h"
#include "kernels/kernels.h"
#include "weights/lora.h"

/* ---- what a network consists of -------------------------------------------------------------- */

/* A layer's numbers in memory, in the type in which they stay; NULL while it is measured. */
typedef struct limn_numbers {
    limn_dtype type; /* LIMN_F32, LIMN_F16, LIMN_BF16, LIMN_Q8_0 or LIMN_I8 */
    union {
        void *at; /* whichever it is */
        float *f32;
        uint16_t *bits; /* LIMN_F16, LIMN_BF16 */
        int8_t *i8;     /* LIMN_I8, -127 to 127, and LIMN_Q8_0's integers */
    };
} limn_numbers;

/* A packed matrix [n, k], for linear layers and convolutions alike: panels of the tile's width,
 * each [k][panel], zeros behind the last column. The numbers are float32, or float16 or bfloat16
 * that is converted, exactly, block by block as it is used: which of them changes no bit of any
 * result. Nor does GGUF's Q8_0: integers, and for every 32 lines a scale for each column.
 * Or they are int8, each output with a scale: then panels are [k / 4][panel][4], with zeros behind
 * each tap's last channel up to a multiple of four, and x is made int8 as the layer runs. */
typedef struct limn_matrix {
    int n, k;
    limn_numbers numbers;
    const uint16_t *q8_scale; /* for LIMN_Q8_0, of each panel: [k / 32][panel], float16 bits */
    const float *scale;       /* for LIMN_I8: [whole panels] what a 1 is worth */
    const int32_t *start;     /* beside it: -128 x the output's sum, for limn_tile_i8 */
    const float *bias;        /* [n], or NULL */
} limn_matrix;

/* A convolution: its matrix has k = kernel x kernel x c, ordered (ky, kx, c). */
typedef struct limn_conv {
    limn_matrix matrix;
    int c; /* channels in */
    int kernel, stride, pad;
} limn_conv;

/* A norm's parameters: group norm and layer norm (groups = 0). */
typedef struct limn_norm {
    int c, groups;
    float eps;
    const float *gamma, *beta; /* [c] */
} limn_norm;

/* A table [rows, d] of which single rows are looked up. What is stored narrowly stays so. */
typedef struct limn_table {
    int d;
    limn_numbers numbers;     /* not LIMN_I8 */
    const uint16_t *q8_scale; /* for LIMN_Q8_0: [rows][d / 32], float16 bits */
} limn_table;

/* ---- loading --------------------------------------------------------------------------------- */

/* One tensor to be brought into its place; see limn_loader. */
typedef struct limn_pack_job {
    const limn_tensor *tensor;
    limn_numbers to;    /* where its numbers go; what lies beside them is limn_matrix's: */
    uint16_t *q8_scale; /* of LIMN_Q8_0 */
    float *scale;       /* of LIMN_I8, and the next too */
    int32_t *start;
    int n0;   /* first output of the matrix that this tensor gives; -1 = copy, do not pack */
    int n, k; /* of the whole matrix */
    int taps; /* kernel x kernel; 1 for a linear layer */
} limn_pack_job;

/* Tensors that no file has: every one that is asked for is there, in the shape that is asked for,
 * and what is packed from it are pseudo-random float16 numbers, small enough that activations stay
 * near 1: matrices about 1 / sqrt(k), biases 1/64, norms' weights about 1. For measuring. */
typedef struct limn_invention {
    limn_tensor last;     /* what the measuring pass hands out, for one call only */
    limn_tensor *tensors; /* [room], NULL in the measuring pass */
    int count, room;
    uint64_t parameters; /* numbers in all tensors so far */
} limn_invention;

/* Where faults about single tensors go, so that all of them can be told instead of the first: each
 * is handed to `add`, and loading goes on as if the tensor were there. For measuring passes only.
 */
typedef struct limn_fault_list {
    void *ctx;
    void (*add)(void *ctx, const char *sentence);
    limn_tensor stand_in; /* what the pass gets for a tensor that is not there */
} limn_fault_list;

/* Finds tensors, checks their shapes and remembers how to pack them. The first fault stays in
 * `status`; everything after it does nothing, so that network code reads as a list of its parts and
 * looks at `status` once, at the end. Used twice: with a measuring arena it counts memory and jobs;
 * with a real one it hands out the places and writes the jobs. */
typedef struct limn_loader {
    const limn_kernels *k;
    limn_arena *arena;
    const limn_tensors *tensors;
    limn_invention *invention; /* NULL: from `tensors`; else they are not looked at */
    const limn_loras *loras;   /* what is added to tensors as they are packed; NULL = nothing */
    limn_fault_list *faults;   /* NULL: the first fault ends the pass */
    bool keep_narrow;          /* matrices stored as float16, bfloat16, Q8_0 stay so */
    bool int8;                 /* matrices become int8 where their shape suits it */
    int int8_count;            /* how many did in this pass */
    limn_pack_job *jobs;       /* [jobs_room], NULL in the measuring pass */
    int job_count, jobs_room;
    limn_status status;
    limn_error *err;
} limn_loader;

/* Writes the loader's fault, if it is the first. */
void limn_load_fail(limn_loader *ld, limn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether there is a tensor of that name; of an invention's, none is optional, so there is not. */
bool limn_load_has(const limn_loader *ld, const char *name);

/* limn_config_int, for loaders. */
void limn_load_int(limn_loader *ld, const limn_config *config, const char *key, long min, long max,
                   long fallback, int *out);

/* NAME.weight [n, k] (a 1x1 convolution [n, k, 1, 1] is the same thing) and, with bias, NAME.bias
 * [n]. */
limn_matrix limn_load_linear(limn_loader *ld, const char *name, int n, int k, bool bias);

/* How many linear layers may be put together: queries, keys and values. */
#define LIMN_LINEARS_MOST 3

/* Several linear layers of one input as one matrix, outputs one after the other: `names` are
 * `count` suffixes behind `prefix`, at most LIMN_LINEARS_MOST, each [n, k]; with bias, each has
 * one. */
limn_matrix limn_load_linears(limn_loader *ld, const char *prefix, const char *const *names,
                              int count, int n, int k, bool bias);

/* NAME.weight [n, c, kernel, kernel] and NAME.bias [n]. */
limn_conv limn_load_conv(limn_loader *ld, const char *name, int n, int c, int kernel, int stride,
                         int pad);

/* The same without a bias. */
limn_conv limn_load_conv_bare(limn_loader *ld, const char *name, int n, int c, int kernel,
                              int stride, int pad);

/* NAME.weight [c] and NAME.bias [c]. groups = 0 for layer norm. */
limn_norm limn_load_norm(limn_loader *ld, const char *name, int c, int groups, double eps);

/* A table NAME [rows, d]. */
limn_table limn_load_table(limn_loader *ld, const char *name, int rows, int d);

/* Packs everything that the loader found, on `threads` threads. LIMN_E_INPUT where a file was
 * shortened meanwhile, LIMN_E_IO, LIMN_E_MEMORY; the sentence is in the loader's err. */
limn_status limn_load_pack(const limn_loader *ld, int threads);

/* Packs the i-th job alone, for a caller who mixes it with other work; the sentence goes to err. */
limn_status limn_load_pack_one(const limn_loader *ld, int i, limn_error *err);

/* How one output of a matrix becomes int8: x[c, taps], which is lost, is rotated (layers/int8.c)
 * and becomes out[c, taps]; returns what a 1 of them is worth. Packing does just this. */
float limn_int8_row(const limn_kernels *k, float *x, size_t c, size_t taps, int8_t *out);

/* ---- running --------------------------------------------------------------------------------- */

/* What running needs: the kernels, scratch memory, and threads. */
typedef struct limn_exec {
    const limn_kernels *k;
    limn_arena *ws;
    limn_team *team;          /* NULL: the caller alone */
    double flop;              /* multiplications and additions so far, in products and attention */
    bool (*stop)(void *user); /* asked before each layer and within long ones, on the calling
                                 thread; NULL = never */
    void *user;               /* handed to it */
    bool stopped;             /* it said yes: what was computed since means nothing */
} limn_exec;

/* Whether this is the measuring pass, in which nothing may be read or written. */
static inline bool limn_exec_measuring(const limn_exec *e) {
    return limn_arena_measuring(e->ws);
}

/* Whether a layer is to be computed: not in the measuring pass, and not once the caller wants to
 * stop, which is asked here. A network then runs to its end without its work, in no time, and who
 * began it looks at `stopped`. */
static inline bool limn_exec_goes_on(limn_exec *e) {
    if (limn_exec_measuring(e)) return false;
    if (!e->stopped && e->stop) e->stopped = e->stop(e->user);
    return !e->stopped;
}

/* The loop of a layer that may take long, which is not begun where the layer is not to be computed:
 * stop is asked between tasks too, and those that are left then are not done. */
void limn_exec_loop(limn_exec *e, int tasks, void (*task)(void *ctx, int i), void *ctx);

/* A map of activations [n, h, w, c]. */
typedef struct limn_map {
    float *v;
    int n, h, w, c;
} limn_map;

/* The numbers in one image of a map, and in all. */
static inline size_t limn_map_pixels(const limn_map *m) {
    return (size_t)m->h * (size_t)m->w;
}
static inline size_t limn_map_count(const limn_map *m) {
    return (size_t)m->n * limn_map_pixels(m) * (size_t)m->c;
}

/* A map with memory from the workspace, contents undefined. */
limn_map limn_map_take(limn_exec *e, int n, int h, int w, int c);

/* Slides m, the newest block of the workspace, down to `mark`, and gives back what lay between: how
 * a result takes the place of what it was made from. */
void limn_map_settle(limn_exec *e, size_t mark, limn_map *m);

/* A table's row as float32: out[d]. */
void limn_table_row(const limn_kernels *k, const limn_table *table, size_t row, float *out);

/* What happens to a product on its way out: out = last(act(x w + bias) + residual), or, gated, out
 * = a gelu(b) with [a, b] = x w + the matrix's own bias: half as wide, and none of the rest is
 * done. */
typedef struct limn_finish {
    const float *bias; /* beside the matrix's own: [n, matrix.n], one row for each image; or NULL */
    limn_activation act;
    const float *residual; /* shaped as the output, or NULL; not the output itself */
    limn_activation last;
    bool gated; /* for linear layers. Source: Shazeer 2020, GLU variants (GEGLU) */
} limn_finish;

/* out[rows, w->n] = x[rows, w->k] w, or w->n / 2 columns of it where it is gated. x's rows are
 * x_stride floats apart. finish may be NULL. */
void limn_linear_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                     size_t rows, const limn_finish *finish, float *out);

/* A convolution over x; out has been taken with limn_conv_size's size. up_h x up_w is the size that
 * x is first brought to by nearest neighbour (as by F.interpolate), or x's own. */
void limn_conv_run(limn_exec *e, const limn_conv *conv, const limn_map *x, int up_h, int up_w,
                   const limn_finish *finish, limn_map *out);

/* x becomes conv x, where x has first been brought to twice its sides by nearest neighbour: bit by
 * bit what limn_conv_run gives. x is the workspace's newest block above `mark`, and is slid down to
 * it. Where the convolution suits Winograd's method and keeps the channels, no more memory is taken
 * than the result's. */
void limn_conv_enlarge(limn_exec *e, const limn_conv *conv, size_t mark, limn_map *x);

/* The output's height or width for an input of `size`: (size + 2 pad - kernel) / stride + 1. */
int limn_conv_size(const limn_conv *conv, int size);

/* Group norm, then the activation: out [n, h, w, c] may be x. Statistics over each image's group.
 * modulation [n, 2c] (c scales, then c shifts) makes the normed y into y (1 + scale) + shift before
 * the activation; NULL = none. Sources: Wu and He 2018; Dhariwal and Nichol 2021, section 3. */
void limn_group_norm_run(limn_exec *e, const limn_norm *norm, const limn_map *x,
                         const float *modulation, limn_activation act, limn_map *out);

/* Layer norm over each of `rows` rows of norm->c; out may be x. Source: Ba et al. 2016. */
void limn_layer_norm_run(limn_exec *e, const limn_norm *norm, const float *x, size_t rows,
                         float *out);

/* Keys and values laid out for attention, for n batches of `tokens` rows and `heads` heads of d. */
typedef struct limn_keys {
    float *k,
        *v; /* packed panels: [n, heads, panels of tokens, d] and [n, heads, panels of d, tokens] */
    int n, tokens, heads, d;
    bool int8;       /* then k and v are NULL */
    int8_t *k8, *v8; /* int8 (attention_int8.c): [n, heads, tokens, d], the width a multiple of
                        four, and [n, heads, blocks of tokens, d, LIMN_ATTEND_KEYS]; else NULL */
    float *k_scale, *v_scale; /* [n, heads, tokens] and [n, heads, blocks, d] */
    float *v_sum;             /* 128 x the sum of each row of v8, times its scale */
} limn_keys;

/* Memory for keys and values. */
limn_keys limn_keys_take(limn_exec *e, int n, int tokens, int heads, int d);

/* The same for attention in int8. */
limn_keys limn_keys_take_int8(limn_exec *e, int n, int tokens, int heads, int d);

/* Whether attention to so many tokens is int8 where the network is: a function of that alone, and
 * part of the contract. Fewer gain little. */
bool limn_attention_suits_int8(int tokens);

/* Packs keys and values out of rows [n x tokens], `stride` floats apart; head i is at column i x d.
 */
void limn_keys_pack(limn_exec *e, const float *k, const float *v, size_t stride, limn_keys *out);

/* Scaled dot-product attention: out = softmax(q k^T / sqrt(d)) v, for each batch and head.
 *   q    rows [n x tokens], q_stride floats apart; head i at column i x d
 *   out  rows [n x tokens], heads x d floats apart
 *   causal: a token sees none after itself; int8 keys have no such form
 * The scores of a block of queries exist at a time, never the whole matrix.
 * Source: Vaswani et al. 2017, section 3.2.1. */
void limn_attention_run(limn_exec *e, const float *q, size_t q_stride, int tokens,
                        const limn_keys *keys, bool causal, float *out);

#endif
