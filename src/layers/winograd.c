/* 3x3 convolutions by Winograd's F(4x4, 3x3).
 *
 * The output is cut into tiles of 4 x 4 pixels, each computed from a window of 6 x 6. For a block
 * of tiles:
 *   1. the windows are transformed: V [36][tiles][c];
 *   2. for each group of output channels, its weights are transformed: U [36][panels][c][panel].
 *      That is done again for each block and evaluation: the transformed weights are four times as
 *      large as the weights, and reading them would cost more than making them;
 *   3. 36 matrix products: M [36][tiles][group] = V U;
 *   4. M is transformed back, finished and put into its place.
 * Each step is a loop over tasks that all threads share. Blocks and groups change no bit. */
#include "layers/product.h"

/* Tiles in a block; output channels in a group. They bound the workspace. */
#define BLOCK_TILES   512
#define GROUP_COLUMNS 64
/* Tiles, and channels in, in one task of a transform; rows in one task of the products. */
#define TASK_TILES    2
#define TASK_CHANNELS 32
#define TASK_ROWS     96

/* A convolution under way. */
typedef struct wino {
    const limn_kernels *kernels;
    const limn_conv *conv;
    const limn_rows *rows;
    const limn_finish *finish;
    float *out;
    int tiles_w, tiles_image;            /* tiles in a row, and in one image */
    int tile0, tiles;                    /* the block under way */
    int panel0, panels;                  /* the group under way */
    size_t v_stride, u_stride, m_stride; /* floats between two of the 36 */
    float *v, *u, *m;
} wino;

/* A stride for the 36 of at least `floats`, an odd number of cache lines: the transforms write 36
 * places at once, which must not all fall into the same set of the cache. */
static size_t apart(size_t floats) {
    return ((floats + 15) / 16 | 1) * 16;
}

bool limn_winograd_suits(const limn_conv *conv, const limn_map *out) {
    return !conv->matrix.i8 && conv->kernel == 3 && conv->stride == 1 && conv->pad == 1 &&
           conv->c >= 32 && conv->matrix.n >= 32 && out->h >= 8 && out->w >= 8;
}

/* The output pixel at the top left of a tile. */
static void tile_at(const wino *w, int tile, int *image, int *y, int *x) {
    int in_image = tile % w->tiles_image;
    *image = tile / w->tiles_image;
    *y = in_image / w->tiles_w * 4;
    *x = in_image % w->tiles_w * 4;
}

/* ---- the four steps ----------------------------------------------------------------------------
 */

static void input_task(void *ctx, int task) {
    const wino *w = ctx;
    int last = limn_least(w->tiles, (task + 1) * TASK_TILES);
    for (int i = task * TASK_TILES; i < last; i++) {
        const float *pixel[36];
        int image, y, x;
        tile_at(w, w->tile0 + i, &image, &y, &x);
        for (int p = 0; p < 36; p++)
            pixel[p] = limn_rows_at(w->rows, image, y - 1 + p / 6, x - 1 + p % 6);
        w->kernels->winograd_input(pixel, w->conv->c, w->v + (size_t)i * (size_t)w->conv->c,
                                   w->v_stride);
    }
}

static void weights_task(void *ctx, int task) {
    const wino *w = ctx;
    int c = w->conv->c, chunks = limn_parts(c, TASK_CHANNELS), panel = w->kernels->panel;
    int j = task / chunks, first = task % chunks * TASK_CHANNELS;
    const limn_matrix *m = &w->conv->matrix;
    float *to = w->u + (size_t)j * (size_t)c * (size_t)panel, room[9 * LIMN_PANEL_MOST];
    for (int i = first; i < limn_least(c, first + TASK_CHANNELS); i++) {
        size_t tap_stride = (size_t)(m->packed ? c * panel : panel);
        const float *taps = limn_matrix_panel(w->kernels, m, w->panel0 + j, i, 1, room);
        for (int t = 1; t < 9 && taps == room; t++)
            limn_matrix_panel(w->kernels, m, w->panel0 + j, t * c + i, 1, room + t * panel);
        w->kernels->winograd_weights(taps, tap_stride, panel, to + (size_t)i * (size_t)panel,
                                     w->u_stride);
    }
}

/* Some rows of one of the 36 products. */
static void product_task(void *ctx, int task) {
    const wino *w = ctx;
    int parts = limn_parts(w->tiles, TASK_ROWS), position = task / parts;
    int row0 = task % parts * TASK_ROWS, rows = limn_least(TASK_ROWS, w->tiles - row0);
    int c = w->conv->c, panel = w->kernels->panel, step = w->kernels->tile_rows;
    size_t width = (size_t)w->panels * (size_t)panel;
    const float *v = w->v + (size_t)position * w->v_stride;
    for (int k0 = 0; k0 < c; k0 += LIMN_TILE_DEPTH)
        for (int j = 0; j < w->panels; j++)
            for (int r = row0; r < row0 + rows; r += step) {
                const float *table[LIMN_TILE_ROWS_MOST];
                int count = limn_least(step, row0 + rows - r),
                    length = limn_least(LIMN_TILE_DEPTH, c - k0);
                for (int i = 0; i < count; i++) table[i] = v + (size_t)(r + i) * (size_t)c + k0;
                w->kernels->tile(
                    &(limn_tile){.rows = count,
                                 .columns = panel,
                                 .segments = 1,
                                 .length = &length,
                                 .a = table,
                                 .b = w->u + (size_t)position * w->u_stride +
                                      ((size_t)j * (size_t)c + (size_t)k0) * (size_t)panel,
                                 .c = w->m + (size_t)position * w->m_stride + (size_t)r * width +
                                      (size_t)j * (size_t)panel,
                                 .c_stride = width,
                                 .first = k0 == 0});
            }
}

/* Bias, activation and residual of one pixel's group of channels, on its way to its place. */
static void finish_pixel(const wino *w, int image, size_t pixel, const float *sums) {
    static const limn_finish none = {.bias = NULL};
    const limn_finish *f = w->finish ? w->finish : &none;
    const limn_matrix *matrix = &w->conv->matrix;
    size_t n = (size_t)matrix->n, column = (size_t)w->panel0 * (size_t)w->kernels->panel;
    int columns = limn_least(w->panels * w->kernels->panel, matrix->n - (int)column);
    const float *own = f->bias ? f->bias + (size_t)image * n + column : NULL;
    const float *residual = f->residual ? f->residual + pixel * n + column : NULL;
    float *out = w->out + pixel * n + column;
    w->kernels->finish(sums, matrix->bias ? matrix->bias + column : NULL,
                       own ? LIMN_ACT_NONE : f->act, own ? NULL : residual, columns, out);
    if (own) w->kernels->finish(out, own, f->act, residual, columns, out);
    if (f->last != LIMN_ACT_NONE) w->kernels->finish(out, NULL, f->last, NULL, columns, out);
}

static void output_task(void *ctx, int task) {
    const wino *w = ctx;
    int width = w->panels * w->kernels->panel;
    float sums[16 * GROUP_COLUMNS];
    int last = limn_least(w->tiles, (task + 1) * TASK_TILES);
    for (int i = task * TASK_TILES; i < last; i++) {
        int image, y, x;
        tile_at(w, w->tile0 + i, &image, &y, &x);
        w->kernels->winograd_output(w->m + (size_t)i * (size_t)width, w->m_stride, width, sums);
        for (int p = 0; p < 16; p++) {
            int py = y + p / 4, px = x + p % 4;
            if (py >= w->rows->out_h || px >= w->rows->out_w) continue;
            size_t pixel =
                ((size_t)image * (size_t)w->rows->out_h + (size_t)py) * (size_t)w->rows->out_w +
                (size_t)px;
            finish_pixel(w, image, pixel, sums + p * width);
        }
    }
}

/* ---- the whole
 * ----------------------------------------------------------------------------------- */

static void run_group(limn_exec *e, wino *w) {
    int c = w->conv->c, panel = w->kernels->panel;
    w->u_stride = apart((size_t)w->panels * (size_t)panel * (size_t)c);
    w->m_stride = apart((size_t)w->panels * (size_t)panel * (size_t)w->tiles);
    limn_team_loop(e->team, w->panels * limn_parts(c, TASK_CHANNELS), weights_task, w);
    limn_team_loop(e->team, 36 * limn_parts(w->tiles, TASK_ROWS), product_task, w);
    limn_team_loop(e->team, limn_parts(w->tiles, TASK_TILES), output_task, w);
}

void limn_winograd_run(limn_exec *e, const limn_conv *conv, const limn_rows *rows,
                       const limn_finish *finish, float *out) {
    size_t mark = limn_arena_mark(e->ws), c = (size_t)conv->c;
    wino w = {.kernels = e->k, .conv = conv, .rows = rows, .finish = finish, .out = out};
    int panel = e->k->panel, panels = limn_parts(conv->matrix.n, panel);
    int group = limn_least(panels, GROUP_COLUMNS / panel);
    w.tiles_w = limn_parts(rows->out_w, 4);
    w.tiles_image = w.tiles_w * limn_parts(rows->out_h, 4);
    int all = w.tiles_image * rows->images, block = limn_least(all, BLOCK_TILES);
    size_t width = (size_t)group * (size_t)panel;
    w.v = limn_arena_floats(e->ws, 36 * apart((size_t)block * c));
    w.u = limn_arena_floats(e->ws, 36 * apart(width * c));
    w.m = limn_arena_floats(e->ws, 36 * apart(width * (size_t)block));
    e->flop += 18.0 * rows->images * rows->out_h * rows->out_w * conv->matrix.n * conv->c;
    for (w.tile0 = 0; w.tile0 < all && !limn_exec_measuring(e); w.tile0 += block) {
        w.tiles = limn_least(block, all - w.tile0);
        w.v_stride = apart((size_t)w.tiles * c);
        limn_team_loop(e->team, limn_parts(w.tiles, TASK_TILES), input_task, &w);
        for (w.panel0 = 0; w.panel0 < panels; w.panel0 += group) {
            w.panels = limn_least(group, panels - w.panel0);
            run_group(e, &w);
        }
    }
    limn_arena_release(e->ws, mark);
}
