/* From tensors as files have them to matrices as the kernels want them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/team.h"
#include "layers/layers.h"

/* Numbers converted at a time, on the stack. */
#define CHUNK 1024

void limn_load_fail(limn_loader *ld, limn_status status, const char *format, ...) {
    if (ld->status != LIMN_OK) return;
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ld->status = limn_fail(ld->err, status, "%s", text);
}

static const limn_tensor *want(limn_loader *ld, const char *name, int rank, const uint64_t *shape) {
    const limn_tensor *t = NULL;
    if (ld->status == LIMN_OK)
        ld->status = limn_tensors_want(ld->tensors, name, rank, shape, &t, ld->err);
    if (t && !limn_dtype_is_float(t->dtype))
        limn_load_fail(ld, LIMN_E_INPUT, "tensor %s has type %s, expected a floating-point type",
                       name, limn_dtype_name(t->dtype));
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

static float *take_matrix(limn_loader *ld, int n, int k) {
    size_t panel = (size_t)ld->k->panel;
    size_t panels = ((size_t)n + panel - 1) / panel;
    return limn_arena_floats(ld->arena, panels * panel * (size_t)k);
}

/* A linear layer's weight may be stored as [n, k] or as a 1x1 convolution's [n, k, 1, 1]. */
static const limn_tensor *want_linear(limn_loader *ld, const char *name, int n, int k) {
    const uint64_t shape[4] = {(uint64_t)n, (uint64_t)k, 1, 1};
    if (ld->status != LIMN_OK) return NULL;
    const limn_tensor *t = limn_tensors_find(ld->tensors, name);
    return want(ld, name, t && t->rank == 4 ? 4 : 2, shape);
}

limn_matrix limn_load_linears(limn_loader *ld, const char *prefix, const char *const *names,
                              int count, int n, int k, bool bias) {
    limn_matrix m = {.n = n * count, .k = k};
    float *packed = take_matrix(ld, m.n, k);
    float *biases = bias ? limn_arena_floats(ld->arena, (size_t)m.n) : NULL;
    char name[256];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s.weight", prefix, names[i]);
        const limn_tensor *t = want_linear(ld, name, n, k);
        add_job(ld, &(limn_pack_job){t, packed, i * n, m.n, k, 1});
        if (!bias) continue;
        snprintf(name, sizeof name, "%s%s.bias", prefix, names[i]);
        t = want(ld, name, 1, &(uint64_t){(uint64_t)n});
        add_job(ld, &(limn_pack_job){.tensor = t, .to = biases ? biases + i * n : NULL, .n0 = -1});
    }
    m.packed = packed;
    m.bias = biases;
    return m;
}

limn_matrix limn_load_linear(limn_loader *ld, const char *name, int n, int k, bool bias) {
    return limn_load_linears(ld, name, &(const char *){""}, 1, n, k, bias);
}

limn_conv limn_load_conv(limn_loader *ld, const char *name, int n, int c, int kernel, int stride,
                         int pad) {
    limn_conv conv = {{n, kernel * kernel * c, NULL, NULL}, c, kernel, stride, pad};
    const uint64_t shape[4] = {(uint64_t)n, (uint64_t)c, (uint64_t)kernel, (uint64_t)kernel};
    char part[256];
    snprintf(part, sizeof part, "%s.weight", name);
    const limn_tensor *t = want(ld, part, 4, shape);
    float *packed = take_matrix(ld, n, conv.matrix.k);
    add_job(ld, &(limn_pack_job){t, packed, 0, n, conv.matrix.k, kernel * kernel});
    conv.matrix.packed = packed;
    snprintf(part, sizeof part, "%s.bias", name);
    conv.matrix.bias = load_plain(ld, part, 1, shape);
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

const float *limn_load_table(limn_loader *ld, const char *name, int rows, int columns) {
    return load_plain(ld, name, 2, (const uint64_t[2]){(uint64_t)rows, (uint64_t)columns});
}

/* Numbers [first, first + count) of a tensor; float16 through the kernel, which is fast. */
static void convert(const limn_kernels *k, const limn_tensor *t, uint64_t first, size_t count,
                    float *out) {
    uint16_t half[CHUNK];
    if (t->dtype != LIMN_F16 || count > CHUNK) {
        limn_tensor_to_f32(t, first, count, out);
        return;
    }
    memcpy(half, t->data + first * sizeof *half, count * sizeof *half);
    k->from_f16(half, count, out);
}

/* Zeros behind the last column of the last panel. */
static void clear_margin(const limn_kernels *kernels, const limn_pack_job *job) {
    int panel = kernels->panel, used = job->n % panel;
    if (used == 0) return;
    float *last = job->to + (size_t)(job->n / panel) * (size_t)panel * (size_t)job->k;
    for (int k = 0; k < job->k; k++)
        for (int j = used; j < panel; j++) last[(size_t)k * (size_t)panel + (size_t)j] = 0.0f;
}

/* One output's weights, [c, taps] in the file, go to column n of its panel in the order (tap, c).
 */
static void pack_row(const limn_kernels *kernels, const limn_pack_job *job, int row) {
    size_t panel = (size_t)kernels->panel, n = (size_t)(job->n0 + row);
    size_t k = (size_t)job->k, taps = (size_t)job->taps, c = k / taps;
    float *column = job->to + n / panel * panel * k + n % panel;
    float chunk[CHUNK];
    size_t channel = 0, tap = 0;
    for (size_t i = 0; i < k; i += CHUNK) {
        size_t count = k - i < CHUNK ? k - i : CHUNK;
        convert(kernels, job->tensor, (uint64_t)row * k + i, count, chunk);
        for (size_t j = 0; j < count; j++) {
            column[(tap * c + channel) * panel] = chunk[j];
            if (++tap == taps) {
                tap = 0;
                channel++;
            }
        }
    }
}

void limn_load_pack_one(const limn_loader *ld, int i) {
    const limn_pack_job *job = &ld->jobs[i];
    if (job->n0 < 0) {
        for (uint64_t at = 0; at < job->tensor->count; at += CHUNK) {
            uint64_t left = job->tensor->count - at;
            convert(ld->k, job->tensor, at, left < CHUNK ? (size_t)left : CHUNK, job->to + at);
        }
        return;
    }
    int rows = (int)job->tensor->shape[0];
    for (int row = 0; row < rows; row++) pack_row(ld->k, job, row);
    if (job->n0 + rows == job->n) clear_margin(ld->k, job);
}

static void pack_task(void *ctx, int i) {
    limn_load_pack_one(ctx, i);
}

void limn_load_pack(const limn_loader *ld, int threads) {
    limn_parallel(threads, ld->job_count, pack_task, (void *)ld);
}
