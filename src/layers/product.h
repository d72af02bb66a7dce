/* The matrix product behind linear layers and convolutions; only for src/layers. */
#ifndef LIMN_LAYERS_PRODUCT_H
#define LIMN_LAYERS_PRODUCT_H

#include "layers/layers.h"

/* Where rows of the left operand lie. Row (image, y, x) consists, for each tap (ky, kx) of the
 * window, of the c channels of the source's pixel there, or of zeros outside the source. A dense
 * matrix is one image of rows x 1 pixels and a window of 1 x 1. */
typedef struct limn_rows {
    const float *x;
    int images, h, w, c;
    size_t pixel_stride; /* floats between pixels: c, or more */
    int up_h, up_w;      /* the size the source is brought to (nearest neighbour) */
    int kernel, stride, pad;
    int out_h, out_w; /* rows of one image */
} limn_rows;

/* The most channels that a convolution may take in; loading refuses more. */
#define LIMN_CHANNELS_MOST 65536

/* What padding is read from: as many zeros as a pixel can have channels. */
extern const float limn_zeros[LIMN_CHANNELS_MOST];

/* The pixel of the source that pixel (y, x) of an image is which has been brought to up_h x up_w;
 * -1 outside. */
ptrdiff_t limn_rows_pixel(const limn_rows *r, int image, int y, int x);

/* The channels of pixel (y, x) of an image that has been brought to up_h x up_w; zeros outside. */
const float *limn_rows_at(const limn_rows *r, int image, int y, int x);

/* What makes float32 of 16 bits of LIMN_F16 or LIMN_BF16. */
static inline limn_widen limn_widen_of(const limn_kernels *kernels, limn_dtype type) {
    return type == LIMN_BF16 ? kernels->from_bf16 : kernels->from_f16;
}

/* Numbers that share a scale in LIMN_Q8_0. */
#define LIMN_Q8_BLOCK 32

/* Rows [k0, k0 + depth) of a matrix's panel as float32: where they are, or converted into `room`
 * [depth x panel]. Of Q8_0, k0 and depth are multiples of LIMN_Q8_BLOCK. */
const float *limn_matrix_panel(const limn_kernels *kernels, const limn_matrix *m, int panel, int k0,
                               int depth, float *room);

/* ---- int8 ------------------------------------------------------------------------------------ */

/* What c channels take as int8: zeros follow up to a multiple of four. */
static inline int limn_fours_of(int c) {
    return (c + 3) / 4 * 4;
}

/* How numbers of which the largest is `most` become int8: each x inverse, rounded. Returns what a 1
 * is worth: most / 127; 0 where all are so small that they count as 0; NaN where `most` is no
 * finite number, so that the product is none either. */
float limn_i8_scale(float most, float *inverse);

/* The pixels of the left operand as int8. A scale belongs to a pixel where the window is 1 x 1, and
 * to a whole image otherwise. */
typedef struct limn_rows_i8 {
    const limn_rows *rows;
    int8_t *v;    /* [images x h x w + 1][limn_fours_of(c)], flipped; zeros in the last */
    float *scale; /* [images x h x w] */
} limn_rows_i8;

/* Takes the memory from the workspace and, unless measuring, fills it. */
limn_rows_i8 limn_rows_to_i8(limn_exec *e, const limn_rows *r);

/* table[tap][step] and scale[rows] for the rows from `row` on of one image: where each row's run of
 * each tap begins, and what its sums are worth. */
void limn_rows_i8_at(const limn_rows_i8 *q, int image, int row, int rows, int step,
                     const int8_t **table, float *scale);

/* Where the i-th head's keys, or values, begin among rows that are `stride` apart: heads are
 * counted through all batches. */
static inline size_t limn_keys_first(const limn_keys *keys, int i, size_t stride) {
    size_t batch = (size_t)(i / keys->heads), head = (size_t)(i % keys->heads);
    return batch * (size_t)keys->tokens * stride + head * (size_t)keys->d;
}

/* limn_keys_pack where keys and values are int8. */
void limn_keys_pack_int8(limn_exec *e, const float *k, const float *v, size_t stride,
                         limn_keys *out);

/* limn_attention_run where they are. */
void limn_attention_run_int8(limn_exec *e, const float *q, size_t q_stride, int tokens,
                             const limn_keys *keys, float *out);

/* ---- norms ----------------------------------------------------------------------------------- */

/* What a group norm does to each pixel, once its statistics are known, and what comes after it:
 * act(fma(x, scale, shift)). */
typedef struct limn_affine {
    float *scale, *shift; /* [n, c] */
    limn_activation act;
} limn_affine;

/* The scales and shifts of limn_group_norm_run, in memory from the workspace; act is NONE. x's
 * pixels are x_stride floats apart. */
limn_affine limn_group_norm_fold(limn_exec *e, const limn_norm *norm, const limn_map *x,
                                 size_t x_stride, const float *modulation);

/* Applies them; out may be x. */
void limn_affine_run(limn_exec *e, const limn_affine *a, const limn_map *x, limn_map *out);

/* ---- running --------------------------------------------------------------------------------- */

/* out[images x out_h x out_w, w->n] = rows x w, finished. */
void limn_product_run(limn_exec *e, const limn_matrix *w, const limn_rows *rows,
                      const limn_finish *finish, float *out);

/* Whether a convolution is computed by Winograd's F(4x4, 3x3): a function of its shape alone, and
 * part of the contract. */
bool limn_winograd_suits(const limn_conv *conv, const limn_map *out);

/* Where a convolution's results go: pixel p's to v + p x pixel_stride. By Winograd's method they
 * may lie where something else lay that has been read: it goes down the picture by blocks of whole
 * rows and reads a block's windows before it writes. Behind a norm it comes back to no pixel, so
 * that results may take their pixels' places; else to the row above a block. */
typedef struct limn_place {
    float *v;
    size_t pixel_stride;       /* floats between pixels: as many as they have channels, or more */
    const limn_matrix *beside; /* NULL; or, behind a norm, w: then w x of each pixel as it lies
                                * there, without norm and neighbours, goes behind its results */
} limn_place;

/* What a convolution reads: x, brought to up_h x up_w, for results of out's size. */
limn_rows limn_conv_window(const limn_conv *conv, const limn_map *x, int up_h, int up_w,
                           const limn_map *out);

/* What limn_product_run computes, by F(4x4, 3x3): a quarter of the multiplications, rounded
 * differently. Where `before` is not NULL it is applied to the pixels as they are read, a few rows
 * at a time (and they are not enlarged). finish->residual lies as the output does, and may be the
 * output itself or lie between its pixels. Source: Lavin and Gray 2016. */
void limn_winograd_run(limn_exec *e, const limn_conv *conv, const limn_rows *rows,
                       const limn_affine *before, const limn_finish *finish, const limn_place *out);

/* A convolution of the same size over act(norm(x)): bit by bit what limn_group_norm_run and
 * limn_conv_run give one after the other, but the normed map is never there as a whole. x's pixels
 * are x_stride floats apart. finish->residual may be the output itself. Where Winograd's method
 * does not suit, x and its place are dense, and nothing goes beside. */
void limn_norm_conv_run(limn_exec *e, const limn_norm *norm, limn_activation act,
                        const limn_conv *conv, const limn_map *x, size_t x_stride,
                        const limn_finish *finish, const limn_place *out);

/* out[p] = w x[p] for each pixel p, by rows that are x_stride and out_stride floats apart. A
 * pixel's result may lie where that pixel lies, or before it. */
void limn_pointwise_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                        size_t pixels, float *out, size_t out_stride);

/* Moves the pixels of x, x_stride floats apart, up to each other, in x's place. x_stride is at
 * least twice x->c. */
void limn_map_close_up(limn_exec *e, const limn_map *x, size_t x_stride);

#endif
