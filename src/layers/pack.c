/* From tensors as files have them to matrices as the kernels want them. */
#include "layers/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "layers/invent.h"
#include "layers/merge.h"

/* Numbers of each row that are turned at a time: what fits into the first cache. */
#define TURNED 64
/* Every panel is a number of these. */
#define LINE 16
/* Bytes of a file read at a time: a part of a processor's second cache; or more, where the rows of
 * one panel are longer. */
#define WINDOW_BYTES ((size_t)512 << 10)
#define WINDOW_MOST  ((size_t)2 << 20)

/* A job under way: rows of its tensor in a window, read ahead in large pieces. */
typedef struct packing {
    const limn_kernels *kernels;
    const limn_pack_job *job;
    size_t room;      /* how many numbers the window has room for: a row at least */
    uint16_t *bits;   /* the window where the tensor's numbers fit into 16 bits, else NULL */
    limn_widen widen; /* what makes float32 of them */
    float *floats;    /* the window otherwise */
    float *row;       /* [k] one row, for int8 */
    int8_t *small;    /* [k] what it becomes */
    limn_error *err;
} packing;

/* Numbers [from, from + count) of the tensor go to number `to` of the window. */
static limn_status read_run(const packing *p, uint64_t from, size_t count, size_t to) {
    if (p->bits) return limn_tensor_read_narrow(p->job->tensor, from, count, p->bits + to, p->err);
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
    if (p->bits)
        p->widen(p->bits + first, count, out);
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
            if (job->to.type == LIMN_F32)
                job->to.f32[at] = 0.0f;
            else
                job->to.bits[at] = 0;
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

/* out = a[0], b[0], a[1], b[1], ...; b is `stride` behind a. */
static void interleave_2(const uint16_t *restrict a, size_t stride, size_t n,
                         uint16_t *restrict out) {
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = a[i];
        out[2 * i + 1] = a[i + stride];
    }
}

/* The same of four, each `stride` behind the one before. */
static void interleave_4(const uint16_t *restrict a, size_t stride, size_t n,
                         uint16_t *restrict out) {
    const uint16_t *b = a + stride, *c = b + stride, *d = c + stride;
    for (size_t i = 0; i < n; i++) {
        out[4 * i] = a[i];
        out[4 * i + 1] = b[i];
        out[4 * i + 2] = c[i];
        out[4 * i + 3] = d[i];
    }
}

/* The first `count` numbers of a whole panel's rows, `stride` apart, become lines one after the
 * other: out[count][panel]. A panel is a power of two: interleaving rows that are a quarter of them
 * apart (or half, at the end), again and again, turns a matrix, and a compiler makes few
 * instructions of it. */
static void turn(const uint16_t *rows, size_t stride, size_t panel, size_t count, uint16_t *out) {
    uint16_t room[2][LIMN_PANEL_MOST * TURNED];
    size_t n = count;
    for (size_t left = panel, pass = 0; left > 1; pass++) {
        const size_t together = left > 2 ? 4 : 2, next = left / together;
        uint16_t *to = next == 1 ? out : room[pass % 2];
        for (size_t j = 0; j < next; j++)
            (together == 4 ? interleave_4 : interleave_2)(rows + j * stride, next * stride, n,
                                                          to + j * together * n);
        rows = to;
        n *= together;
        stride = n;
        left = next;
    }
}

/* Lines that follow each other in `line` go to their places in a panel of the job's matrix, which
 * begins at its number `panel`: 16 bits as they are, or as the float32 that they are worth. */
static void place_lines(const packing *p, const uint16_t *line, size_t count, lines to,
                        size_t panel) {
    const limn_numbers *w = &p->job->to;
    for (size_t l = 0; l < count; l++, line += to.panel) {
        const size_t at = panel + next_line(&to);
        if (w->type == LIMN_F32) p->widen(line, to.panel, w->f32 + at);
        for (size_t j = 0; j < to.panel && w->type != LIMN_F32; j += LINE)
            memcpy(w->bits + at + j, line + j, LINE * sizeof *line); /* a size known early */
    }
}

/* A whole panel's numbers, `count` of each row, `width` apart in the window, go to its lines. */
static void pack_panel(const packing *p, const uint16_t *window, size_t width, size_t count,
                       lines to, size_t panel) {
    uint16_t turned[LIMN_PANEL_MOST * TURNED];
    const limn_numbers *w = &p->job->to;
    const bool in_place = w->type != LIMN_F32 && to.taps == 1; /* lines lie like that there too */
    uint16_t *out = in_place ? w->bits + panel + to.channel * to.panel : turned;
    turn(window, width, to.panel, count, out);
    if (!in_place) place_lines(p, out, count, to, panel);
}

/* `count` numbers of each of `columns` rows, one row `width` numbers behind the other in the window
 * from its `from`-th number on, go to the columns from `first` on of a panel's lines. */
static void pack_columns(const packing *p, size_t from, size_t width, size_t columns, size_t count,
                         lines to, size_t first, size_t panel) {
    const limn_numbers *w = &p->job->to;
    float chunk[LIMN_PANEL_MOST][TURNED];
    for (size_t j = 0; j < columns && w->type == LIMN_F32; j++)
        convert(p, from + j * width, count, chunk[j]);
    for (size_t l = 0; l < count; l++) {
        const size_t at = panel + next_line(&to) + first;
        for (size_t j = 0; j < columns; j++)
            if (w->type == LIMN_F32)
                w->f32[at + j] = chunk[j][l];
            else
                w->bits[at + j] = p->bits[from + j * width + l];
    }
}

/* Numbers [i, i + width) of `columns` rows from `row` on, the window's from its `from`-th on, go to
 * their places. */
static void pack_window(const packing *p, size_t row, size_t columns, size_t i, size_t width,
                        size_t from) {
    const limn_pack_job *job = p->job;
    const size_t k = (size_t)job->k, taps = (size_t)job->taps, n = (size_t)job->n0 + row;
    lines to = {.panel = (size_t)p->kernels->panel, .taps = taps, .c = k / taps};
    const size_t panel = n / to.panel * to.panel * k, first = n % to.panel;
    for (size_t done = 0; done < width; done += TURNED) {
        const size_t count = width - done < TURNED ? width - done : TURNED;
        to.channel = (i + done) / taps;
        to.tap = (i + done) % taps;
        if (p->bits && columns == to.panel)
            pack_panel(p, p->bits + from + done, width, count, to, panel);
        else
            pack_columns(p, from + done, width, columns, count, to, first, panel);
    }
}

/* A panel's rows, so long that the window has no room for them, piece by piece. */
static limn_status pack_long_rows(const packing *p, size_t row, size_t columns) {
    const size_t k = (size_t)p->job->k, width = p->room / columns / TURNED * TURNED;
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < k && status == LIMN_OK; i += width) {
        const size_t count = k - i < width ? k - i : width;
        status = read_window(p, row, columns, i, count);
        if (status == LIMN_OK) pack_window(p, row, columns, i, count, 0);
    }
    return status;
}

/* As many rows from *row on as the window holds, outputs [c, taps] in the file, go to the columns
 * of their panels in the order (tap, c): a panel's together, so that each line of it is written
 * once and whole. Moves *row on. */
static limn_status pack_rows(const packing *p, int *row) {
    const size_t panel = (size_t)p->kernels->panel, k = (size_t)p->job->k, begin = (size_t)*row;
    const size_t first = ((size_t)p->job->n0 + begin) % panel; /* column */
    const size_t left = (size_t)p->job->tensor->shape[0] - begin, room = p->room / k;
    const size_t one = left < panel - first ? left : panel - first; /* the first panel's rows */
    if (room < one) {
        *row += (int)one;
        return pack_long_rows(p, begin, one);
    }
    const size_t rows = room < left ? room - (first + room) % panel : left; /* whole panels */
    limn_status status = read_window(p, begin, rows, 0, k);
    if (status != LIMN_OK) return status;
    for (size_t done = 0, n = one; done < rows; done += n) {
        n = done == 0 ? one : rows - done < panel ? rows - done : panel;
        pack_window(p, begin + done, n, 0, k, done * k);
    }
    *row += (int)rows;
    return LIMN_OK;
}

/* One output of an int8 matrix: row `row` of the tensor, which is the window's `line`-th, becomes a
 * column of its panel. */
static void pack_int8(const packing *p, int row, size_t line) {
    const limn_pack_job *job = p->job;
    size_t n = (size_t)(job->n0 + row), k = (size_t)job->k, taps = (size_t)job->taps;
    convert(p, line * k, k, p->row);
    job->scale[n] = limn_int8_row(p->kernels, p->row, k / taps, taps, p->small);
    limn_pack_int8_output(p->kernels, job, n, p->small);
}

/* As many rows from *row on as the window holds become int8. Moves *row on. */
static limn_status pack_int8_rows(const packing *p, int *row) {
    size_t k = (size_t)p->job->k, left = (size_t)p->job->tensor->shape[0] - (size_t)*row;
    size_t rows = p->room / k < left ? p->room / k : left;
    limn_status status = read_window(p, (size_t)*row, rows, 0, k);
    for (size_t line = 0; line < rows && status == LIMN_OK; line++) pack_int8(p, (*row)++, line);
    return status;
}

/* How many numbers a window for a job has room for: a row at least. */
static size_t window_numbers(const limn_kernels *kernels, const limn_pack_job *job, size_t number) {
    const size_t row = (size_t)job->k, panel = (size_t)kernels->panel * row;
    const size_t least = WINDOW_BYTES / number, most = WINDOW_MOST / number;
    size_t room = panel < least ? least : panel < most ? panel : most;
    if (room < row) room = row;
    return room < job->tensor->count ? room : (size_t)job->tensor->count;
}

/* All rows of a matrix's tensor, through a window that has room for one row at least. */
static limn_status pack_matrix(const limn_kernels *kernels, const limn_pack_job *job,
                               limn_error *err) {
    const limn_dtype narrow = limn_dtype_narrow(job->tensor->dtype);
    const bool narrower = narrow == LIMN_F16 || narrow == LIMN_BF16;
    const bool int8 = job->to.type == LIMN_I8;
    const size_t number = narrower ? sizeof(uint16_t) : sizeof(float), row = (size_t)job->k;
    const size_t room = window_numbers(kernels, job, number);
    const size_t rotated = int8 ? row : 0, bytes = rotated * sizeof(float) + room * number;
    float *memory = malloc(bytes + rotated);
    if (!memory)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for %zu bytes of tensor %s",
                         bytes + rotated, job->tensor->name);
    packing p = {.kernels = kernels, .job = job, .room = room, .row = memory, .err = err};
    p.widen = limn_widen_of(kernels, narrow);
    p.bits = narrower ? (uint16_t *)(memory + rotated) : NULL;
    p.floats = narrower ? NULL : memory + rotated;
    p.small = (int8_t *)memory + bytes;
    limn_status status = LIMN_OK;
    const int rows = (int)job->tensor->shape[0];
    for (int r = 0; r < rows && status == LIMN_OK;)
        status = int8 ? pack_int8_rows(&p, &r) : pack_rows(&p, &r);
    free(memory);
    return status;
}

/* A tensor of a file, or a part of one, goes to its place. */
static limn_status pack_tensor(const limn_kernels *kernels, const limn_pack_job *job,
                               limn_error *err) {
    const limn_tensor *t = job->tensor;
    const limn_numbers *to = &job->to;
    if (job->n0 < 0 && to->type == LIMN_F32) return limn_tensor_read(t, 0, t->count, to->f32, err);
    if (job->n0 < 0 && to->type == LIMN_Q8_0)
        return limn_tensor_read_q8(t, 0, t->count, to->i8, job->q8_scale, err);
    if (job->n0 < 0) return limn_tensor_read_narrow(t, 0, t->count, to->bits, err);
    if (to->type == LIMN_I8 && t->rotated) return limn_pack_int8_stored(kernels, job, err);
    if (to->type == LIMN_Q8_0) return limn_pack_q8(kernels, job, err);
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
        else if (job->to.type == LIMN_F32)
            part.to.f32 += first * k;
        else
            part.to.bits += first * k;
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
        (job->to.type == LIMN_I8     ? limn_pack_int8_margin
         : job->to.type == LIMN_Q8_0 ? limn_pack_q8_margin
                                     : clear_margin)(ld->k, job);
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

/* Twice as many where several pack and the disk itself is read: one waits for it while another
 * packs. */
static int with_readers(const limn_loader *ld, int threads) {
    bool disk = false;
    for (int i = 0; i < ld->job_count && !ld->invention && !disk; i++)
        disk = ld->jobs[i].tensor->source->direct > 0;
    return disk && threads > 1 ? 2 * threads : threads;
}

limn_status limn_load_pack(const limn_loader *ld, int threads) {
    pack_all all = {.ld = ld, .fault = {.err = ld->err}};
    limn_parallel(with_readers(ld, threads), ld->job_count, pack_task, &all);
    return (limn_status)all.fault.status;
}
