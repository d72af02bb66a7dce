#include "decode/decode.h"

#include <string.h>

#include "decode/tiles.h"

static void decode_whole(limn_exec *e, const limn_decoder *d, const limn_map *latents,
                         limn_map *out) {
    if (d->taesd)
        limn_taesd_decode(e, d->taesd, latents, out);
    else
        limn_vae_decode(e, d->vae, latents, out);
}

/* A tile under way: its place among the others, and what it is cut out of. */
typedef struct tile_work {
    limn_tiles rows, columns;
    int image, row, column;
    limn_map in, out; /* of the tile: latents, pixels */
} tile_work;

static void cut_out(const tile_work *t, const limn_map *latents) {
    size_t c = (size_t)latents->c, wide = (size_t)t->in.w * c;
    int y = limn_tiles_at(&t->rows, t->row), x = limn_tiles_at(&t->columns, t->column);
    for (int i = 0; i < t->in.h; i++) {
        size_t from =
            ((size_t)t->image * (size_t)latents->h + (size_t)(y + i)) * (size_t)latents->w;
        memcpy(t->in.v + (size_t)i * wide, latents->v + (from + (size_t)x) * c,
               wide * sizeof *t->in.v);
    }
}

/* Adds the tile's share to the picture. */
static void put_in(const tile_work *t, int scale_px, limn_map *picture) {
    int y = limn_tiles_at(&t->rows, t->row) * scale_px;
    int x = limn_tiles_at(&t->columns, t->column) * scale_px;
    for (int i = 0; i < t->out.h; i++) {
        float down = limn_tiles_weight(&t->rows, t->row, y + i);
        const float *from = t->out.v + (size_t)i * (size_t)t->out.w * 3;
        size_t row = (size_t)t->image * (size_t)picture->h + (size_t)(y + i);
        float *to = picture->v + (row * (size_t)picture->w + (size_t)x) * 3;
        for (int j = 0; j < t->out.w && down > 0; j++) {
            float share = down * limn_tiles_weight(&t->columns, t->column, x + j);
            for (int ch = 0; ch < 3 && share > 0; ch++) to[j * 3 + ch] += share * from[j * 3 + ch];
        }
    }
}

static void decode_tiles(limn_exec *e, const limn_decoder *d, const limn_map *latents,
                         limn_map *out) {
    size_t mark = limn_arena_mark(e->ws);
    int scale = d->vae->scale_px, side = d->tile_px / scale;
    tile_work t = {.rows = limn_tiles_cut(latents->h, side, scale),
                   .columns = limn_tiles_cut(latents->w, side, scale)};
    t.in = limn_map_take(e, 1, t.rows.tile, t.columns.tile, latents->c);
    t.out = limn_map_take(e, 1, t.rows.tile * scale, t.columns.tile * scale, 3);
    bool real = !limn_exec_measuring(e);
    if (real) memset(out->v, 0, limn_map_count(out) * sizeof *out->v);
    for (t.image = 0; t.image < latents->n; t.image++)
        for (t.row = 0; t.row < t.rows.count; t.row++)
            for (t.column = 0; t.column < t.columns.count; t.column++) {
                if (real) cut_out(&t, latents);
                decode_whole(e, d, &t.in, &t.out);
                if (real) put_in(&t, scale, out);
            }
    limn_arena_release(e->ws, mark);
}

void limn_decode_run(limn_exec *e, const limn_decoder *d, const limn_map *latents, limn_map *out) {
    int side = d->tile_px / d->vae->scale_px;
    if (side > 0 && (side < latents->h || side < latents->w))
        decode_tiles(e, d, latents, out);
    else
        decode_whole(e, d, latents, out);
}
