/* 3x3 convolutions by Winograd's F(4x4, 3x3).
 *
 * The output is cut into tiles of 4 x 4 pixels, each computed from a window of 6 x 6. For a block
 * of tiles:
 *   1. the windows are transformed: V [36][tiles][c];
 *   2. for each group of output channels, its weights are transformed: U [36][panels][c][panel].
 *      That is done again for each block and evaluation: the transformed weights are four times as
 *      large as the weights, and reading them would cost more than making them. Small ones that
 *      caches hold are made once;
 *   3. 36 matrix products: M [36][tiles][group] = V U;
 *   4. M is transformed back, finished and put into its place.
 * Each step is a loop over tasks that all threads share. Blocks and groups change no bit.
 *
 * Where a norm comes before the convolution, its pixels are made a few rows at a time: the stripe
 * that a block's windows lie in. What two stripes share is kept, so that each pixel is normed
 * once.
 *
 * Blocks are whole rows of tiles, from the top of the first image to the end of the last, and have
 * read all their windows before they write. Behind a norm, what the next block needs of this one's
 * pixels is in the stripe: so the results may take their input's place. */
#include "layers/product.h"

#include <string.h>

/* Tiles in a block, and in one whose U is there already; output channels in a group. They bound the
 * workspace. */
#define BLOCK_TILES   512
#define KEPT_TILES    128
#define GROUP_COLUMNS 64
/* Numbers of U up to which it is made once for all blocks. */
#define KEPT_NUMBERS ((size_t)36 * 256 * 128)
/* Pixels of a stripe in one task. */
#define TASK_PIXELS 128
/* Tiles, and channels in, in one task of a transform; rows in one task of the products. */
#define TASK_TILES    2
#define TASK_CHANNELS 32
#define TASK_ROWS     96

/* Normed rows of pixels of one image. */
typedef struct stripe {
    const limn_affine *before;
    float *v;              /* [rows][w][c] */
    int image, y, end;     /* rows [y, end) of that image are there */
    int fresh, fresh_rows; /* being made: rows from the one called `fresh` on */
} stripe;

/* A convolution under way. */
typedef struct wino {
    const limn_kernels *kernels;
    const limn_conv *conv;
    const limn_rows *rows;
    const limn_finish *finish;
    const limn_place *out;
    int tiles_w, tiles_image;            /* tiles in a row, and in one image */
    int tile0, tiles;                    /* the block under way */
    int panel0, panels;                  /* the group under way */
    int u_panel0, u_panels;              /* what U holds */
    size_t v_stride, u_stride, m_stride; /* floats between two of the 36 */
    float *v, *u, *m;
    stripe stripe; /* v is NULL where there is no norm */
} wino;

/* A stride for the 36 of at least `floats`, an odd number of cache lines: the transforms write 36
 * places at once, which must not all fall into the same set of the cache. */
static size_t apart(size_t floats) {
    return ((floats + 15) / 16 | 1) * 16;
}

bool limn_winograd_suits(const limn_conv *conv, const limn_map *out) {
    return conv->matrix.numbers.type != LIMN_I8 && conv->kernel == 3 && conv->stride == 1 &&
           conv->pad == 1 && conv->c >= 32 && conv->matrix.n >= 32 && out->h >= 8 && out->w >= 8;
}

/* The output pixel at the top left of a tile. */
static void tile_at(const wino *w, int tile, int *image, int *y, int *x) {
    int in_image = tile % w->tiles_image;
    *image = tile / w->tiles_image;
    *y = in_image / w->tiles_w * 4;
    *x = in_image % w->tiles_w * 4;
}

/* ---- the stripe ------------------------------------------------------------------------------ */

static void stripe_task(void *ctx, int task) {
    const wino *w = ctx;
    const stripe *s = &w->stripe;
    const limn_rows *r = w->rows;
    int first = task * TASK_PIXELS, count = limn_least(TASK_PIXELS, s->fresh_rows * r->w - first);
    size_t c = (size_t)r->c, wide = (size_t)r->w, at = (size_t)(s->fresh - s->y) * wide;
    size_t from = ((size_t)s->image * (size_t)r->h + (size_t)s->fresh) * wide;
    const float *x = r->x + (from + (size_t)first) * r->pixel_stride;
    float *out = s->v + (at + (size_t)first) * c;
    w->kernels->scale_shift(x, r->pixel_stride, count, r->c,
                            s->before->scale + (size_t)s->image * c,
                            s->before->shift + (size_t)s->image * c, s->before->act, out);
}

/* Makes the stripe rows [y, end) of an image; what it has of them already is moved. */
static void move_stripe(limn_exec *e, wino *w, int image, int y, int end) {
    stripe *s = &w->stripe;
    size_t row = (size_t)w->rows->w * (size_t)w->rows->c;
    int kept = s->image == image && y >= s->y && y < s->end ? s->end - y : 0;
    if (kept > 0) memmove(s->v, s->v + (size_t)(y - s->y) * row, (size_t)kept * row * sizeof *s->v);
    *s = (stripe){.before = s->before, .v = s->v, .image = image, .y = y, .end = end};
    s->fresh = y + kept;
    s->fresh_rows = end - s->fresh;
    limn_team_loop(e->team, limn_parts(s->fresh_rows * w->rows->w, TASK_PIXELS), stripe_task, w);
}

/* The pixel's channels, or zeros outside of the image. */
static const float *pixel_at(const wino *w, int image, int y, int x) {
    const stripe *s = &w->stripe;
    const limn_rows *r = w->rows;
    if (!s->v) return limn_rows_at(r, image, y, x);
    if (y < 0 || y >= r->h || x < 0 || x >= r->w) return limn_zeros;
    return s->v + ((size_t)(y - s->y) * (size_t)r->w + (size_t)x) * (size_t)r->c;
}

/* ---- the four steps -------------------------------------------------------------------------- */

static void input_task(void *ctx, int task) {
    const wino *w = ctx;
    int last = limn_least(w->tiles, (task + 1) * TASK_TILES);
    for (int i = task * TASK_TILES; i < last; i++) {
        const float *pixel[36];
        int image, y, x;
        tile_at(w, w->tile0 + i, &image, &y, &x);
        for (int p = 0; p < 36; p++) pixel[p] = pixel_at(w, image, y - 1 + p / 6, x - 1 + p % 6);
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
        size_t tap_stride = (size_t)(m->numbers.type == LIMN_F32 ? c * panel : panel);
        const float *taps = limn_matrix_panel(w->kernels, m, w->u_panel0 + j, i, 1, room);
        for (int t = 1; t < 9 && taps == room; t++)
            limn_matrix_panel(w->kernels, m, w->u_panel0 + j, t * c + i, 1, room + t * panel);
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
    const float *u = w->u + (size_t)position * w->u_stride +
                     (size_t)(w->panel0 - w->u_panel0) * (size_t)c * (size_t)panel;
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
                                 .b = u + ((size_t)j * (size_t)c + (size_t)k0) * (size_t)panel,
                                 .c = w->m + (size_t)position * w->m_stride + (size_t)r * width +
                                      (size_t)j * (size_t)panel,
                                 .c_stride = width,
                                 .first = k0 == 0});
            }
}

/* Bias, activation and residual of one pixel's group of channels, on its way to its place. The
 * residual may lie in that place, so nothing is written there before it was read. */
static void finish_pixel(const wino *w, int image, size_t pixel, float *sums) {
    static const limn_finish none = {.bias = NULL};
    const limn_finish *f = w->finish ? w->finish : &none;
    const limn_kernels *k = w->kernels;
    const limn_matrix *matrix = &w->conv->matrix;
    size_t n = (size_t)matrix->n, column = (size_t)w->panel0 * (size_t)k->panel;
    int columns = limn_least(w->panels * k->panel, matrix->n - (int)column);
    const float *bias = matrix->bias ? matrix->bias + column : NULL;
    const float *own = f->bias ? f->bias + (size_t)image * n + column : NULL;
    size_t at = pixel * w->out->pixel_stride + column;
    float *out = w->out->v + at, *to = f->residual ? sums : out;
    k->finish(sums, bias, own ? LIMN_ACT_NONE : f->act, NULL, columns, to);
    if (own) k->finish(to, own, f->act, NULL, columns, to);
    if (f->residual) k->finish(f->residual + at, sums, LIMN_ACT_NONE, NULL, columns, out);
    if (f->last != LIMN_ACT_NONE) k->finish(out, NULL, f->last, NULL, columns, out);
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

/* ---- the whole ------------------------------------------------------------------------------- */

/* Makes U of the weights of some panels. */
static void make_weights(limn_exec *e, wino *w, int panel0, int panels) {
    int c = w->conv->c;
    w->u_panel0 = panel0;
    w->u_panels = panels;
    w->u_stride = apart((size_t)panels * (size_t)w->kernels->panel * (size_t)c);
    limn_team_loop(e->team, panels * limn_parts(c, TASK_CHANNELS), weights_task, w);
}

static void run_group(limn_exec *e, wino *w, bool kept) {
    if (!kept) make_weights(e, w, w->panel0, w->panels);
    w->m_stride = apart((size_t)w->panels * (size_t)w->kernels->panel * (size_t)w->tiles);
    limn_team_loop(e->team, 36 * limn_parts(w->tiles, TASK_ROWS), product_task, w);
    limn_team_loop(e->team, limn_parts(w->tiles, TASK_TILES), output_task, w);
}

/* The windows of the block under way, normed where they are to be, and transformed. */
static void make_windows(limn_exec *e, wino *w) {
    if (w->stripe.v) {
        int image, y, last, end, x;
        tile_at(w, w->tile0, &image, &y, &x);
        tile_at(w, w->tile0 + w->tiles - 1, &image, &last, &x);
        end = limn_least(last + 5, w->rows->h);
        move_stripe(e, w, image, y > 0 ? y - 1 : 0, end);
    }
    w->v_stride = apart((size_t)w->tiles * (size_t)w->conv->c);
    limn_team_loop(e->team, limn_parts(w->tiles, TASK_TILES), input_task, w);
}

/* What goes beside the results of the block under way, which lies in one image. */
static void run_beside(limn_exec *e, const wino *w) {
    const limn_rows *r = w->rows;
    const limn_place *to = w->out;
    int image, y, last, x;
    tile_at(w, w->tile0, &image, &y, &x);
    tile_at(w, w->tile0 + w->tiles - 1, &image, &last, &x);
    size_t rows = (size_t)limn_least(last + 4, r->h) - (size_t)y;
    size_t first = ((size_t)image * (size_t)r->h + (size_t)y) * (size_t)r->w;
    limn_pointwise_run(e, to->beside, r->x + first * r->pixel_stride, r->pixel_stride,
                       rows * (size_t)r->w, to->v + first * to->pixel_stride + w->conv->matrix.n,
                       to->pixel_stride);
}

static void run_block(limn_exec *e, wino *w, bool kept) {
    int panels = limn_parts(w->conv->matrix.n, w->kernels->panel);
    int group = GROUP_COLUMNS / w->kernels->panel;
    bool goes_on = limn_exec_goes_on(e);
    if (goes_on) make_windows(e, w);
    if (w->out->beside) run_beside(e, w);
    for (w->panel0 = 0; w->panel0 < panels && goes_on; w->panel0 += group) {
        w->panels = limn_least(group, panels - w->panel0);
        run_group(e, w, kept);
    }
}

/* Tiles in a block: behind a norm of one image, so that its stripe is. */
static int block_of(const wino *w, bool kept) {
    int most = kept ? KEPT_TILES : BLOCK_TILES, rows = most / w->tiles_w;
    int all = w->stripe.before ? w->tiles_image : w->tiles_image * w->rows->images;
    return limn_least(all, (rows > 0 ? rows : 1) * w->tiles_w);
}

/* The workspace for blocks of so many tiles and groups of so many columns. */
static void take_room(limn_exec *e, wino *w, int block, size_t width, size_t u_columns) {
    size_t c = (size_t)w->conv->c, rows = (size_t)limn_parts(block, w->tiles_w) * 4 + 2;
    w->v = limn_arena_floats(e->ws, 36 * apart((size_t)block * c));
    w->u = limn_arena_floats(e->ws, 36 * apart(u_columns * c));
    w->m = limn_arena_floats(e->ws, 36 * apart(width * (size_t)block));
    if (w->stripe.before) w->stripe.v = limn_arena_floats(e->ws, rows * (size_t)w->rows->w * c);
}

void limn_winograd_run(limn_exec *e, const limn_conv *conv, const limn_rows *rows,
                       const limn_affine *before, const limn_finish *finish,
                       const limn_place *out) {
    size_t mark = limn_arena_mark(e->ws), c = (size_t)conv->c;
    wino w = {.kernels = e->k, .conv = conv, .rows = rows, .finish = finish, .out = out};
    w.stripe = (stripe){.before = before, .image = -1};
    int panel = e->k->panel, panels = limn_parts(conv->matrix.n, panel);
    int group = limn_least(panels, GROUP_COLUMNS / panel);
    w.tiles_w = limn_parts(rows->out_w, 4);
    w.tiles_image = w.tiles_w * limn_parts(rows->out_h, 4);
    int all = w.tiles_image * rows->images;
    bool kept = 36 * c * (size_t)(panels * panel) <= KEPT_NUMBERS;
    int block = block_of(&w, kept);
    take_room(e, &w, block, (size_t)(group * panel), (size_t)((kept ? panels : group) * panel));
    e->flop += 18.0 * rows->images * rows->out_h * rows->out_w * conv->matrix.n * conv->c;
    if (kept && limn_exec_goes_on(e)) make_weights(e, &w, 0, panels);
    for (w.tile0 = 0; w.tile0 < all; w.tile0 += w.tiles) {
        w.tiles = limn_least(block, all - w.tile0);
        /* A stripe is of one image. */
        int left = w.tiles_image - w.tile0 % w.tiles_image;
        if (before) w.tiles = limn_least(w.tiles, left);
        run_block(e, &w, kept);
    }
    limn_arena_release(e->ws, mark);
}
