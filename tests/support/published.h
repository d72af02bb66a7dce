/* The published models' tensors as their files name and shape them, in files that take no room: the
 * headers are true, the numbers are a hole, which reads as zeros. */
#ifndef TESTS_SUPPORT_PUBLISHED_H
#define TESTS_SUPPORT_PUBLISHED_H

#include <stdint.h>

/* What is published. */
typedef enum published { PUBLISHED_SD15, PUBLISHED_SD21, PUBLISHED_SDXL } published;

/* Called with each tensor's name and shape. */
typedef void published_visit(void *ctx, const char *name, int rank, const uint64_t *shape);

/* Goes through the tensors of v1-5-pruned-emaonly, v2-1_768-ema-pruned or sd_xl_base_1.0. `in_c` is
 * the U-Net's input channels: 4, 8 or 9. */
void published_tensors(published which, int in_c, published_visit *visit, void *ctx);

/* Writes such a file as float16 safetensors. Fails the test where it cannot. */
void published_write(published which, int in_c, const char *path);

/* The same, with an empty tensor of each of the names in `marks`, which end with NULL. */
void published_write_marked(published which, int in_c, const char *const *marks, const char *path);

/* What else such a file may say. Zeroed = nothing. */
typedef struct published_told {
    const char *const *marks; /* as above; NULL = none */
    const char *prediction;   /* the metadata's modelspec.prediction_type; NULL = none */
    const char *missing;      /* a tensor that is left out; NULL = none */
    const char *spread;       /* one whose numbers are not 0 ... */
    uint16_t spread_half;     /* ... but by turns this, as float16, and its negative */
} published_told;

/* The same, with what is told. */
void published_write_told(published which, int in_c, const published_told *told, const char *path);

#endif
