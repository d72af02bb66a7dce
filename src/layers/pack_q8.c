/* GGUF's blocks of 32 integers with a scale go to panels. */
#include <stdlib.h>
#include <string.h>

#include "layers/pack.h"

/* Integers that are read at a time, in whole panels: about what other types' windows have. */
#define WINDOW ((size_t)512 << 10)

/* Rows of integers and their scales, as the file has them: [rows][k] and [rows][k / 32]. */
typedef struct rows {
    int8_t *numbers;
    uint16_t *scale;
} rows;

/* Those from `row` on go to columns [n, n + columns) of the matrix, which lie in one panel. A block
 * of the panel at a time: its lines stay in the first cache while the rows give their parts of it.
 */
static void place(const limn_kernels *kernels, const limn_pack_job *job, const rows *r, size_t row,
                  size_t n, size_t columns) {
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, blocks = k / LIMN_Q8_BLOCK;
    int8_t *to = job->to.i8 + n / panel * panel * k + n % panel;
    uint16_t *scale = job->q8_scale + n / panel * panel * blocks + n % panel;
    for (size_t b = 0; b < blocks; b++, to += LIMN_Q8_BLOCK * panel, scale += panel)
        for (size_t j = 0; j < columns; j++) {
            const int8_t *from = r->numbers + (row + j) * k + b * LIMN_Q8_BLOCK;
            for (size_t l = 0; l < LIMN_Q8_BLOCK; l++) to[l * panel + j] = from[l];
            scale[j] = r->scale[(row + j) * blocks + b];
        }
}

/* `count` rows of the window, the first of which is row `row` of the tensor, panel by panel. */
static void place_all(const limn_kernels *kernels, const limn_pack_job *job, const rows *r,
                      size_t row, size_t count) {
    const size_t panel = (size_t)kernels->panel;
    for (size_t done = 0, columns; done < count; done += columns) {
        const size_t n = (size_t)job->n0 + row + done, room = panel - n % panel;
        columns = count - done < room ? count - done : room;
        place(kernels, job, r, done, n, columns);
    }
}

limn_status limn_pack_q8(const limn_kernels *kernels, const limn_pack_job *job, limn_error *err) {
    const limn_tensor *t = job->tensor;
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, all = (size_t)t->shape[0];
    const size_t blocks = k / LIMN_Q8_BLOCK, row_bytes = blocks * sizeof(uint16_t) + k;
    const size_t most = WINDOW / k / panel * panel, room = most > panel ? most : panel;
    uint16_t *memory = malloc(room * row_bytes);
    if (!memory)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for %zu bytes of tensor %s",
                         room * row_bytes, t->name);
    const rows r = {.scale = memory, .numbers = (int8_t *)(memory + room * blocks)};
    limn_status status = LIMN_OK;
    for (size_t row = 0, count; row < all && status == LIMN_OK; row += count) {
        count = all - row < room ? all - row : room;
        status = limn_tensor_read_q8(t, row * k, count * k, r.numbers, r.scale, err);
        if (status == LIMN_OK) place_all(kernels, job, &r, row, count);
    }
    free(memory);
    return status;
}

void limn_pack_q8_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    const size_t panel = (size_t)kernels->panel, k = (size_t)job->k, blocks = k / LIMN_Q8_BLOCK;
    const size_t used = (size_t)job->n % panel, last = (size_t)job->n / panel * panel;
    for (size_t l = 0; l < k && used > 0; l++)
        memset(job->to.i8 + last * k + l * panel + used, 0, panel - used);
    for (size_t b = 0; b < blocks && used > 0; b++)
        memset(job->q8_scale + last * blocks + b * panel + used, 0,
               (panel - used) * sizeof *job->q8_scale);
}
