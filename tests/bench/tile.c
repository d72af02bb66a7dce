/* The matrix tile alone: its operands in the caches, its table made beforehand. What it loses here
 * is its own; what layers lose beyond is the caches', the cutting's and the finishing's. */
#include <stdlib.h>

#include "bench/bench.h"

/* Rows that one panel is used for in a row, as src/layers does. */
#define ROWS 96

/* A block of k as src/layers makes them, and the tile's edge. */
typedef struct form {
    const char *what;
    int segments, length;
    int rows, columns; /* 0: whole */
} form;

static const form forms[] = {
    {"k = 24", 1, 24, 0, 0},
    {"k = 64", 1, 64, 0, 0},
    {"k = 96", 1, 96, 0, 0},
    {"k = 128", 1, 128, 0, 0},
    {"k = 2 x 96", 2, 96, 0, 0},
    {"k = 256", 1, 256, 0, 0},
    {"k = 4 x 64", 4, 64, 0, 0},
    {"k = 16 x 4", 16, 4, 0, 0},
    {"k = 256, 4 columns", 1, 256, 0, 4},
    {"k = 256, 1 row", 1, 256, 1, 0},
    {"k = 256, 2 rows", 1, 256, 2, 0},
    {"k = 256, 4 rows", 1, 256, 4, 0},
};

typedef struct call {
    form f;
    float *a, *b, *c;
} call;

/* All tiles of ROWS rows by one panel. */
static void run_tiles(limn_exec *e, void *ctx) {
    const call *c = ctx;
    const float *table[LIMN_TILE_SEGMENTS * LIMN_TILE_ROWS_MOST];
    int length[LIMN_TILE_SEGMENTS], step = e->k->tile_rows, depth = c->f.segments * c->f.length;
    if (limn_exec_measuring(e)) return;
    for (int s = 0; s < c->f.segments; s++) length[s] = c->f.length;
    for (int row = 0; row + step <= ROWS; row += step) {
        for (int s = 0; s < c->f.segments; s++)
            for (int i = 0; i < step; i++)
                table[s * step + i] = c->a + (row + i) * depth + s * c->f.length;
        e->k->tile(&(limn_tile){.rows = c->f.rows ? c->f.rows : step,
                                .columns = c->f.columns ? c->f.columns : e->k->panel,
                                .segments = c->f.segments,
                                .length = length,
                                .a = table,
                                .b = c->b,
                                .c = c->c + row * e->k->panel,
                                .c_stride = (size_t)e->k->panel,
                                .first = true});
    }
}

static void run_form(bench *b, const bench_level *l, call *c, json_t *o) {
    int rows = c->f.rows ? c->f.rows : l->k->tile_rows;
    int columns = c->f.columns ? c->f.columns : l->k->panel;
    double tiles = ROWS / l->k->tile_rows;
    double flop = 2.0 * tiles * rows * columns * c->f.segments * c->f.length;
    double rate = flop / bench_seconds(b, l->k, 1, run_tiles, c) / 1e9;
    bench_put(o, "gflops_one", rate);
    bench_put(o, "share_one", rate / l->peak_one);
    bench_say(b, " %7.1f %3.0f%%", rate, 100 * rate / l->peak_one);
}

void bench_tile(bench *b) {
    size_t most = (size_t)ROWS * LIMN_TILE_DEPTH, panel = (size_t)LIMN_PANEL_MOST;
    call c = {.a = calloc(most, sizeof *c.a),
              .b = calloc(panel * LIMN_TILE_DEPTH, sizeof *c.b),
              .c = calloc(panel * ROWS, sizeof *c.c)};
    json_t *list = bench_array(bench_object(b->report, "kernels"), "tile");
    bench_say(b, "The matrix tile, 1 thread%34s", "");
    for (int l = 0; l < b->levels; l++) bench_say(b, " %12s", b->level[l].k->level);
    for (size_t i = 0; i < sizeof forms / sizeof *forms && c.a && c.b && c.c; i++) {
        json_t *entry = json_object(), *of = bench_object(entry, "levels");
        c.f = forms[i];
        json_object_set_new(entry, "shape", json_string(c.f.what));
        bench_say(b, "\n  %-57s", c.f.what);
        for (int l = 0; l < b->levels; l++)
            run_form(b, &b->level[l], &c, bench_object(of, b->level[l].k->level));
        json_array_append_new(list, entry);
    }
    bench_say(b, "\n\n");
    free(c.a);
    free(c.b);
    free(c.c);
}
