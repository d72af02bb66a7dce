/* What a layer's tensors become in memory, and where: the jobs that pack.c then does. */
#include <stdarg.h>
#include <stdio.h>

#include "layers/invent.h"
#include "layers/product.h"

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
    add_job(ld, &(limn_pack_job){.tensor = t, .to = {LIMN_F32, .f32 = to}, .n0 = -1});
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
    job->to = (limn_numbers){.type = LIMN_I8, .i8 = limn_arena_take(ld->arena, columns, depth)};
    m->scale = job->scale = limn_arena_floats(ld->arena, columns);
    m->start = job->start = limn_arena_take(ld->arena, columns, sizeof *job->start);
}

/* Memory for numbers that stay of this type, and for Q8_0's scales. */
static void take_numbers(limn_loader *ld, limn_dtype type, size_t count, limn_pack_job *job) {
    const size_t size = type == LIMN_Q8_0  ? sizeof(int8_t)
                        : type == LIMN_F32 ? sizeof(float)
                                           : sizeof(uint16_t);
    job->to = (limn_numbers){.type = type, .at = limn_arena_take(ld->arena, count, size)};
    if (type == LIMN_Q8_0)
        job->q8_scale = limn_arena_take(ld->arena, count / LIMN_Q8_BLOCK, sizeof *job->q8_scale);
}

/* Memory for a matrix [n, k]: as int8 where that is wanted and suits, else in `type`.
 * job->taps is there already. */
static void take_matrix(limn_loader *ld, limn_matrix *m, limn_dtype type, limn_pack_job *job) {
    const int panel = ld->k->panel, c = m->k / job->taps;
    const size_t numbers = (size_t)limn_parts(m->n, panel) * (size_t)panel * (size_t)m->k;
    job->n = m->n;
    job->k = m->k;
    if (suits_int8(ld, c, job->taps))
        take_int8(ld, m, c, job);
    else
        take_numbers(ld, type, numbers, job);
    m->numbers = job->to;
    m->q8_scale = job->q8_scale;
}

bool limn_load_has(const limn_loader *ld, const char *name) {
    return !ld->invention && limn_tensors_find(ld->tensors, name);
}

/* The type that a tensor's numbers may stay in. Merged ones are rounded to float16 where they were
 * float16, and float32 otherwise (layers/merge.h). */
static limn_dtype type_for(const limn_loader *ld, const limn_tensor *t) {
    if (!ld->keep_narrow || !t) return LIMN_F32;
    const limn_dtype narrow = limn_dtype_narrow(t->dtype);
    int merged = 0;
    if (narrow != LIMN_F16 && narrow != LIMN_F32) limn_loras_of(ld->loras, t, &merged);
    return merged > 0 ? LIMN_F32 : narrow;
}

/* The same of a convolution, whose lines would be cut out of blocks. */
static limn_dtype plain_type_for(const limn_loader *ld, const limn_tensor *t) {
    const limn_dtype type = type_for(ld, t);
    return type == LIMN_Q8_0 ? LIMN_F32 : type;
}

/* The same of a linear layer or a table, [n, k]: blocks are rows' whole blocks. */
static limn_dtype row_type_for(const limn_loader *ld, const limn_tensor *t, int k) {
    const bool blocks = k % LIMN_Q8_BLOCK == 0 && t && !t->transposed;
    return blocks ? type_for(ld, t) : plain_type_for(ld, t);
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
    const limn_tensor *weight[LIMN_LINEARS_MOST]; /* while measuring, all may be the same one */
    char name[256];
    limn_dtype type = LIMN_F32;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%s.weight", prefix, names[i]);
        weight[i] = want_linear(ld, name, n, k);
        const limn_dtype own = row_type_for(ld, weight[i], k);
        type = i == 0 || own == type ? own : LIMN_F32;
    }
    take_matrix(ld, &m, type, &job);
    float *biases = bias ? limn_arena_floats(ld->arena, (size_t)m.n) : NULL;
    for (int i = 0; i < count; i++) {
        job.tensor = weight[i];
        job.n0 = i * n;
        add_job(ld, &job);
        if (!bias) continue;
        snprintf(name, sizeof name, "%s%s.bias", prefix, names[i]);
        const limn_tensor *t = want(ld, name, 1, &(uint64_t){(uint64_t)n});
        float *to = biases ? biases + i * n : NULL;
        add_job(ld, &(limn_pack_job){.tensor = t, .to = {LIMN_F32, .f32 = to}, .n0 = -1});
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
    take_matrix(ld, &conv.matrix, plain_type_for(ld, job.tensor), &job);
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
    limn_pack_job job = {.tensor = want(ld, name, 2, shape), .n0 = -1};
    if (!job.tensor) return (limn_table){.d = d};
    take_numbers(ld, row_type_for(ld, job.tensor, d), (size_t)job.tensor->count, &job);
    add_job(ld, &job);
    return (limn_table){.d = d, .numbers = job.to, .q8_scale = job.q8_scale};
}
