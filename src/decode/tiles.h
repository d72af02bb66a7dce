/* How a side of the latents is cut into tiles that overlap; only for src/decode.
 *
 * Tiles are as long as asked for, evenly spread, and overlap by at least a quarter of that. Where
 * two overlap, a ramp in the middle leads from one to the other; outside of it one of them counts
 * alone. So of each tile its edges, which know least of the picture, count least. */
#ifndef LIMN_DECODE_TILES_H
#define LIMN_DECODE_TILES_H

/* The tiles of one side. All lengths are in latents but for the ramp. */
typedef struct limn_tiles {
    int length; /* of the side */
    int tile;   /* of each tile; not above `length` */
    int count;
    int scale_px, ramp_px; /* pixels that a latent stands for; pixels of a ramp */
} limn_tiles;

/* Cuts a side of `length` latents into tiles of `tile`. */
limn_tiles limn_tiles_cut(int length, int tile, int scale_px);

/* Where the i-th tile begins, in latents. */
int limn_tiles_at(const limn_tiles *t, int i);

/* What pixel `px` of the side, counted from the side's beginning, takes of the i-th tile: 0 to 1.
 * The weights of all tiles at a pixel add up to 1, but for rounding. */
float limn_tiles_weight(const limn_tiles *t, int i, int px);

#endif
