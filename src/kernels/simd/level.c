/* A SIMD level's tables. This file is compiled once for each level, with that level's instructions
 * (the Makefile's LEVEL_*), and exports two names: limn_kernels_avx2 and limn_kernels_avx2_dot, ...
 * The second is for processors that also have the instruction of simd/dot.h. */
#include "kernels/levels.h"
#include "kernels/plain/attend.h"
#include "kernels/plain/combine.h"
#include "kernels/plain/int8.h"
#include "kernels/plain/norm.h"
#include "kernels/simd/convert.h"
#include "kernels/simd/dot.h"
#include "kernels/simd/int8.h"
#include "kernels/simd/peak.h"
#include "kernels/simd/rotate.h"
#include "kernels/simd/softmax.h"
#include "kernels/simd/tile.h"
#include "kernels/simd/winograd.h"

#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c)  PASTE_(a, b, c)
#define TEXT_(a)        #a
#define TEXT(a)         TEXT_(a)

static void weigh(float *s, int keys, limn_attend *a, int8_t *weights) {
    limn_plain_weigh(s, keys, PANEL, a, weights);
}

static void fold(float *sum, const float *more, const float *offset, int rows,
                 const limn_attend *a) {
    limn_plain_fold(sum, more, offset, rows, PANEL, a);
}

static void from_q8(const int8_t *x, const float *scale, int lines, float *out) {
    limn_plain_from_q8(x, scale, lines, PANEL, out);
}

/* What both tables have. */
#define SAME                                                                                       \
    .level = TEXT(LIMN_LEVEL), .tile_rows = ROWS, .panel = PANEL, .tile = limn_simd_tile,          \
    .most = limn_plain_most, .to_i8 = limn_plain_to_i8, .rotate = limn_simd_rotate,                \
    .finish = limn_plain_finish, .geglu = limn_plain_geglu, .weigh = weigh,                        \
    .combine = limn_plain_combine, .fold = fold, .softmax = limn_simd_softmax,                     \
    .layer_norm = limn_simd_layer_norm, .column_sums = limn_plain_column_sums,                     \
    .scale_shift = limn_plain_scale_shift, .winograd_input = limn_simd_winograd_input,             \
    .winograd_weights = limn_simd_winograd_weights, .winograd_output = limn_simd_winograd_output,  \
    .from_f16 = limn_simd_from_f16, .from_bf16 = limn_simd_from_bf16, .from_q8 = from_q8,          \
    .peak_f32 = {"fma", F32_OPS, limn_simd_peak_f32}, .peak_int8 = limn_simd_peak_int8

const limn_kernels PASTE(limn_kernels_, LIMN_LEVEL, ) = {
    SAME,
    .tile_i8_rows = BLOCK_ROWS,
    .tile_i8 = limn_simd_tile_i8,
};

const limn_kernels PASTE(limn_kernels_, LIMN_LEVEL, _dot) = {
    SAME,
    .i8_flip = DOT_FLIP,
    .tile_i8_rows = DOT_ROWS,
    .tile_i8 = limn_simd_tile_dot,
};

/* What callers' tables have room for (layers/product.c, layers/winograd.c). */
_Static_assert(ROWS >= 4 && ROWS <= LIMN_TILE_ROWS_MOST, "rows of a tile");
_Static_assert(BLOCK_ROWS >= 4 && DOT_ROWS <= LIMN_TILE_ROWS_MOST, "rows of an int8 tile");
_Static_assert(PANEL <= LIMN_PANEL_MOST && 64 % PANEL == 0 && PANEL % 16 == 0, "a panel");
