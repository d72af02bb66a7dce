/* GGUF's blocks of 32 integers with a scale go to panels. */
#include <stdlib.h>
#include <string.h>

#include "layers/pack.h"

/* Rows of integers and their scales, as the file has them: [columns][k] and [columns][k / 32]. */
typedef struct rows {
    int8_t *numbers;
    uint16_t *scale;
} rows;

/* They go to columns [n, n + columns) of the matrix, which lie in one panel. A block of the panel
 * at a time: its lines stay in the first cache while the rows give their parts of it. */
static void place(const limn_kernels *kernels, const limn_pack_job *job, size_t n, size_t columns,
                  const rows *r) {
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, blocks = k / LIMN_Q8_BLOCK;
    int8_t *to = job->q8 + n / panel * panel * k + n % panel;
    uint16_t *scale = job->q8_scale + n / panel * panel * blocks + n % panel;
    for (size_t b = 0; b < blocks; b++, to += LIMN_Q8_BLOCK * panel, scale += panel)
        for (size_t j = 0; j < columns; j++) {
            const int8_t *from = r->numbers + j * k + b * LIMN_Q8_BLOCK;
            for (size_t l = 0; l < LIMN_Q8_BLOCK; l++) to[l * panel + j] = from[l];
            scale[j] = r->scale[j * blocks + b];
        }
}

limn_status limn_pack_q8(const limn_kernels *kernels, const limn_pack_job *job, limn_error *err) {
    const limn_tensor *t = job->tensor;
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, all = (size_t)t->shape[0];
    const size_t blocks = k / LIMN_Q8_BLOCK, bytes = blocks * sizeof(uint16_t) + k;
    uint16_t *memory = malloc(panel * bytes);
    if (!memory)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for %zu bytes of tensor %s", panel * bytes,
                         t->name);
    const rows r = {.scale = memory, .numbers = (int8_t *)(memory + panel * blocks)};
    limn_status status = LIMN_OK;
    for (size_t row = 0, columns; row < all && status == LIMN_OK; row += columns) {
        const size_t n = (size_t)job->n0 + row, room = panel - n % panel;
        columns = all - row < room ? all - row : room;
        status = limn_tensor_read_q8(t, row * k, columns * k, r.numbers, r.scale, err);
        if (status == LIMN_OK) place(kernels, job, n, columns, &r);
    }
    free(memory);
    return status;
}

void limn_pack_q8_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, blocks = k / LIMN_Q8_BLOCK;
    const size_t used = (size_t)job->n % panel, last = (size_t)job->n / panel * panel;
    for (size_t l = 0; l < k && used > 0; l++)
        memset(job->q8 + last * k + l * panel + used, 0, panel - used);
    for (size_t b = 0; b < blocks && used > 0; b++)
        memset(job->q8_scale + last * blocks + b * panel + used, 0,
               (panel - used) * sizeof *job->q8_scale);
}
