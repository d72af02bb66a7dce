/* The matrix product behind linear layers and convolutions.
 *
 * The output is cut into tasks of some rows by some panels of columns. A task goes along k in
 * blocks that the caches hold: for each block it looks up where the rows' runs lie (the table of
 * the indirect convolution), then lets the kernel continue the chains of all its tiles; a chain's
 * sum waits in the output between blocks, which is exact. After the last block, bias, activation
 * and residual.
 *
 * How the output is cut changes no bit: every element is its own chain. */
#include "layers/product.h"

#include <stdint.h>
#include <string.h>

/* Rows in a task: as many as keep a block of the left operand in the second-level cache. */
#define TASK_ROWS 96
/* Pointers to the runs of a task's rows: a tile of `step` rows has step x LIMN_TILE_SEGMENTS. */
#define TABLE_MOST (TASK_ROWS * LIMN_TILE_SEGMENTS)
/* Tasks below which a product is cut finer, so that several threads share it. */
#define TASKS_WANTED 16
/* Multiply-adds below which threads cost more than they bring. */
#define SERIAL_WORK 65536.0

const float limn_zeros[LIMN_CHANNELS_MOST];

/* A product under way: its operands and how it is cut. */
typedef struct work {
    const limn_kernels *kernels;
    const limn_matrix *w;
    const limn_rows *rows;
    const limn_rows_i8 *i8; /* the rows as int8; NULL where the matrix is float */
    const limn_finish *finish;
    float *out;
    int step;        /* rows of a tile */
    int tiles;       /* of rows in one image */
    int task_tiles;  /* of rows in one task */
    int panels;      /* of columns in all */
    int task_panels; /* in one task */
    int row_tasks;   /* in one image */
    int column_tasks;
    int parts; /* segments that one tap's channels are cut into */
} work;

/* The part of the output that one task makes. */
typedef struct region {
    int image;
    int row, rows; /* in the image */
    int panel, panels;
} region;

/* A block of k: some whole segments. */
typedef struct block {
    int segment, segments; /* the first, and how many */
    int k;                 /* where it begins */
    int length[LIMN_TILE_SEGMENTS];
} block;

static int segment_length(const work *k, int segment) {
    int begin = segment % k->parts * LIMN_TILE_DEPTH;
    return limn_least(k->rows->c - begin, LIMN_TILE_DEPTH);
}

/* Fills b with the segments from b->segment on that fit into one call; false when none is left. */
static bool next_block(const work *k, block *b) {
    int taps = k->rows->kernel * k->rows->kernel, depth = 0;
    b->segments = 0;
    while (b->segment + b->segments < taps * k->parts && b->segments < LIMN_TILE_SEGMENTS) {
        int length = segment_length(k, b->segment + b->segments);
        if (b->segments > 0 && depth + length > LIMN_TILE_DEPTH) break;
        b->length[b->segments++] = length;
        depth += length;
    }
    return b->segments > 0;
}

static void advance(block *b) {
    for (int s = 0; s < b->segments; s++) b->k += b->length[s];
    b->segment += b->segments;
}

ptrdiff_t limn_rows_pixel(const limn_rows *r, int image, int sy, int sx) {
    if (sy < 0 || sy >= r->up_h || sx < 0 || sx >= r->up_w) return -1;
    if (r->up_h != r->h) sy = (int)((int64_t)sy * r->h / r->up_h);
    if (r->up_w != r->w) sx = (int)((int64_t)sx * r->w / r->up_w);
    return ((ptrdiff_t)image * r->h + sy) * r->w + sx;
}

const float *limn_rows_at(const limn_rows *r, int image, int sy, int sx) {
    ptrdiff_t pixel = limn_rows_pixel(r, image, sy, sx);
    return pixel < 0 ? limn_zeros : r->x + (size_t)pixel * r->pixel_stride;
}

/* table[segment][row] for one tile of rows: where each row's run of each segment begins. */
static void look_up(const work *k, const region *g, const block *b, int row, int rows,
                    const float **table) {
    const limn_rows *r = k->rows;
    for (int i = 0; i < rows; i++) {
        int y = (g->row + row + i) / r->out_w, x = (g->row + row + i) % r->out_w;
        for (int s = 0; s < b->segments; s++) {
            int tap = (b->segment + s) / k->parts, part = (b->segment + s) % k->parts;
            const float *run = limn_rows_at(r, g->image, y * r->stride + tap / r->kernel - r->pad,
                                            x * r->stride + tap % r->kernel - r->pad);
            table[s * k->step + i] = run + part * LIMN_TILE_DEPTH;
        }
    }
}

static float *output_at(const work *k, const region *g, int row, int panel) {
    const limn_rows *r = k->rows;
    size_t at = (size_t)g->image * (size_t)r->out_h * (size_t)r->out_w + (size_t)(g->row + row);
    return k->out + at * (size_t)k->w->n + (size_t)panel * (size_t)k->kernels->panel;
}

const float *limn_matrix_panel(const limn_kernels *kernels, const limn_matrix *m, int panel, int k0,
                               int depth, float *room) {
    size_t width = (size_t)kernels->panel;
    size_t at = ((size_t)panel * (size_t)m->k + (size_t)k0) * width;
    if (m->packed) return m->packed + at;
    kernels->from_f16(m->half + at, (size_t)depth * width, room);
    return room;
}

/* Continues the chains of all tiles of the region by one block of k. */
static void run_block(const work *k, const region *g, const block *b) {
    const float *table[TABLE_MOST];
    float room[LIMN_TILE_DEPTH * LIMN_PANEL_MOST];
    int step = k->step, panel = k->kernels->panel, depth = 0;
    for (int s = 0; s < b->segments; s++) depth += b->length[s];
    int tiles = limn_parts(g->rows, step), stride = step * LIMN_TILE_SEGMENTS;
    for (int i = 0; i < tiles; i++)
        look_up(k, g, b, i * step, limn_least(step, g->rows - i * step), table + i * stride);
    for (int j = g->panel; j < g->panel + g->panels; j++) {
        limn_tile t = {
            .columns = limn_least(panel, k->w->n - j * panel),
            .segments = b->segments,
            .length = b->length,
            .b = limn_matrix_panel(k->kernels, k->w, j, b->k, depth, room),
            .c_stride = (size_t)k->w->n,
            .first = b->k == 0,
        };
        for (int i = 0; i < tiles; i++) {
            t.rows = limn_least(step, g->rows - i * step);
            t.a = table + i * stride;
            t.c = output_at(k, g, i * step, j);
            k->kernels->tile(&t);
        }
    }
}

/* All of k for all tiles of the region, in int8. */
static void run_int8(const work *k, const region *g) {
    const int8_t *table[TABLE_MOST];
    float scale[TASK_ROWS];
    int step = k->step, panel = k->kernels->panel, tiles = limn_parts(g->rows, step);
    int taps = k->rows->kernel * k->rows->kernel, c = limn_fours_of(k->rows->c);
    int stride = step * LIMN_TILE_SEGMENTS;
    for (int i = 0; i < tiles; i++)
        limn_rows_i8_at(k->i8, g->image, g->row + i * step, limn_least(step, g->rows - i * step),
                        step, table + i * stride, scale + i * step);
    for (int j = g->panel; j < g->panel + g->panels; j++)
        for (int i = 0; i < tiles; i++)
            k->kernels->tile_i8(&(limn_tile_i8){
                .rows = limn_least(step, g->rows - i * step),
                .columns = limn_least(panel, k->w->n - j * panel),
                .segments = taps,
                .fours = c / 4,
                .a = table + i * stride,
                .b = k->w->i8 + (size_t)j * (size_t)panel * (size_t)taps * (size_t)c,
                .a_scale = scale + i * step,
                .b_scale = k->w->scale + (size_t)j * (size_t)panel,
                .b_start = k->w->start + (size_t)j * (size_t)panel,
                .c = output_at(k, g, i * step, j),
                .c_stride = (size_t)k->w->n,
            });
}

/* Biases, activation and residual over the region. */
static void finish_region(const work *k, const region *g) {
    static const limn_finish none = {.bias = NULL};
    const limn_finish *f = k->finish ? k->finish : &none;
    size_t column = (size_t)g->panel * (size_t)k->kernels->panel;
    int columns = limn_least(g->panels * k->kernels->panel, k->w->n - (int)column);
    const float *bias = k->w->bias ? k->w->bias + column : NULL;
    const float *own = f->bias ? f->bias + (size_t)g->image * (size_t)k->w->n + column : NULL;
    bool plain = f->act == LIMN_ACT_NONE && f->last == LIMN_ACT_NONE;
    if (!bias && !own && !f->residual && plain) return;
    for (int i = 0; i < g->rows; i++) {
        float *out = output_at(k, g, i, g->panel);
        const float *residual = f->residual ? f->residual + (out - k->out) : NULL;
        if (bias && own) k->kernels->finish(out, bias, LIMN_ACT_NONE, NULL, columns, out);
        k->kernels->finish(out, own ? own : bias, f->act, residual, columns, out);
        if (f->last != LIMN_ACT_NONE) k->kernels->finish(out, NULL, f->last, NULL, columns, out);
    }
}

static void run_task(void *ctx, int i) {
    const work *k = ctx;
    int column_task = i % k->column_tasks, row_task = i / k->column_tasks;
    int tile = row_task % k->row_tasks * k->task_tiles, step = k->step;
    region g = {.image = row_task / k->row_tasks,
                .row = tile * step,
                .panel = column_task * k->task_panels};
    g.rows = limn_least(k->task_tiles * step, k->rows->out_h * k->rows->out_w - g.row);
    g.panels = limn_least(k->task_panels, k->panels - g.panel);
    block b = {0};
    if (k->i8) run_int8(k, &g);
    for (; !k->i8 && next_block(k, &b); advance(&b)) run_block(k, &g, &b);
    finish_region(k, &g);
}

/* Cuts rows first to what the caches hold, then finer while there are too few tasks. */
static int cut(work *k) {
    int step = k->step;
    k->tiles = limn_parts(k->rows->out_h * k->rows->out_w, step);
    k->panels = limn_parts(k->w->n, k->kernels->panel);
    k->task_tiles = limn_least(k->tiles, TASK_ROWS / step);
    k->task_panels = k->panels;
    for (;;) {
        k->row_tasks = limn_parts(k->tiles, k->task_tiles);
        k->column_tasks = limn_parts(k->panels, k->task_panels);
        int tasks = k->rows->images * k->row_tasks * k->column_tasks;
        if (tasks >= TASKS_WANTED || (k->task_panels == 1 && k->task_tiles == 1)) return tasks;
        if (k->task_panels > 4 || k->task_tiles == 1)
            k->task_panels = limn_parts(k->task_panels, 2);
        else
            k->task_tiles = limn_parts(k->task_tiles, 2);
    }
}

void limn_product_run(limn_exec *e, const limn_matrix *w, const limn_rows *rows,
                      const limn_finish *finish, float *out) {
    double size = (double)rows->images * rows->out_h * rows->out_w * w->n * w->k;
    size_t mark = limn_arena_mark(e->ws);
    e->flop += 2 * size;
    work k = {.kernels = e->k, .w = w, .rows = rows, .finish = finish, .out = out};
    limn_rows_i8 quantised;
    if (w->int8) {
        quantised = limn_rows_to_i8(e, rows);
        k.i8 = &quantised;
    }
    k.step = w->int8 ? e->k->tile_i8_rows : e->k->tile_rows;
    k.parts = limn_parts(rows->c, LIMN_TILE_DEPTH);
    if (limn_exec_goes_on(e))
        limn_team_loop(size < SERIAL_WORK ? NULL : e->team, cut(&k), run_task, &k);
    limn_arena_release(e->ws, mark);
}

void limn_linear_run(limn_exec *e, const limn_matrix *w, const float *x, size_t x_stride,
                     size_t rows, const limn_finish *finish, float *out) {
    limn_rows dense = {.x = x,
                       .images = 1,
                       .h = (int)rows,
                       .w = 1,
                       .c = w->k,
                       .pixel_stride = x_stride,
                       .up_h = (int)rows,
                       .up_w = 1,
                       .kernel = 1,
                       .stride = 1,
                       .out_h = (int)rows,
                       .out_w = 1};
    limn_product_run(e, w, &dense, finish, out);
}

int limn_conv_size(const limn_conv *conv, int size) {
    return (size + 2 * conv->pad - conv->kernel) / conv->stride + 1;
}

limn_rows limn_conv_window(const limn_conv *conv, const limn_map *x, int up_h, int up_w,
                           const limn_map *out) {
    return (limn_rows){.x = x->v,
                       .images = x->n,
                       .h = x->h,
                       .w = x->w,
                       .c = x->c,
                       .pixel_stride = (size_t)x->c,
                       .up_h = up_h,
                       .up_w = up_w,
                       .kernel = conv->kernel,
                       .stride = conv->stride,
                       .pad = conv->pad,
                       .out_h = out->h,
                       .out_w = out->w};
}

void limn_conv_run(limn_exec *e, const limn_conv *conv, const limn_map *x, int up_h, int up_w,
                   const limn_finish *finish, limn_map *out) {
    limn_rows window = limn_conv_window(conv, x, up_h, up_w, out);
    const limn_place place = {.v = out->v, .pixel_stride = (size_t)out->c};
    if (limn_winograd_suits(conv, out))
        limn_winograd_run(e, conv, &window, NULL, finish, &place);
    else
        limn_product_run(e, &conv->matrix, &window, finish, out->v);
}
