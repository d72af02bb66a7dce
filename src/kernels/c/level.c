/* The level "c": no instruction beyond the compiler's default. The reference for all others. */
#include "kernels/c/int8.h"
#include "kernels/c/tile.h"
#include "kernels/levels.h"
#include "kernels/plain/attend.h"
#include "kernels/plain/combine.h"
#include "kernels/plain/convert.h"
#include "kernels/plain/int8.h"
#include "kernels/plain/norm.h"
#include "kernels/plain/peak.h"
#include "kernels/plain/rotate.h"
#include "kernels/plain/winograd.h"

static limn_peak peak_int8(void) {
    return (limn_peak){"C", 2.0 * 16 * LIMN_PEAK_CHAINS, limn_plain_peak_int8};
}

static void weigh(float *s, int keys, limn_attend *a, int8_t *weights) {
    limn_plain_weigh(s, keys, LIMN_C_PANEL, a, weights);
}

static void fold(float *sum, const float *more, const float *offset, int rows,
                 const limn_attend *a) {
    limn_plain_fold(sum, more, offset, rows, LIMN_C_PANEL, a);
}

static void from_q8(const int8_t *x, const float *scale, int lines, float *out) {
    limn_plain_from_q8(x, scale, lines, LIMN_C_PANEL, out);
}

const limn_kernels limn_kernels_c = {
    .level = "c",
    .tile_rows = LIMN_C_ROWS,
    .panel = LIMN_C_PANEL,
    .tile = limn_c_tile,
    .tile_i8_rows = LIMN_C_ROWS,
    .tile_i8 = limn_c_tile_i8,
    .most = limn_plain_most,
    .to_i8 = limn_plain_to_i8,
    .rotate = limn_plain_rotate,
    .finish = limn_plain_finish,
    .geglu = limn_plain_geglu,
    .softmax = limn_plain_softmax,
    .weigh = weigh,
    .fold = fold,
    .layer_norm = limn_plain_layer_norm,
    .column_sums = limn_plain_column_sums,
    .scale_shift = limn_plain_scale_shift,
    .winograd_input = limn_plain_winograd_input,
    .winograd_weights = limn_plain_winograd_weights,
    .winograd_output = limn_plain_winograd_output,
    .from_f16 = limn_plain_from_f16,
    .from_bf16 = limn_plain_from_bf16,
    .from_q8 = from_q8,
    .combine = limn_plain_combine,
    .peak_f32 = {"fmaf", 2.0 * LIMN_PEAK_CHAINS, limn_plain_peak_f32},
    .peak_int8 = peak_int8,
};

/* What callers' tables have room for (layers/product.c, layers/winograd.c). */
_Static_assert(LIMN_C_ROWS >= 4 && LIMN_C_ROWS <= LIMN_TILE_ROWS_MOST, "rows of a tile");
_Static_assert(LIMN_C_PANEL <= LIMN_PANEL_MOST && 64 % LIMN_C_PANEL == 0 && LIMN_C_PANEL % 16 == 0,
               "a panel");
