/* From tensors as files have them to matrices as the kernels want them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "layers/invent.h"
#include "layers/merge.h"
#include "layers/product.h"

/* Numbers converted at a time, on the stack. */
#define CHUNK 256
/* Numbers of each row that are turned at a time: what fits into the first cache. */
#define TURNED 64
/* Every panel is a number of these. */
#define LINE 16
/* Bytes of a file read at a time, for its rows: a part of a processor's second cache. */
#define WINDOW_BYTES ((size_t)256 << 10)
/* Channels from which a matrix may be int8. */
#define INT8_FROM 32

void limn_load_fail(limn_loader *ld, limn_status status, const char *format, ...) {
    if (ld->status != LIMN_OK) return;
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ld->status = limn_fail(ld->err, status, "%s", text);
}

void limn_load_int(limn_loader *ld, const limn_config *config, const char *key, long min, long max,
                   long fallback, int *out) {
    if (ld->status == LIMN_OK)
        ld->status = limn_config_int(config, key, min, max, fallback, out, ld->err);
}

/* Notes the fault, and gives a tensor in the place of the one that is not there. */
static const limn_tensor *stand_in(limn_loader *ld, int rank, const uint64_t *shape) {
    limn_tensor *t = &ld->faults->stand_in;
    ld->faults->add(ld->faults->ctx, ld->err->text);
    ld->status = LIMN_OK;
    *t = (limn_tensor){.dtype = LIMN_F32, .rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->count *= shape[i];
    }
    return t;
}

static const limn_tensor *want(limn_loader *ld, const char *name, int rank, const uint64_t *shape) {
    const limn_tensor *t = NULL;
    if (ld->invention) return limn_invent_tensor(ld, name, rank, shape);
    if (ld->status == LIMN_OK)
        ld->status = limn_tensors_want(ld->tensors, name, rank, shape, &t, ld->err);
    if (t && !limn_tensor_is_weight(t))
        limn_load_fail(ld, LIMN_E_INPUT, "tensor %s has type %s, expected a floating-point type",
                       name, limn_dtype_name(t->dtype));
    if (ld->status == LIMN_E_INPUT && ld->faults) return stand_in(ld, rank, shape);
    return ld->status == LIMN_OK ? t : NULL;
}

/* Remembers a job; in the measuring pass only counts it. */
static void add_job(limn_loader *ld, const limn_pack_job *job) {
    if (ld->status != LIMN_OK) return;
    if (ld->jobs && ld->job_count < ld->jobs_room) ld->jobs[ld->job_count] = *job;
    ld->job_count++;
}

/* A tensor to be copied as it is, as float32. */
static float *load_plain(limn_loader *ld, const char *name, int rank, const uint64_t *shape) {
    const limn_tensor *t = want(ld, name, rank, shape);
    if (!t) return NULL;
    float *to = limn_arena_floats(ld->arena, (size_t)t->count);
    add_job(ld, &(limn_pack_job){.tensor = t, .to = to, .n0 = -1});
    return to;
}

/* Whether a matrix becomes int8: little is gained where there are few channels, int32 must hold the
 * sums, and one call of the tile the taps. */
static bool suits_int8(const limn_loader *ld, int c, int taps) {
    return ld->int8 && c >= INT8_FROM && taps <= LIMN_TILE_SEGMENTS && c <= LIMN_I8_DEPTH / taps;
}

/* Memory for a matrix [n, k] as int8, k = taps x c. */
static void take_int8(limn_loader *ld, limn_matrix *m, int c, limn_pack_job *job) {
    size_t columns = (size_t)limn_parts(m->n, ld->k->panel) * (size_t)ld->k->panel;
    size_t depth = (size_t)job->taps * (size_t)limn_fours_of(c);
    ld->int8_count++;
    m->int8 = true;
    job->int8 = true;
    m->i8 = job->i8 = limn_arena_take(ld->arena, columns, depth);
    m->scale = job->scale = limn_arena_floats(ld->arena, columns);
    m->start = job->start = limn_arena_take(ld->arena, columns, sizeof *job->start);
}

/* Memory for a matrix [n, k]: as int8 where that is wanted and suits, or as float16 if it is stored
 * so and to be kept so. job->taps is there already. */
static void take_matrix(limn_loader *ld, limn_matrix *m, bool half, limn_pack_job *job) {
    size_t panel = (size_t)ld->k->panel;
    size_t panels = ((size_t)m->n + panel - 1) / panel;
    job->n = m->n;
    job->k = m->k;
    if (suits_int8(ld, m->k / job->taps, job->taps)) {
        take_int8(ld, m, m->k / job->taps, job);
        return;
    }
    void *block = limn_arena_take(ld->arena, panels * panel * (size_t)m->k,
                                  half ? sizeof *m->half : sizeof *m->packed);
    m->packed = job->to = half ? NULL : block;
    m->half = job->half = half ? block : NULL;
}

bool limn_load_has(const limn_loader *ld, const char *name) {
    return !ld->invention && limn_tensors_find(ld->tensors, name);
}

/* Whether a matrix of that name may stay float16. */
static bool stays_half(const limn_loader *ld, const char *name) {
    if (ld->invention) return ld->keep_half;
    const limn_tensor *t = ld->keep_half ? limn_tensors_find(ld->tensors, name) : NULL;
    return t && limn_dtype_is_half(t->dtype);
}

/* A linear layer's weight may be stored as [n, k] or as a 1x1 convolution's [n, k, 1, 1]. */
static const limn_tensor *want_linear(limn_loader *ld, const char *name, int n, int k) {
    const uint64_t shape[4] = {(uint64_t)n, (uint64_t)k, 1, 1};
    if (ld->status != LIMN_OK) return NULL;
    const limn_tensor *t = ld->invention ? NULL : limn_tensors_find(ld->tensors, name);
    return want(ld, name, t && t->rank == 4 ? 4 : 2, shape);
}

limn_matrix limn_load_linears(limn_loader *ld, const char *prefix, const char *const *names,
                              int count, int n, int k, bool bias) {
    limn_matrix m = {.n = n * count, .k = k};
    limn_pack_job job = {.taps = 1};
    char name[256];
    bool half = true;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s.weight", prefix, names[i]);
        half = half && stays_half(ld, name);
    }
    take_matrix(ld, &m, half, &job);
    float *biases = bias ? limn_arena_floats(ld->arena, (size_t)m.n) : NULL;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s.weight", prefix, names[i]);
        job.tensor = want_linear(ld, name, n, k);
        job.n0 = i * n;
        add_job(ld, &job);
        if (!bias) continue;
        snprintf(name, sizeof name, "%s%s.bias", prefix, names[i]);
        const limn_tensor *t = want(ld, name, 1, &(uint64_t){(uint64_t)n});
        add_job(ld, &(limn_pack_job){.tensor = t, .to = biases ? biases + i * n : NULL, .n0 = -1});
    }
    m.bias = biases;
    return m;
}

limn_matrix limn_load_linear(limn_loader *ld, const char *name, int n, int k, bool bias) {
    return limn_load_linears(ld, name, &(const char *){""}, 1, n, k, bias);
}

limn_conv limn_load_conv_bare(limn_loader *ld, const char *name, int n, int c, int kernel,
                              int stride, int pad) {
    limn_conv conv = {{.n = n, .k = kernel * kernel * c}, c, kernel, stride, pad};
    limn_pack_job job = {.taps = kernel * kernel};
    const uint64_t shape[4] = {(uint64_t)n, (uint64_t)c, (uint64_t)kernel, (uint64_t)kernel};
    if (c > LIMN_CHANNELS_MOST)
        limn_load_fail(ld, LIMN_E_INPUT, "%s: %d channels, limn takes %d", name, c,
                       LIMN_CHANNELS_MOST);
    char part[256];
    snprintf(part, sizeof part, "%s.weight", name);
    job.tensor = want(ld, part, 4, shape);
    take_matrix(ld, &conv.matrix, stays_half(ld, part), &job);
    add_job(ld, &job);
    return conv;
}

limn_conv limn_load_conv(limn_loader *ld, const char *name, int n, int c, int kernel, int stride,
                         int pad) {
    limn_conv conv = limn_load_conv_bare(ld, name, n, c, kernel, stride, pad);
    char part[256];
    snprintf(part, sizeof part, "%s.bias", name);
    conv.matrix.bias = load_plain(ld, part, 1, &(uint64_t){(uint64_t)n});
    return conv;
}

limn_norm limn_load_norm(limn_loader *ld, const char *name, int c, int groups, double eps) {
    limn_norm norm = {.c = c, .groups = groups, .eps = (float)eps};
    const uint64_t shape[1] = {(uint64_t)c};
    char part[256];
    snprintf(part, sizeof part, "%s.weight", name);
    norm.gamma = load_plain(ld, part, 1, shape);
    snprintf(part, sizeof part, "%s.bias", name);
    norm.beta = load_plain(ld, part, 1, shape);
    return norm;
}

limn_table limn_load_table(limn_loader *ld, const char *name, int rows, int d) {
    const uint64_t shape[2] = {(uint64_t)rows, (uint64_t)d};
    if (!stays_half(ld, name))
        return (limn_table){.d = d, .numbers = load_plain(ld, name, 2, shape)};
    const limn_tensor *t = want(ld, name, 2, shape);
    if (!t) return (limn_table){.d = d};
    uint16_t *half = limn_arena_take(ld->arena, (size_t)t->count, sizeof *half);
    add_job(ld, &(limn_pack_job){.tensor = t, .half = half, .n0 = -1});
    return (limn_table){.d = d, .half = half};
}

/* A job under way: rows of its tensor in a window, read ahead in large pieces. */
typedef struct packing {
    const limn_kernels *kernels;
    const limn_pack_job *job;
    size_t room;    /* how many numbers the window has room for: a row at least */
    uint16_t *half; /* the window where the tensor's numbers fit into float16, else NULL */
    float *floats;  /* the window otherwise */
    float *row;     /* [k] one row, for int8 */
    int8_t *small;  /* [k] what it becomes */
    limn_error *err;
} packing;

/* Numbers [from, from + count) of the tensor go to number `to` of the window. */
static limn_status read_run(const packing *p, uint64_t from, size_t count, size_t to) {
    if (p->half) return limn_tensor_read_half(p->job->tensor, from, count, p->half + to, p->err);
    return limn_tensor_read(p->job->tensor, from, count, p->floats + to, p->err);
}

/* Fills the window: numbers [i, i + width) of `rows` rows from `row` on, one row after the other.
 */
static limn_status read_window(const packing *p, size_t row, size_t rows, size_t i, size_t width) {
    const size_t k = (size_t)p->job->k;
    if (width == k) return read_run(p, row * k, rows * k, 0);
    limn_status status = LIMN_OK;
    for (size_t j = 0; j < rows && status == LIMN_OK; j++)
        status = read_run(p, (row + j) * k + i, width, j * width);
    return status;
}

/* `count` numbers of the window, from its first-th on, as float32. */
static void convert(const packing *p, size_t first, size_t count, float *out) {
    if (p->half)
        p->kernels->from_f16(p->half + first, count, out);
    else
        memcpy(out, p->floats + first, count * sizeof *out);
}

/* Zeros behind the last column of the last panel. */
static void clear_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    size_t panel = (size_t)kernels->panel, used = (size_t)job->n % panel;
    size_t last = (size_t)job->n / panel * panel * (size_t)job->k;
    if (used == 0) return;
    for (size_t k = 0; k < (size_t)job->k; k++)
        for (size_t j = used; j < panel; j++) {
            size_t at = last + k * panel + j;
            if (job->half)
                job->half[at] = 0;
            else
                job->to[at] = 0.0f;
        }
}

/* Where numbers of a window go: line `l` of a panel, one number of each of its outputs. Lines are
 * in the order (tap, c), numbers in the file's, (c, tap). */
typedef struct lines {
    size_t panel, taps, c; /* of the matrix */
    size_t channel, tap;   /* of the next number */
} lines;

/* The next number's place in its panel; moves on to the number after it. */
static size_t next_line(lines *l) {
    const size_t at = (l->tap * l->c + l->channel) * l->panel;
    if (++l->tap == l->taps) {
        l->tap = 0;
        l->channel++;
    }
    return at;
}

/* out = a[0], b[0], a[1], b[1], ... */
static void interleave(const uint16_t *restrict a, const uint16_t *restrict b, size_t n,
                       uint16_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = a[i];
        out[2 * i + 1] = b[i];
    }
}

/* The first `count` numbers of a whole panel's rows, `stride` apart, become lines one after the
 * other: out[count][panel]. A panel is a power of two: interleaving rows that are half of them
 * apart, again and again, turns a matrix, and a compiler makes few instructions of it. */
static void turn(const uint16_t *rows, size_t stride, size_t panel, size_t count, uint16_t *out) {
    uint16_t room[2][LIMN_PANEL_MOST * TURNED];
    size_t n = count;
    for (size_t half = panel / 2, pass = 0; half > 0; half /= 2, pass++) {
        uint16_t *to = half == 1 ? out : room[pass % 2];
        for (size_t j = 0; j < half; j++)
            interleave(rows + j * stride, rows + (j + half) * stride, n, to + j * 2 * n);
        rows = to;
        n *= 2;
        stride = n;
    }
}

/* Lines that follow each other in `line` go to their places in a panel of the job's matrix, which
 * begins at its number `panel`: float16 as it is, or as the float32 that it is worth. */
static void place_lines(const packing *p, const uint16_t *line, size_t count, lines to,
                        size_t panel) {
    const limn_pack_job *job = p->job;
    for (size_t l = 0; l < count; l++, line += to.panel) {
        const size_t at = panel + next_line(&to);
        if (!job->half) p->kernels->from_f16(line, to.panel, job->to + at);
        for (size_t j = 0; j < to.panel && job->half; j += LINE)
            memcpy(job->half + at + j, line + j, LINE * sizeof *line); /* a size known early */
    }
}

/* A whole panel's numbers, `count` of each row, `width` apart in the window, go to its lines. */
static void pack_panel(const packing *p, const uint16_t *window, size_t width, size_t count,
                       lines to, size_t panel) {
    uint16_t turned[LIMN_PANEL_MOST * TURNED];
    const bool in_place = p->job->half && to.taps == 1; /* the lines follow each other there too */
    uint16_t *line = in_place ? p->job->half + panel + to.channel * to.panel : turned;
    turn(window, width, to.panel, count, line);
    if (!in_place) place_lines(p, line, count, to, panel);
}

/* `count` numbers of each of `columns` rows, one row `width` numbers behind the other in the window
 * from its `from`-th number on, go to the columns from `first` on of a panel's lines. */
static void pack_columns(const packing *p, size_t from, size_t width, size_t columns, size_t count,
                         lines to, size_t first, size_t panel) {
    const limn_pack_job *job = p->job;
    float chunk[LIMN_PANEL_MOST][TURNED];
    for (size_t j = 0; j < columns && !job->half; j++)
        convert(p, from + j * width, count, chunk[j]);
    for (size_t l = 0; l < count; l++) {
        const size_t at = panel + next_line(&to) + first;
        for (size_t j = 0; j < columns; j++)
            if (job->half)
                job->half[at + j] = p->half[from + j * width + l];
            else
                job->to[at + j] = chunk[j][l];
    }
}

/* The window's numbers [i, i + width) of `columns` rows from `row` on go to their places. */
static void pack_window(const packing *p, int row, size_t columns, size_t i, size_t width) {
    const limn_pack_job *job = p->job;
    const size_t k = (size_t)job->k, taps = (size_t)job->taps, n = (size_t)(job->n0 + row);
    lines to = {.panel = (size_t)p->kernels->panel, .taps = taps, .c = k / taps};
    const size_t panel = n / to.panel * to.panel * k, first = n % to.panel;
    for (size_t done = 0; done < width; done += TURNED) {
        const size_t count = width - done < TURNED ? width - done : TURNED;
        to.channel = (i + done) / taps;
        to.tap = (i + done) % taps;
        if (p->half && columns == to.panel)
            pack_panel(p, p->half + done, width, count, to, panel);
        else
            pack_columns(p, done, width, columns, count, to, first, panel);
    }
}

/* Up to a panel of outputs from *row on, [c, taps] in the file, go to the columns of their panel
 * in the order (tap, c): together, so that each line of it is written once and whole. Moves *row
 * on. */
static limn_status pack_rows(const packing *p, int *row) {
    size_t panel = (size_t)p->kernels->panel, first = (size_t)(p->job->n0 + *row) % panel;
    size_t k = (size_t)p->job->k, left = (size_t)p->job->tensor->shape[0] - (size_t)*row;
    size_t columns = left < panel - first ? left : panel - first;
    size_t width = p->room / columns < k ? p->room / columns : k;
    if (width < k) width = width / CHUNK * CHUNK;
    for (size_t i = 0; i < k; i += width) {
        size_t count = k - i < width ? k - i : width;
        limn_status status = read_window(p, (size_t)*row, columns, i, count);
        if (status != LIMN_OK) return status;
        pack_window(p, *row, columns, i, count);
    }
    *row += (int)columns;
    return LIMN_OK;
}

/* The numbers [k] of the n-th output of an int8 matrix go to their column of the panel, four
 * channels of a tap together. */
static void place_int8(const limn_kernels *kernels, const limn_pack_job *job, size_t n,
                       const int8_t *numbers) {
    const size_t panel = (size_t)kernels->panel, taps = (size_t)job->taps;
    const size_t fours = (size_t)limn_fours_of(job->k / job->taps);
    int8_t *column = job->i8 + n / panel * panel * taps * fours + n % panel * 4;
    size_t channel = 0, tap = 0;
    int32_t sum = 0;
    for (size_t l = 0; l < (size_t)job->k; l++) {
        const size_t at = tap * fours + channel;
        sum += numbers[l];
        column[at / 4 * 4 * panel + at % 4] = numbers[l];
        if (++tap == taps) {
            tap = 0;
            channel++;
        }
    }
    job->start[n] = -128 * sum;
}

/* Zeros behind the last channel of each tap. */
static void clear_int8_tail(const limn_kernels *kernels, const limn_pack_job *job, size_t n) {
    size_t panel = (size_t)kernels->panel, taps = (size_t)job->taps, c = (size_t)job->k / taps;
    size_t fours = (size_t)limn_fours_of((int)c);
    int8_t *column = job->i8 + n / panel * panel * taps * fours + n % panel * 4;
    for (size_t t = 0; t < taps; t++)
        for (size_t at = t * fours + c; at < (t + 1) * fours; at++)
            column[at / 4 * 4 * panel + at % 4] = 0;
}

/* One output of an int8 matrix: row `row` of the tensor, which is the window's `line`-th, becomes a
 * column of its panel. */
static void pack_int8(const packing *p, int row, size_t line) {
    const limn_pack_job *job = p->job;
    size_t n = (size_t)(job->n0 + row), k = (size_t)job->k, taps = (size_t)job->taps;
    convert(p, line * k, k, p->row);
    job->scale[n] = limn_int8_row(p->kernels, p->row, k / taps, taps, p->small);
    place_int8(p->kernels, job, n, p->small);
    clear_int8_tail(p->kernels, job, n);
}

/* As many rows from *row on as the window holds become int8. Moves *row on. */
static limn_status pack_int8_rows(const packing *p, int *row) {
    size_t k = (size_t)p->job->k, left = (size_t)p->job->tensor->shape[0] - (size_t)*row;
    size_t rows = p->room / k < left ? p->room / k : left;
    limn_status status = read_window(p, (size_t)*row, rows, 0, k);
    for (size_t line = 0; line < rows && status == LIMN_OK; line++) pack_int8(p, (*row)++, line);
    return status;
}

/* A row that is stored as int8 already. -128, which limn never writes, is beyond the kernels. */
static limn_status pack_stored_row(const limn_kernels *kernels, const limn_pack_job *job, int row,
                                   int8_t *numbers, limn_error *err) {
    size_t k = (size_t)job->k, n = (size_t)(job->n0 + row);
    limn_status status = limn_tensor_read_stored(job->tensor, (size_t)row * k, k, numbers, err);
    if (status != LIMN_OK) return status;
    if (memchr(numbers, 0x80, k))
        return limn_fail(err, LIMN_E_INPUT, "tensor %.200s holds -128; int8 is -127 to 127 here",
                         job->tensor->name);
    place_int8(kernels, job, n, numbers);
    clear_int8_tail(kernels, job, n);
    return LIMN_OK;
}

/* A tensor that is stored as rotated int8 goes into an int8 matrix as it is. */
static limn_status pack_stored_int8(const limn_kernels *kernels, const limn_pack_job *job,
                                    limn_error *err) {
    const limn_tensor *t = job->tensor;
    int8_t *numbers = malloc((size_t)job->k);
    if (!numbers) return limn_fail(err, LIMN_E_MEMORY, "no memory for a row of tensor %s", t->name);
    limn_status status = limn_tensor_read(t->scale, 0, t->shape[0], job->scale + job->n0, err);
    for (int row = 0; row < (int)t->shape[0] && status == LIMN_OK; row++)
        status = pack_stored_row(kernels, job, row, numbers, err);
    free(numbers);
    return status;
}

/* Zeros behind the last column of the last panel of an int8 matrix. */
static void clear_int8_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    size_t panel = (size_t)kernels->panel, used = (size_t)job->n % panel;
    size_t depth = (size_t)job->taps * (size_t)limn_fours_of(job->k / job->taps);
    if (used == 0) return;
    int8_t *last = job->i8 + (size_t)job->n / panel * panel * depth;
    for (size_t at = 0; at < depth / 4; at++)
        memset(last + (at * panel + used) * 4, 0, (panel - used) * 4);
    memset(job->scale + job->n, 0, (panel - used) * sizeof *job->scale);
    memset(job->start + job->n, 0, (panel - used) * sizeof *job->start);
}

/* All rows of a matrix's tensor, through a window that has room for one row at least. */
static limn_status pack_matrix(const limn_kernels *kernels, const limn_pack_job *job,
                               limn_error *err) {
    const bool half = limn_dtype_is_half(job->tensor->dtype);
    const size_t number = half ? sizeof(uint16_t) : sizeof(float), row = (size_t)job->k;
    const size_t most = row > WINDOW_BYTES / number ? row : WINDOW_BYTES / number;
    const size_t room = job->tensor->count < most ? (size_t)job->tensor->count : most;
    const size_t rotated = job->i8 ? row : 0, bytes = rotated * sizeof(float) + room * number;
    float *memory = malloc(bytes + rotated);
    if (!memory)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for %zu bytes of tensor %s",
                         bytes + rotated, job->tensor->name);
    packing p = {.kernels = kernels, .job = job, .room = room, .row = memory, .err = err};
    p.half = half ? (uint16_t *)(memory + rotated) : NULL;
    p.floats = half ? NULL : memory + rotated;
    p.small = (int8_t *)memory + bytes;
    limn_status status = LIMN_OK;
    const int rows = (int)job->tensor->shape[0];
    for (int r = 0; r < rows && status == LIMN_OK;)
        status = job->i8 ? pack_int8_rows(&p, &r) : pack_rows(&p, &r);
    free(memory);
    return status;
}

/* A tensor of a file, or a part of one, goes to its place. */
static limn_status pack_tensor(const limn_kernels *kernels, const limn_pack_job *job,
                               limn_error *err) {
    const limn_tensor *t = job->tensor;
    if (job->n0 < 0 && job->half) return limn_tensor_read_half(t, 0, t->count, job->half, err);
    if (job->n0 < 0) return limn_tensor_read(t, 0, t->count, job->to, err);
    if (job->i8 && t->rotated) return pack_stored_int8(kernels, job, err);
    return pack_matrix(kernels, job, err);
}

/* A tensor with corrections: rows of it are merged, and packed as a tensor of their own. */
static limn_status pack_merged(const limn_kernels *kernels, const limn_pack_job *job,
                               const limn_lora_delta *deltas, int count, limn_error *err) {
    limn_merge *merge;
    limn_tensor rows;
    limn_status status = limn_merge_start(kernels, job->tensor, deltas, count, &merge, err);
    uint64_t first = 0, all = job->tensor->shape[0], k = job->tensor->count / all;
    for (; first < all && status == LIMN_OK; first += rows.shape[0]) {
        limn_pack_job part = *job;
        part.tensor = &rows;
        if (job->n0 >= 0)
            part.n0 += (int)first;
        else if (job->half)
            part.half += first * k;
        else
            part.to += first * k;
        status = limn_merge_next(merge, &rows, err);
        if (status == LIMN_OK) status = pack_tensor(kernels, &part, err);
    }
    limn_merge_end(merge);
    return status;
}

limn_status limn_load_pack_one(const limn_loader *ld, int i, limn_error *err) {
    const limn_pack_job *job = &ld->jobs[i];
    limn_status status = LIMN_OK;
    if (ld->invention) limn_invent_fill(ld->k, job, (uint64_t)i);
    int count = 0;
    const limn_lora_delta *deltas =
        ld->invention ? NULL : limn_loras_of(ld->loras, job->tensor, &count);
    if (deltas)
        status = pack_merged(ld->k, job, deltas, count, err);
    else if (!ld->invention)
        status = pack_tensor(ld->k, job, err);
    if (job->n0 >= 0 && job->n0 + (int)job->tensor->shape[0] == job->n)
        (job->i8 ? clear_int8_margin : clear_margin)(ld->k, job);
    return status;
}

/* Packing on several threads. */
typedef struct pack_all {
    const limn_loader *ld;
    limn_fault fault;
} pack_all;

static void pack_task(void *ctx, int i) {
    pack_all *all = ctx;
    limn_error err;
    if (all->fault.status != LIMN_OK) return;
    limn_status status = limn_load_pack_one(all->ld, i, &err);
    if (status != LIMN_OK) limn_fault_keep(&all->fault, status, &err);
}

limn_status limn_load_pack(const limn_loader *ld, int threads) {
    pack_all all = {.ld = ld, .fault = {.err = ld->err}};
    limn_parallel(threads, ld->job_count, pack_task, &all);
    return (limn_status)all.fault.status;
}
