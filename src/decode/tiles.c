#include "decode/tiles.h"

#include <stdint.h>

#include "base/checked.h"

limn_tiles limn_tiles_cut(int length, int tile, int scale_px) {
    limn_tiles t = {.length = length, .tile = limn_least(length, tile), .scale_px = scale_px};
    int overlap = t.tile / 4 > 1 ? t.tile / 4 : 1;
    t.count = t.tile == length ? 1 : limn_parts(length - overlap, t.tile - overlap);
    t.ramp_px = t.tile * scale_px / 8;
    return t;
}

int limn_tiles_at(const limn_tiles *t, int i) {
    if (i == 0) return 0;
    return (int)((int64_t)i * (t->length - t->tile) / (t->count - 1));
}

/* How far tile i has come at a pixel, where tile i - 1 ends: 0 before the ramp, 1 behind it. */
static float risen(const limn_tiles *t, int i, int px) {
    int begin = limn_tiles_at(t, i) * t->scale_px;
    int end = (limn_tiles_at(t, i - 1) + t->tile) * t->scale_px;
    int at = px - (begin + end - t->ramp_px) / 2;
    if (at < 0) return 0.0f;
    if (at >= t->ramp_px) return 1.0f;
    return ((float)at + 0.5f) / (float)t->ramp_px;
}

float limn_tiles_weight(const limn_tiles *t, int i, int px) {
    int begin = limn_tiles_at(t, i) * t->scale_px;
    if (px < begin || px >= begin + t->tile * t->scale_px) return 0.0f;
    float in = i > 0 ? risen(t, i, px) : 1.0f;
    float out = i + 1 < t->count ? 1.0f - risen(t, i + 1, px) : 1.0f;
    return in < out ? in : out;
}
