#include "layers/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

/* Numbers in the rows that are merged at a time, about; and columns that go through the kernel at a
 * time, so that as many rows of `down` stay in the cache. */
#define ROWS_NUMBERS 65536
#define COLUMNS      256

/* A matrix of a correction as float32. */
typedef struct matrix {
    int n, k, rank;
    float *up;   /* [n, rank]; NULL where `down` is the whole */
    float *down; /* [rank, k], or [n, k] */
} matrix;

/* One correction, ready to be added. */
typedef struct factors {
    const limn_lora_delta *delta;
    matrix a, b;
    float *magnitudes; /* DoRA's, of rows or of input channels; NULL: it is none */
    float *ratios;     /* of input channels: magnitude over norm; NULL: of rows */
} factors;

struct limn_merge {
    const limn_kernels *kernels;
    const limn_tensor *tensor;
    factors *of; /* [count] */
    int count;
    int row, rows;      /* the next row, and how many at a time */
    size_t k;           /* numbers in a row */
    float *sum;         /* [rows, k]: the merged weights */
    float *x, *y;       /* [rows, k] each */
    uint16_t *rounded;  /* [rows, k], or NULL */
    limn_source source; /* what limn_merge_next gives is in it */
};

/* ---- the factors ----------------------------------------------------------------------------- */

static limn_status no_memory(const limn_tensor *t, limn_error *err) {
    return limn_fail(err, LIMN_E_MEMORY, "no memory to merge a LoRA: %.300s", t->name);
}

/* Room for count x size numbers; NULL where there is none. */
static float *floats(size_t count, size_t size) {
    size_t bytes;
    if (!limn_mul_ok(count, size, &bytes) || !limn_mul_ok(bytes, sizeof(float), &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

/* A tensor as float32; *out NULL where there is no memory or it cannot be read. */
static limn_status read_floats(const limn_tensor *t, float **out, limn_error *err) {
    *out = floats((size_t)t->count, 1);
    if (!*out) return no_memory(t, err);
    limn_status status = limn_tensor_read(t, 0, t->count, *out, err);
    if (status == LIMN_OK) return LIMN_OK;
    free(*out);
    *out = NULL;
    return status;
}

/* [rank, n] becomes [n, rank]. */
static bool turn(float **x, int rank, int n) {
    float *out = floats((size_t)n, (size_t)rank);
    for (int i = 0; i < n && out; i++)
        for (int r = 0; r < rank; r++)
            out[(size_t)i * (size_t)rank + (size_t)r] = (*x)[(size_t)r * (size_t)n + (size_t)i];
    if (!out) return false;
    free(*x);
    *x = out;
    return true;
}

/* out [rank, k] of a core [rank, rank, taps] and down [rank, c], k = c x taps; factor has room for
 * `rank` numbers, row for c. */
static void through_core(const limn_kernels *kernels, const limn_lora_matrix *m, const float *core,
                         const float *down, float *factor, float *row, float *out) {
    size_t rank = (size_t)m->rank, taps = (size_t)(m->core->count / (rank * rank));
    size_t c = (size_t)m->k / taps;
    for (size_t i = 0; i < rank * taps; i++) {
        size_t r = i / taps, tap = i % taps;
        for (size_t j = 0; j < rank; j++) factor[j] = core[(r * rank + j) * taps + tap];
        kernels->combine(factor, m->rank, down, c, c, row);
        for (size_t j = 0; j < c; j++) out[r * (size_t)m->k + j * taps + tap] = row[j];
    }
}

/* Puts what a core makes of *down in its place. */
static limn_status apply_core(const limn_kernels *kernels, const limn_lora_matrix *m, float **down,
                              limn_error *err) {
    float *core, *out = floats((size_t)m->rank, (size_t)m->k);
    float *room = floats((size_t)m->rank + (size_t)m->k, 1);
    limn_status status = read_floats(m->core, &core, err);
    if (status == LIMN_OK && (!out || !room)) status = no_memory(m->core, err);
    if (status == LIMN_OK) {
        through_core(kernels, m, core, *down, room, room + m->rank, out);
        free(*down);
        *down = out;
        out = NULL;
    }
    free(core);
    free(room);
    free(out);
    return status;
}

static limn_status read_matrix(const limn_kernels *kernels, const limn_lora_matrix *m, matrix *out,
                               limn_error *err) {
    *out = (matrix){.n = m->n, .k = m->k, .rank = m->rank};
    if (m->whole) return read_floats(m->whole, &out->down, err);
    limn_status status = read_floats(m->up, &out->up, err);
    if (status == LIMN_OK && m->turned && !turn(&out->up, m->rank, m->n))
        status = no_memory(m->up, err);
    if (status == LIMN_OK) status = read_floats(m->down, &out->down, err);
    if (status == LIMN_OK && m->core) status = apply_core(kernels, m, &out->down, err);
    return status;
}

static void free_matrix(matrix *m) {
    free(m->up);
    free(m->down);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* out[rows, k] = rows [row, row + rows) of a matrix. */
static void matrix_rows(const limn_kernels *kernels, const matrix *m, int row, int rows,
                        float *out) {
    size_t k = (size_t)m->k, rank = (size_t)m->rank;
    if (!m->up) {
        memcpy(out, m->down + (size_t)row * k, (size_t)rows * k * sizeof *out);
        return;
    }
    for (size_t at = 0; at < k; at += COLUMNS) {
        size_t count = k - at < COLUMNS ? k - at : COLUMNS;
        for (int i = 0; i < rows; i++)
            kernels->combine(m->up + (size_t)(row + i) * rank, m->rank, m->down + at, k, count,
                             out + (size_t)i * k + at);
    }
}

/* out[a.k x b.k] = row `row` of a (x) b; y has room for a row of a and one of b. */
static void kronecker_row(const limn_kernels *kernels, const factors *f, int row, float *y,
                          float *out) {
    float *x = y + f->a.k;
    matrix_rows(kernels, &f->a, row / f->b.n, 1, y);
    matrix_rows(kernels, &f->b, row % f->b.n, 1, x);
    for (int i = 0; i < f->a.k; i++)
        for (int j = 0; j < f->b.k; j++) out[(size_t)i * (size_t)f->b.k + (size_t)j] = y[i] * x[j];
}

/* m->x = rows of one correction, without its factor. */
static void correction_rows(const limn_merge *m, const factors *f, int rows) {
    size_t count = (size_t)rows * m->k;
    if (f->delta->form == LIMN_LORA_KRONECKER) {
        for (int i = 0; i < rows; i++)
            kronecker_row(m->kernels, f, m->row + i, m->y, m->x + (size_t)i * m->k);
        return;
    }
    matrix_rows(m->kernels, &f->a, m->row, rows, m->x);
    if (f->delta->form != LIMN_LORA_HADAMARD) return;
    matrix_rows(m->kernels, &f->b, m->row, rows, m->y);
    for (size_t i = 0; i < count; i++) m->x[i] *= m->y[i];
}

/* What brings a vector of that sum of squares to a magnitude; 0 where it is none. */
static float ratio_of(float magnitude, double squares) {
    float norm = (float)sqrt(squares);
    return norm > 0 ? magnitude / norm : 0.0f;
}

/* The magnitude over the norm of one row of V. */
static float row_ratio(const limn_merge *m, const factors *f, int i) {
    double squares = 0;
    const float *v = m->x + (size_t)i * m->k;
    for (size_t j = 0; j < m->k; j++) squares += (double)v[j] * (double)v[j];
    return ratio_of(f->magnitudes[m->row + i], squares);
}

/* Adds one correction to `n` rows of sum. */
static void correct(limn_merge *m, const factors *f, int n) {
    const limn_lora_delta *d = f->delta;
    size_t taps = f->ratios ? m->k / (size_t)m->tensor->shape[1] : 1;
    if (d->magnitude ? d->scale == 0.0f : d->factor == 0.0f) return;
    correction_rows(m, f, n);
    if (!d->magnitude) {
        for (size_t j = 0; j < (size_t)n * m->k; j++) m->sum[j] += d->factor * m->x[j];
        return;
    }
    for (size_t j = 0; j < (size_t)n * m->k; j++) m->x[j] = m->sum[j] + d->factor * m->x[j];
    for (int i = 0; i < n; i++) {
        float of_row = f->ratios ? 0 : row_ratio(m, f, i);
        for (size_t j = 0; j < m->k; j++) {
            float *w = m->sum + (size_t)i * m->k + j, v = m->x[(size_t)i * m->k + j];
            float wanted = v * (f->ratios ? f->ratios[j / taps] : of_row);
            *w = d->scale == 1.0f ? wanted : *w + d->scale * (wanted - *w);
        }
    }
}

/* The next rows with the first `count` corrections, in sum; *n how many. */
static limn_status read_rows(limn_merge *m, int count, int *n, limn_error *err) {
    int left = (int)m->tensor->shape[0] - m->row;
    *n = left < m->rows ? left : m->rows;
    limn_status status =
        limn_tensor_read(m->tensor, (uint64_t)m->row * m->k, (size_t)*n * m->k, m->sum, err);
    for (int i = 0; i < count && status == LIMN_OK; i++) correct(m, &m->of[i], *n);
    return status;
}

/* The ratios of the i-th correction's input channels, for which all rows are gone through. */
static limn_status find_ratios(limn_merge *m, int i, limn_error *err) {
    factors *f = &m->of[i];
    const size_t channels = (size_t)m->tensor->shape[1], taps = m->k / channels;
    double *squares = calloc(channels, sizeof *squares);
    float *ratios = floats(channels, 1);
    limn_status status = squares && ratios ? LIMN_OK : no_memory(m->tensor, err);
    for (int n = 0; m->row < (int)m->tensor->shape[0] && status == LIMN_OK; m->row += n) {
        status = read_rows(m, i, &n, err);
        if (status != LIMN_OK) break;
        correction_rows(m, f, n);
        for (size_t j = 0; j < (size_t)n * m->k; j++) {
            double v = (double)(m->sum[j] + f->delta->factor * m->x[j]);
            squares[j % m->k / taps] += v * v;
        }
    }
    for (size_t c = 0; c < channels && status == LIMN_OK; c++)
        ratios[c] = ratio_of(f->magnitudes[c], squares[c]);
    m->row = 0;
    f->ratios = ratios;
    free(squares);
    return status;
}

limn_status limn_merge_next(limn_merge *m, limn_tensor *rows, limn_error *err) {
    const limn_tensor *t = m->tensor;
    int n;
    limn_status status = read_rows(m, m->count, &n, err);
    if (status != LIMN_OK) return status;
    size_t count = (size_t)n * m->k;
    if (m->rounded) limn_f32_to_f16(m->sum, count, m->rounded);
    *rows = (limn_tensor){.name = t->name,
                          .dtype = m->rounded ? LIMN_F16 : LIMN_F32,
                          .rank = t->rank,
                          .source = &m->source,
                          .count = count};
    memcpy(rows->shape, t->shape, sizeof rows->shape);
    rows->shape[0] = (uint64_t)n;
    rows->bytes = count * limn_dtype_bytes(rows->dtype);
    m->source =
        limn_source_of(t->name, m->rounded ? (void *)m->rounded : (void *)m->sum, rows->bytes);
    m->row += n;
    return LIMN_OK;
}

/* ---- its life -------------------------------------------------------------------------------- */

/* Memory for some rows: about ROWS_NUMBERS numbers, and a whole number of panels. */
static bool take_rows(limn_merge *m) {
    m->k = (size_t)(m->tensor->count / m->tensor->shape[0]);
    m->rows = (int)(ROWS_NUMBERS / m->k) / LIMN_PANEL_MOST * LIMN_PANEL_MOST;
    if (m->rows == 0) m->rows = LIMN_PANEL_MOST;
    m->sum = floats((size_t)m->rows, m->k);
    m->x = floats((size_t)m->rows, m->k);
    m->y = floats((size_t)m->rows, m->k); /* also a row of each Kronecker factor: rows >= 2 */
    if (!m->sum || !m->x || !m->y) return false;
    if (limn_dtype_narrow(m->tensor->dtype) != LIMN_F16) return true;
    m->rounded = malloc((size_t)m->rows * m->k * sizeof *m->rounded);
    return m->rounded != NULL;
}

limn_status limn_merge_start(const limn_kernels *kernels, const limn_tensor *tensor,
                             const limn_lora_delta *deltas, int count, limn_merge **out,
                             limn_error *err) {
    *out = NULL;
    limn_merge *m = calloc(1, sizeof *m);
    if (!m) return no_memory(tensor, err);
    m->kernels = kernels;
    m->tensor = tensor;
    m->of = calloc((size_t)count + 1, sizeof *m->of);
    limn_status status = m->of && take_rows(m) ? LIMN_OK : no_memory(tensor, err);
    for (int i = 0; i < count && status == LIMN_OK; i++) {
        factors *f = &m->of[m->count++];
        f->delta = &deltas[i];
        status = read_matrix(kernels, &deltas[i].a, &f->a, err);
        if (status == LIMN_OK && deltas[i].form != LIMN_LORA_LOW_RANK)
            status = read_matrix(kernels, &deltas[i].b, &f->b, err);
        if (status == LIMN_OK && deltas[i].magnitude)
            status = read_floats(deltas[i].magnitude, &f->magnitudes, err);
        if (status == LIMN_OK && deltas[i].magnitude && deltas[i].by_column)
            status = find_ratios(m, i, err);
    }
    if (status == LIMN_OK)
        *out = m;
    else
        limn_merge_end(m);
    return status;
}

void limn_merge_end(limn_merge *m) {
    if (!m) return;
    for (int i = 0; i < m->count; i++) {
        free_matrix(&m->of[i].a);
        free_matrix(&m->of[i].b);
        free(m->of[i].magnitudes);
        free(m->of[i].ratios);
    }
    free(m->of);
    free(m->sum);
    free(m->x);
    free(m->y);
    free(m->rounded);
    free(m);
}
