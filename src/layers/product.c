/* The matrix product behind linear layers and convolutions.
 *
 * The output is cut into tasks of some rows by some panels of columns. A task goes along k in
 * blocks that the caches hold: for each block it looks up where the rows' runs lie (the table of
 * the indirect convolution), then lets the kernel continue the chains of all its tiles; a chain's
 * sum waits in the output between blocks, which is exact. After the last block, bias, activation
 * and residual.
 *
 * Where the second half of the columns gates the first, a task makes some panels of the first, in
 * the output, and those of the second that belong to them, beside it on the stack.
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
/* Rows and columns of a gated output in one task, whose gates are on the stack, and how far apart a
 * row's gates are from the next row's: the panels that they lie in. */
#define GATED_ROWS    48
#define GATED_COLUMNS 64
#define GATES_STRIDE  (GATED_COLUMNS + LIMN_PANEL_MOST)
/* Multiply-adds below which threads cost more than they bring. */
#define SERIAL_WORK 65536.0
/* Multiply-adds from which one may be asked to stop within: some hundredths of a second. */
#define LONG_WORK 1e9

const float limn_zeros[LIMN_CHANNELS_MOST];

/* A product under way: its operands and how it is cut. */
typedef struct work {
    const limn_kernels *kernels;
    const limn_matrix *w;
    const limn_rows *rows;
    const limn_rows_i8 *i8; /* the rows as int8; NULL where the matrix is float */
    const limn_finish *finish;
    float *out;
    bool gated;      /* half of the matrix's columns gate the other half */
    int columns;     /* of the output */
    int step;        /* rows of a tile */
    int tiles;       /* of rows in one image */
    int task_tiles;  /* of rows in one task */
    int panels;      /* of the output's columns in all */
    int task_panels; /* in one task */
    int row_tasks;   /* in one image */
    int column_tasks;
    int parts; /* segments that one tap's channels are cut into */
} work;

/* Some neighbouring columns of the product, and where their sums go. */
typedef struct strip {
    int panel, panels; /* of the matrix */
    int columns;       /* from the first panel's first on */
    float *to;         /* of the region's first row, and how far apart rows are */
    size_t stride;
} strip;

/* What one task makes of the product. */
typedef struct region {
    int image;
    int row, rows; /* in the image */
    int strips;    /* 1, or 2 where the second gates the first */
    strip strip[2];
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

/* Continues the chains of a strip's tiles by one block of k; the table is of all tiles of rows. */
static void run_strip(const work *k, const region *g, const strip *s, const block *b,
                      const float *const *table) {
    float room[LIMN_TILE_DEPTH * LIMN_PANEL_MOST];
    int step = k->step, panel = k->kernels->panel, depth = 0;
    for (int i = 0; i < b->segments; i++) depth += b->length[i];
    for (int j = 0; j < s->panels; j++) {
        limn_tile t = {
            .columns = limn_least(panel, s->columns - j * panel),
            .segments = b->segments,
            .length = b->length,
            .b = limn_matrix_panel(k->kernels, k->w, s->panel + j, b->k, depth, room),
            .c_stride = s->stride,
            .first = b->k == 0,
        };
        for (int row = 0; row < g->rows; row += step) {
            t.rows = limn_least(step, g->rows - row);
            t.a = table + row * LIMN_TILE_SEGMENTS;
            t.c = s->to + (size_t)row * s->stride + j * panel;
            k->kernels->tile(&t);
        }
    }
}

/* Continues the chains of all tiles of the region by one block of k. */
static void run_block(const work *k, const region *g, const block *b) {
    const float *table[TABLE_MOST];
    for (int row = 0; row < g->rows; row += k->step)
        look_up(k, g, b, row, limn_least(k->step, g->rows - row), table + row * LIMN_TILE_SEGMENTS);
    for (int i = 0; i < g->strips; i++) run_strip(k, g, &g->strip[i], b, table);
}

/* All of k for a strip's tiles, in int8. */
static void run_strip_int8(const work *k, const region *g, const strip *s,
                           const int8_t *const *table, const float *scale) {
    int step = k->step, panel = k->kernels->panel, fours = limn_fours_of(k->rows->c) / 4;
    int taps = k->rows->kernel * k->rows->kernel;
    size_t first = (size_t)s->panel * (size_t)panel, depth = (size_t)taps * (size_t)fours * 4;
    for (int j = 0; j < s->panels; j++)
        for (int row = 0; row < g->rows; row += step)
            k->kernels->tile_i8(&(limn_tile_i8){
                .rows = limn_least(step, g->rows - row),
                .columns = limn_least(panel, s->columns - j * panel),
                .segments = taps,
                .fours = fours,
                .a = table + row * LIMN_TILE_SEGMENTS,
                .b = k->w->numbers.i8 + (first + (size_t)(j * panel)) * depth,
                .a_scale = scale + row,
                .b_scale = k->w->scale + first + j * panel,
                .b_start = k->w->start + first + j * panel,
                .c = s->to + (size_t)row * s->stride + j * panel,
                .c_stride = s->stride,
            });
}

/* All of k for all tiles of the region, in int8. */
static void run_int8(const work *k, const region *g) {
    const int8_t *table[TABLE_MOST];
    float scale[TASK_ROWS];
    for (int row = 0; row < g->rows; row += k->step)
        limn_rows_i8_at(k->i8, g->image, g->row + row, limn_least(k->step, g->rows - row), k->step,
                        table + row * LIMN_TILE_SEGMENTS, scale + row);
    for (int i = 0; i < g->strips; i++) run_strip_int8(k, g, &g->strip[i], table, scale);
}

/* Biases, activation and residual over the region. */
static void finish_region(const work *k, const region *g) {
    static const limn_finish none = {.bias = NULL};
    const limn_finish *f = k->finish ? k->finish : &none;
    const strip *s = &g->strip[0];
    size_t column = (size_t)s->panel * (size_t)k->kernels->panel;
    const float *bias = k->w->bias ? k->w->bias + column : NULL;
    const float *own = f->bias ? f->bias + (size_t)g->image * (size_t)k->w->n + column : NULL;
    bool plain = f->act == LIMN_ACT_NONE && f->last == LIMN_ACT_NONE;
    if (!bias && !own && !f->residual && plain) return;
    for (int i = 0; i < g->rows; i++) {
        float *out = s->to + (size_t)i * s->stride;
        const float *residual = f->residual ? f->residual + (out - k->out) : NULL;
        if (bias && own) k->kernels->finish(out, bias, LIMN_ACT_NONE, NULL, s->columns, out);
        k->kernels->finish(out, own ? own : bias, f->act, residual, s->columns, out);
        if (f->last != LIMN_ACT_NONE) k->kernels->finish(out, NULL, f->last, NULL, s->columns, out);
    }
}

/* The same where the second strip gates the first; its gates begin `skipped` columns into it. */
static void finish_gated(const work *k, const region *g, int skipped) {
    const strip *s = &g->strip[0];
    const float *bias = k->w->bias ? k->w->bias + s->panel * k->kernels->panel : NULL;
    for (int i = 0; i < g->rows; i++) {
        float *out = s->to + (size_t)i * s->stride;
        float *gate = g->strip[1].to + (size_t)i * g->strip[1].stride + skipped;
        if (bias) {
            k->kernels->finish(out, bias, LIMN_ACT_NONE, NULL, s->columns, out);
            k->kernels->finish(gate, bias + k->columns, LIMN_ACT_NONE, NULL, s->columns, gate);
        }
        k->kernels->geglu(out, gate, s->columns, out);
    }
}

/* The sums of the region. */
static void run_region(const work *k, const region *g) {
    block b = {0};
    if (k->i8) run_int8(k, g);
    for (; !k->i8 && next_block(k, &b); advance(&b)) run_block(k, g, &b);
}

/* With the panels of the gates: the columns half a matrix further, which may begin within one. */
static void run_gated(const work *k, region *g) {
    float gates[GATED_ROWS * GATES_STRIDE];
    int panel = k->kernels->panel, first = k->columns + g->strip[0].panel * panel;
    int skipped = first % panel, columns = skipped + g->strip[0].columns;
    g->strip[g->strips++] = (strip){.panel = first / panel,
                                    .panels = limn_parts(columns, panel),
                                    .columns = columns,
                                    .to = gates,
                                    .stride = GATES_STRIDE};
    run_region(k, g);
    finish_gated(k, g, skipped);
}

static void run_task(void *ctx, int i) {
    const work *k = ctx;
    int column_task = i % k->column_tasks, row_task = i / k->column_tasks;
    int panel = column_task * k->task_panels, column = panel * k->kernels->panel;
    size_t pixels = (size_t)k->rows->out_h * (size_t)k->rows->out_w, n = (size_t)k->columns;
    region g = {.image = row_task / k->row_tasks,
                .row = row_task % k->row_tasks * k->task_tiles * k->step,
                .strips = 1};
    g.rows = limn_least(k->task_tiles * k->step, (int)pixels - g.row);
    g.strip[0] = (strip){
        .panel = panel,
        .panels = limn_least(k->task_panels, k->panels - panel),
        .columns = limn_least(k->task_panels * k->kernels->panel, k->columns - column),
        .to = k->out + ((size_t)g.image * pixels + (size_t)g.row) * n + column,
        .stride = n,
    };
    if (k->gated) {
        run_gated(k, &g);
    } else {
        run_region(k, &g);
        finish_region(k, &g);
    }
}

/* Cuts rows first to what the caches hold, then finer while there are too few tasks. */
static int cut(work *k) {
    int step = k->step;
    k->tiles = limn_parts(k->rows->out_h * k->rows->out_w, step);
    k->panels = limn_parts(k->columns, k->kernels->panel);
    k->task_tiles = limn_least(k->tiles, (k->gated ? GATED_ROWS : TASK_ROWS) / step);
    k->task_panels =
        k->gated ? limn_least(k->panels, GATED_COLUMNS / k->kernels->panel) : k->panels;
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
    k.gated = finish && finish->gated;
    k.columns = k.gated ? w->n / 2 : w->n;
    limn_rows_i8 quantised;
    const bool int8 = w->numbers.type == LIMN_I8;
    if (int8) {
        quantised = limn_rows_to_i8(e, rows);
        k.i8 = &quantised;
    }
    k.step = int8 ? e->k->tile_i8_rows : e->k->tile_rows;
    k.parts = limn_parts(rows->c, LIMN_TILE_DEPTH);
    if (size >= LONG_WORK)
        limn_exec_loop(e, cut(&k), run_task, &k);
    else if (limn_exec_goes_on(e))
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
