/* Tensors without files, for measuring: their shapes are real, their numbers are not. */
#include "layers/invent.h"

#include <math.h>
#include <string.h>

#include "layers/pack.h"
#include "weights/rotate.h"

/* float16's exponent of 1, and where its fields begin. */
#define HALF_ONE      15
#define HALF_MANTISSA 10

/* Powers of two by which a bias and a table's entries are below 1. */
#define BIAS_BELOW  6
#define TABLE_BELOW 5

const limn_tensor *limn_invent_tensor(limn_loader *ld, const char *name, int rank,
                                      const uint64_t *shape) {
    limn_invention *v = ld->invention;
    if (ld->status != LIMN_OK) return NULL;
    limn_tensor *t = &v->last;
    if (v->tensors && v->count < v->room) t = &v->tensors[v->count];
    v->count++;
    const char *last = strrchr(name, '.');
    *t = (limn_tensor){.name = last && strcmp(last, ".bias") == 0 ? "bias" : "weight",
                       .dtype = LIMN_F16,
                       .rank = rank,
                       .count = 1};
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->count *= shape[i];
    }
    t->bytes = (size_t)t->count * limn_dtype_bytes(t->dtype);
    v->parameters += t->count;
    return t;
}

/* The next 32 random bits: a linear congruence modulo 2^64, its upper half. Knuth, TAOCP 2, 3.3.4;
 * the multiplier is MMIX's. */
static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* float16 bits of a number of either sign in [1, 2) / 2^below, so never subnormal. */
static uint16_t half_of(uint32_t bits, int below) {
    uint32_t sign = bits & 0x8000, mantissa = bits >> 16 & 0x3ff;
    return (uint16_t)(sign | (uint32_t)(HALF_ONE - below) << HALF_MANTISSA | mantissa);
}

/* The power of two nearest to sqrt(k) from above: numbers in [1, 2) / 2^below then have a mean
 * square of about 1 / k. */
static int below_for(int k) {
    int below = 0;
    while (below < HALF_ONE - 2 && (int64_t)1 << 2 * below < k) below++;
    return below;
}

/* Columns [n0, n0 + rows) of the panels. */
static void fill_matrix(const limn_kernels *k, const limn_pack_job *job, uint64_t *state) {
    size_t panel = (size_t)k->panel, depth = (size_t)job->k;
    size_t end = (size_t)job->n0 + (size_t)job->tensor->shape[0], columns;
    int below = below_for(job->k);
    uint16_t bits[LIMN_PANEL_MOST];
    for (size_t n = (size_t)job->n0; n < end; n += columns) {
        size_t first = n % panel;
        columns = end - n < panel - first ? end - n : panel - first;
        for (size_t l = 0; l < depth; l++) {
            size_t at = n / panel * panel * depth + l * panel + first;
            for (size_t j = 0; j < columns; j++) bits[j] = half_of(next(state), below);
            if (job->to.type == LIMN_F32)
                k->from_f16(bits, columns, job->to.f32 + at);
            else
                memcpy(job->to.bits + at, bits, columns * sizeof *bits);
        }
    }
}

/* The same for int8: columns of random bytes, whose mean square is about 127^2 / 3. */
static void fill_int8(const limn_kernels *k, const limn_pack_job *job, uint64_t *state) {
    size_t taps = (size_t)job->taps, c = (size_t)job->k / taps;
    size_t fours = (size_t)limn_fours_of((int)c), first = (size_t)job->n0;
    for (size_t n = first; n < first + (size_t)job->tensor->shape[0]; n++) {
        int8_t *column = limn_int8_column(k, job, n);
        job->start[n] = 0;
        for (size_t at = 0; at < taps * fours; at++) {
            int8_t q = at % fours < c ? (int8_t)((int)(next(state) % 255) - 127) : 0;
            column[limn_int8_line(k, at)] = q;
            job->start[n] -= 128 * q;
        }
        job->scale[n] = 1.0f / (73.0f * sqrtf((float)job->k * (float)limn_rotate_block(c)));
    }
}

/* A norm's weights are positive; else biases, and tables of embeddings. */
static void fill_plain(const limn_kernels *k, const limn_pack_job *job, uint64_t *state) {
    bool norm = job->tensor->rank == 1 && strcmp(job->tensor->name, "weight") == 0;
    int below = norm ? 0 : job->tensor->rank == 1 ? BIAS_BELOW : TABLE_BELOW;
    for (uint64_t i = 0; i < job->tensor->count; i++) {
        uint16_t bits = half_of(next(state), below);
        if (norm) bits &= 0x7fff;
        if (job->to.type == LIMN_F32)
            k->from_f16(&bits, 1, job->to.f32 + i);
        else
            job->to.bits[i] = bits;
    }
}

void limn_invent_fill(const limn_kernels *k, const limn_pack_job *job, uint64_t seed) {
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    if (job->n0 < 0)
        fill_plain(k, job, &state);
    else if (job->to.type == LIMN_I8)
        fill_int8(k, job, &state);
    else
        fill_matrix(k, job, &state);
}
