/* PNG's row filters (ISO/IEC 15948, 9): for each row the one with the smallest sum. */
#include "image/png.h"

#include <stdlib.h>
#include <string.h>

#define PIXEL   3 /* bytes */
#define FILTERS 5

/* Paeth's predictor: the neighbour that is nearest to left + above - corner. */
static inline int paeth(int left, int above, int corner) {
    int to_left = abs(above - corner), to_above = abs(left - corner);
    int to_corner = abs(left + above - 2 * corner);
    int other = to_above <= to_corner ? above : corner;
    return to_left <= to_above && to_left <= to_corner ? left : other;
}

/* Writes one row filtered.
 *   row, above  [n] each with PIXEL zeros before it where the picture ends */
static void filter_row(int filter, const uint8_t *row, const uint8_t *above, int n, uint8_t *out) {
    const uint8_t *left = row - PIXEL, *corner = above - PIXEL;
    switch (filter) {
    case 0:
        memcpy(out, row, (size_t)n);
        break;
    case 1:
        for (int i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - left[i]);
        break;
    case 2:
        for (int i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - above[i]);
        break;
    case 3:
        for (int i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - (left[i] + above[i]) / 2);
        break;
    default:
        for (int i = 0; i < n; i++)
            out[i] = (uint8_t)(row[i] - paeth(left[i], above[i], corner[i]));
    }
}

/* The bytes' distances from zero, as signed numbers, summed. */
static uint32_t cost_of(const uint8_t *bytes, int n) {
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) sum += (uint32_t)abs((int8_t)bytes[i]);
    return sum;
}

size_t limn_png_filter_room(int width) {
    return 3 * (PIXEL + PIXEL * (size_t)width);
}

void limn_png_filter(int width, int height, const uint8_t *rgb, uint8_t *room, uint8_t *out) {
    int n = PIXEL * width;
    uint8_t *rows[2] = {room, room + PIXEL + n}, *tried = rows[1] + PIXEL + n;
    memset(room, 0, limn_png_filter_room(width)); /* before each row, and above the first */
    for (int y = 0; y < height; y++) {
        uint8_t *row = rows[y % 2] + PIXEL, *above = rows[(y + 1) % 2] + PIXEL;
        uint8_t *result = out + (size_t)y * (size_t)(n + 1);
        uint32_t least = UINT32_MAX;
        memcpy(row, rgb + (size_t)y * (size_t)n, (size_t)n);
        for (int filter = 0; filter < FILTERS; filter++) {
            filter_row(filter, row, above, n, tried);
            uint32_t cost = cost_of(tried, n);
            if (cost >= least) continue;
            least = cost;
            result[0] = (uint8_t)filter;
            memcpy(result + 1, tried, (size_t)n);
        }
    }
}
