/* The table of numeric kernels: the few loops where all the time goes.
 *
 * What comes in: float32 in rows, packed weights. What goes out: float32. Kernels allocate nothing,
 * check nothing, fail never, and touch nothing but their outputs.
 *
 * Every level (c, avx2, avx512, neon) fills the same table, and every entry gives the same bits at
 * every level (docs/numerics.md). How that is had:
 *   - The matrix tile, Winograd's transforms and the reading of float16 and bfloat16 are written in
 *     the few vector operations of simd/vec.h, once for all levels. c/tile.h, plain/winograd.h and
 *     plain/convert.h are their specification.
 *   - Everything else is plain C (plain/) in which each operation is either exact, or rounded once
 *     by IEEE 754: +, -, x, /, sqrt, fmaf. It is compiled once for each level, with that level's
 *     instructions; a compiler may then vectorise it but, without contraction or fast-math, may not
 *     change a bit of it. The reference *is* the fast code.
 *
 * Dimension letters: n batch, h height, w width, c channels, t tokens, d width, k the summed one.
 */
#ifndef LIMN_KERNELS_H
#define LIMN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __FAST_MATH__
#error "limn promises bits: build it without -ffast-math"
#endif
#include <float.h>
_Static_assert(FLT_EVAL_METHOD == 0, "float must be computed as float");

/* The widest row block and panel of any level, for callers' tables. */
#define LIMN_TILE_ROWS_MOST 16
#define LIMN_PANEL_MOST     32

/* The most segments, and the most steps of k, in one call of `tile`. */
#define LIMN_TILE_SEGMENTS 16
#define LIMN_TILE_DEPTH    256

typedef enum limn_activation {
    LIMN_ACT_NONE,
    LIMN_ACT_SILU,       /* x sigmoid(x) */
    LIMN_ACT_GELU,       /* x (1 + erf(x / sqrt 2)) / 2 */
    LIMN_ACT_QUICK_GELU, /* x sigmoid(1.702 x) */
    LIMN_ACT_RELU,       /* x where x > 0, else 0 */
} limn_activation;

/* One tile of a matrix product: c[r][j] = chain over k of fma(a[r][k], b[k][j], c[r][j]), k rising.
 *
 * A row of `a` is not one run of memory but `segments` runs, one after the other along k: a dense
 * row is one run, a row of a convolution is one run for each tap of the window, pointing straight
 * at the pixels (an indirect convolution: nothing is copied, and padding is a pointer to zeros).
 * Source: M. Dukhan, The Indirect Convolution Algorithm, 2019. */
typedef struct limn_tile {
    int rows;    /* 1 to the level's tile_rows */
    int columns; /* 1 to the level's panel: how many columns of c exist */
    int segments;
    const int *length;     /* [segments] steps of k in each */
    const float *const *a; /* [segments][tile_rows] where each row's run begins */
    const float *b;        /* [sum of length][panel], packed */
    float *c;              /* [rows][columns], c_stride apart */
    size_t c_stride;       /* in floats */
    bool first;            /* the chain starts at 0; else at what c holds */
} limn_tile;

/* One tile of an int8 product: c[r][j] = (float)(sum over k of a[r][k] b[k][j]) x (a_scale[r] x
 * b_scale[j]). The sum is an exact int32, so the order of its terms is free; both products of the
 * scales are rounded. Numbers are -127 to 127, those of b -128 to 127, and k is at most
 * LIMN_I8_DEPTH. The bytes of `a` are those numbers' bits xor the level's i8_flip. */
typedef struct limn_tile_i8 {
    int rows;    /* 1 to the level's tile_i8_rows */
    int columns; /* 1 to the level's panel */
    int segments;
    int fours;              /* of k, in each segment */
    const int8_t *const *a; /* [segments][tile_i8_rows] where each row's run begins */
    const int8_t *b;        /* [segments x fours][panel][4], packed */
    const float *a_scale;   /* [rows] */
    const float *b_scale;   /* [panel] */
    const int32_t *b_start; /* [panel] -128 x the column's sum over k; read where there is a flip */
    float *c;               /* [rows][columns], c_stride floats apart */
    size_t c_stride;
} limn_tile_i8;

/* The most steps of k whose sum fits into int32 whatever the numbers are. */
#define LIMN_I8_DEPTH 131072

/* The most numbers that `rotate` mixes. Part of the contract. */
#define LIMN_ROTATE_MOST 64

/* The most keys in one call of `weigh`. Part of the contract: so many share a largest score. */
#define LIMN_ATTEND_KEYS 256

/* Where int8 attention stands after some keys, for a panel of queries side by side; each array
 * [panel]. Begin with most -infinity and total 0. */
typedef struct limn_attend {
    float most[LIMN_PANEL_MOST];    /* the largest score, in base 2 */
    float total[LIMN_PANEL_MOST];   /* the sum of all weights, as they are beside `most` */
    float before[LIMN_PANEL_MOST];  /* what sums from before the last block are to be taken times */
    float now[LIMN_PANEL_MOST];     /* what 1 of the last block's weights is worth */
    int32_t start[LIMN_PANEL_MOST]; /* limn_tile_i8.b_start of the last block's weights */
} limn_attend;

/* Chains of a peak's loop that run side by side: more than a multiplier's latency times the
 * multipliers there are. */
#define LIMN_PEAK_CHAINS 12

/* A loop that multiplies and adds in registers and does nothing else, to measure what the machine
 * could do (render/peak.h). Its result depends on all that it did. */
typedef struct limn_peak {
    const char *with; /* the instruction */
    double ops;       /* multiplications and additions in one round */
    float (*loop)(long rounds, float factor, float summand);
} limn_peak;

/* out[n] = the float32 that x's 16 bits each are worth. */
typedef void (*limn_widen)(const uint16_t *x, size_t n, float *out);

typedef struct limn_kernels {
    const char *level; /* "c", "avx2", ... */
    int tile_rows;     /* rows of a full tile */
    int panel;         /* columns of a packed panel */

    /* A tile of a matrix product; see limn_tile. */
    void (*tile)(const limn_tile *t);

    /* A tile of an int8 product; see limn_tile_i8. i8_flip is 0x80 where the processor multiplies
     * unsigned by signed bytes, so that rows are wanted as q + 128; else 0. */
    uint8_t i8_flip;
    int tile_i8_rows;
    void (*tile_i8)(const limn_tile_i8 *t);

    /* The largest |x[i]|, +0 for n = 0; infinity or a NaN where one of them is that. */
    float (*most)(const float *x, size_t n);

    /* out[i] = x[i] x inverse, rounded to nearest, ties to even, its bits xor `flip`. Where |x[i] x
     * inverse| is not at most 127.49, out[i] is undefined. */
    void (*to_i8)(const float *x, size_t n, float inverse, uint8_t flip, int8_t *out);

    /* Hadamard's rotation of each run of `block` numbers; see plain/rotate.h. n is a multiple of
     * block, a power of two up to LIMN_ROTATE_MOST. out may be x. */
    void (*rotate)(const float *x, size_t n, int block, float *out);

    /* out[i] = act(x[i] + bias[i]) + residual[i] for i < c; bias and residual may be NULL. out may
     * be x. The order is: bias, activation, residual. */
    void (*finish)(const float *x, const float *bias, limn_activation act, const float *residual,
                   int c, float *out);

    /* out[i] = x[i] gelu(gate[i]). Source: Shazeer 2020, GLU variants (GEGLU). */
    void (*geglu)(const float *x, const float *gate, int c, float *out);

    /* x[i] = exp(scale x[i] - max) over a row of n; returns 1 / sum, which the caller applies to
     * what it computes from the row. Sums run in 16 lanes, folded 8-4-2-1. */
    float (*softmax)(float *x, int n, float scale);

    /* A block of int8 attention: scores s[keys][panel] in base 2, the rows of s that follow up to a
     * multiple of four lost, become weights[keys / 4, rounded up][panel][4]: each is 255 x
     * 2^(score - the block's largest), 0 behind the last key, less 128; *a moves on. */
    void (*weigh)(float *s, int keys, limn_attend *a, int8_t *weights);

    /* Adds a block's products more[r][j] to sum[r][j], `rows` rows of a panel: sum before[j] +
     * (more
     * + offset[r] now[j]), by fma. offset[r] makes up for the 128 that weights are short of. */
    void (*fold)(float *sum, const float *more, const float *offset, int rows,
                 const limn_attend *a);

    /* out = (x - mean) / sqrt(variance + eps) gamma + beta over one row of d. */
    void (*layer_norm)(const float *x, int d, float eps, const float *gamma, const float *beta,
                       float *out);

    /* sum[i] and square[i], for i < c: the sums of x and of x squared down a column of `pixels`
     * rows of c, x_stride floats apart, in double, pixel by pixel. */
    void (*column_sums)(const float *x, size_t x_stride, int pixels, int c, double *sum,
                        double *square);

    /* out[p][i] = act(fma(x[p][i], scale[i], shift[i])) over `pixels` rows of c; x's are x_stride
     * floats apart, out's follow each other. */
    void (*scale_shift)(const float *x, size_t x_stride, int pixels, int c, const float *scale,
                        const float *shift, limn_activation act, float *out);

    /* The three transforms of Winograd's convolution F(4x4, 3x3); see plain/winograd.h.
     *   input    pixel [36] points at a 6 x 6 window's pixels, c channels each; out[p x stride + i]
     *   weights  g[t x tap_stride + i]: 9 taps of n outputs; out[p x stride + i]
     *   output   m[p x stride + i]: 36 sums of n outputs; out [16][n]
     * For weights and output, n is a number of whole panels. */
    void (*winograd_input)(const float *const *pixel, int c, float *out, size_t stride);
    void (*winograd_weights)(const float *g, size_t tap_stride, int n, float *out, size_t stride);
    void (*winograd_output)(const float *m, size_t stride, int n, float *out);

    /* float16's or bfloat16's bits to float32, exactly. */
    limn_widen from_f16, from_bf16;

    /* out[l][j] = x[l][j] scale[j] over `lines` rows of a panel each. */
    void (*from_q8)(const int8_t *x, const float *scale, int lines, float *out);

    /* out[j] = chain over i < count of fma(factor[i], rows[i x stride + j], sum), i rising from a
     * sum of 0, for j < n. */
    void (*combine)(const float *factor, int count, const float *rows, size_t stride, size_t n,
                    float *out);

    /* The level's peaks: float32, and products of bytes summed as int32, which asks the processor
     * for its best form. */
    limn_peak peak_f32;
    limn_peak (*peak_int8)(void);
} limn_kernels;

/* The best level that this machine has, lowered by the environment's LIMN_ISA (c, avx2, avx512,
 * neon) where that is set; an unknown name there is ignored. */
const limn_kernels *limn_kernels_pick(void);

/* The level of that name if this machine can run it, in its best form, else NULL. For tests. */
const limn_kernels *limn_kernels_level(const char *name);

/* The i-th table that this machine can run, from "c", the reference, on; NULL past the last. A
 * level has a second one, of the same name, where one instruction can do an int8 product. For
 * tests. */
const limn_kernels *limn_kernels_table(int i);

#endif
