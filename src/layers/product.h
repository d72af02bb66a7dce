/* The matrix product behind linear layers and convolutions; only for src/layers. */
#ifndef LIMN_LAYERS_PRODUCT_H
#define LIMN_LAYERS_PRODUCT_H

#include "layers/layers.h"

/* Where rows of the left operand lie. Row (image, y, x) consists, for each tap (ky, kx) of the
 * window, of the c channels of the source's pixel there, or of zeros outside the source. A dense
 * matrix is one image of rows x 1 pixels and a window of 1 x 1. */
typedef struct limn_rows {
    const float *x;
    int images, h, w, c;
    size_t pixel_stride; /* floats between pixels: c, or more */
    int up_h, up_w;      /* the size the source is brought to (nearest neighbour) */
    int kernel, stride, pad;
    int out_h, out_w; /* rows of one image */
} limn_rows;

/* out[images x out_h x out_w, w->n] = rows x w, finished. */
void limn_product_run(limn_exec *e, const limn_matrix *w, const limn_rows *rows,
                      const limn_finish *finish, float *out);

#endif
