/* A SIMD level's table. This file is compiled once for each level, with that level's instructions
 * (the Makefile's LEVEL_*), and exports one name: limn_kernels_avx2, limn_kernels_avx512, ... */
#include "kernels/levels.h"
#include "kernels/plain/int8.h"
#include "kernels/plain/norm.h"
#include "kernels/simd/convert.h"
#include "kernels/simd/int8.h"
#include "kernels/simd/peak.h"
#include "kernels/simd/softmax.h"
#include "kernels/simd/tile.h"
#include "kernels/simd/winograd.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define TEXT_(a)     #a
#define TEXT(a)      TEXT_(a)

const limn_kernels PASTE(limn_kernels_, LIMN_LEVEL) = {
    .level = TEXT(LIMN_LEVEL),
    .tile_rows = ROWS,
    .panel = PANEL,
    .tile = limn_simd_tile,
    .tile_i8_rows = I8_ROWS,
    .tile_i8 = limn_simd_tile_i8,
    .most = limn_plain_most,
    .to_i8 = limn_plain_to_i8,
    .finish = limn_plain_finish,
    .geglu = limn_plain_geglu,
    .softmax = limn_simd_softmax,
    .layer_norm = limn_plain_layer_norm,
    .column_sums = limn_plain_column_sums,
    .scale_shift = limn_plain_scale_shift,
    .winograd_input = limn_simd_winograd_input,
    .winograd_weights = limn_simd_winograd_weights,
    .winograd_output = limn_simd_winograd_output,
    .from_f16 = limn_simd_from_f16,
    .peak_f32 = {"fma", F32_OPS, limn_simd_peak_f32},
    .peak_int8 = limn_simd_peak_int8,
};

/* What callers' tables have room for (layers/product.c, layers/winograd.c). */
_Static_assert(ROWS >= 4 && ROWS <= LIMN_TILE_ROWS_MOST, "rows of a tile");
_Static_assert(I8_ROWS >= 4 && I8_ROWS <= LIMN_TILE_ROWS_MOST, "rows of an int8 tile");
_Static_assert(PANEL <= LIMN_PANEL_MOST && 64 % PANEL == 0 && PANEL % 16 == 0, "a panel");
