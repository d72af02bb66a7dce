/* LoRA files: which of the model's matrices they correct, and whether they fit. */
#include "weights/lora.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/sha256.h"
#include "weights/lora_told.h"
#include "weights/tensors.h"

/* How many files at once, and how far a scale may go. */
#define FILES_MOST 64
#define SCALE_MOST 100.0
/* How many unknown names are kept, and the longest name that can be known. */
#define UNKNOWNS_KEPT 5
#define NAME_BYTES    512

/* What a tensor of a LoRA file is to its layer. */
typedef enum role {
    DOWN,
    UP,
    MID,
    HADA_W1_A,
    HADA_W1_B,
    HADA_W2_A,
    HADA_W2_B,
    HADA_T1,
    HADA_T2,
    LOKR_W1,
    LOKR_W1_A,
    LOKR_W1_B,
    LOKR_W2,
    LOKR_W2_A,
    LOKR_W2_B,
    LOKR_T2,
    DIFF,
    DIFF_B, /* the same of the layer's biases */
    ALPHA,
    DORA,
    ROLES
} role;

/* The ends of names, the longer of two that fit first: kohya's, PEFT's, diffusers', LyCORIS's. */
static const struct {
    const char *end;
    role role;
} ends[] = {
    {".lora_down.weight", DOWN},
    {".lora_up.weight", UP},
    {".lora_mid.weight", MID},
    {".alpha", ALPHA},
    {".lora_A.weight", DOWN},
    {".lora_B.weight", UP},
    {".lora_A.default.weight", DOWN},
    {".lora_B.default.weight", UP},
    {".lora.down.weight", DOWN},
    {".lora.up.weight", UP},
    {".lora_linear_layer.down.weight", DOWN},
    {".lora_linear_layer.up.weight", UP},
    {"_lora.down.weight", DOWN},
    {"_lora.up.weight", UP},
    {".hada_w1_a", HADA_W1_A},
    {".hada_w1_b", HADA_W1_B},
    {".hada_w2_a", HADA_W2_A},
    {".hada_w2_b", HADA_W2_B},
    {".hada_t1", HADA_T1},
    {".hada_t2", HADA_T2},
    {".lokr_w1", LOKR_W1},
    {".lokr_w1_a", LOKR_W1_A},
    {".lokr_w1_b", LOKR_W1_B},
    {".lokr_w2", LOKR_W2},
    {".lokr_w2_a", LOKR_W2_A},
    {".lokr_w2_b", LOKR_W2_B},
    {".lokr_t2", LOKR_T2},
    {".diff", DIFF},
    {".diff_b", DIFF_B},
    {".w_norm", DIFF},
    {".b_norm", DIFF_B},
    {".dora_scale", DORA},
    {".lora_magnitude_vector", DORA},
    {".lora_magnitude_vector.weight", DORA},
};

/* One file. */
typedef struct file {
    char *path; /* as it was asked for */
    char *name; /* for recipes */
    limn_source source;
    limn_tensors *tensors;
    limn_config *told; /* what its metadata says of alphas; NULL: nothing */
    char sha256[65], short_hash[13];
    char unknowns[800];
} file;

struct limn_loras {
    file *files;           /* [count] */
    limn_lora_info *infos; /* [count] */
    int count;
    limn_lora_delta *deltas; /* [delta_count], by target, then by file */
    int delta_count;
};

/* A tensor of a file, understood. */
typedef struct found {
    const limn_tensor *target, *tensor;
    role role;
} found;

/* ---- opening --------------------------------------------------------------------------------- */

/* The hash of what follows the header, found beside that of the whole file. */
typedef struct behind {
    const limn_source *source;
    uint64_t from;
    char hex[65];
    limn_status status;
    limn_error err;
} behind;

static void hash_rest(void *ctx) {
    behind *r = ctx;
    r->status = limn_sha256_source(r->source, r->from, r->hex, &r->err);
}

/* A1111's hash of a LoRA is the first 12 digits of the hash of what follows the header. */
static limn_status hash_file(file *f, limn_error *err) {
    uint64_t header = 0;
    limn_status status = limn_source_read(&f->source, 0, sizeof header, &header, err);
    if (status != LIMN_OK) return status;
    behind r = {.source = &f->source, .from = sizeof header + header};
    limn_beside *beside = limn_beside_start(hash_rest, &r);
    if (!beside) hash_rest(&r);
    status = limn_sha256_source(&f->source, 0, f->sha256, err);
    limn_beside_end(beside);
    if (status == LIMN_OK && r.status != LIMN_OK)
        status = limn_fail(err, r.status, "%s", r.err.text);
    if (status == LIMN_OK) memcpy(f->short_hash, r.hex, sizeof f->short_hash - 1);
    return status;
}

static limn_status open_file(const limn_lora *asked, file *f, limn_lora_info *info,
                             limn_error *err) {
    if (!(fabs(asked->scale) <= SCALE_MOST))
        return limn_fail(err, LIMN_E_USAGE, "%s: a LoRA's scale must be between -100 and 100",
                         asked->path);
    const char *slash = strrchr(asked->path, '/');
    f->path = strdup(asked->path);
    f->name = strdup(asked->name ? asked->name : slash ? slash + 1 : asked->path);
    if (!f->path || !f->name)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to open it", asked->path);
    limn_status status = limn_source_open(f->path, &f->source, err);
    if (status == LIMN_OK) status = limn_safetensors_read(&f->source, &f->tensors, err);
    const char *told =
        status == LIMN_OK ? limn_tensors_note(f->tensors, "lora_adapter_metadata") : NULL;
    if (told)
        status = limn_config_read((const uint8_t *)told, strlen(told), f->path, &f->told, err);
    if (status == LIMN_OK) status = hash_file(f, err);
    if (status != LIMN_OK) return status;
    *info = (limn_lora_info){.name = f->name,
                             .sha256 = f->sha256,
                             .short_hash = f->short_hash,
                             .scale = asked->scale,
                             .unknowns = f->unknowns};
    return LIMN_OK;
}

limn_status limn_loras_open(const limn_lora *asked, int count, limn_loras **out, limn_error *err) {
    *out = NULL;
    if (count < 0 || count > FILES_MOST)
        return limn_fail(err, LIMN_E_USAGE, "%d LoRA files; limn takes up to %d", count,
                         FILES_MOST);
    limn_loras *l = calloc(1, sizeof *l);
    if (l) {
        l->files = calloc((size_t)count + 1, sizeof *l->files);
        l->infos = calloc((size_t)count + 1, sizeof *l->infos);
    }
    limn_status status = LIMN_OK;
    if (!l || !l->files || !l->infos)
        status = limn_fail(err, LIMN_E_MEMORY, "no memory to open LoRA files");
    for (int i = 0; i < count && status == LIMN_OK; i++) {
        l->count++;
        status = open_file(&asked[i], &l->files[i], &l->infos[i], err);
    }
    if (status == LIMN_OK)
        *out = l;
    else
        limn_loras_close(l);
    return status;
}

/* Closes the files; says whether one was written to meanwhile. */
limn_status limn_loras_release_files(limn_loras *l, limn_error *err) {
    limn_status status = LIMN_OK;
    for (int i = 0; i < l->count; i++) {
        file *f = &l->files[i];
        if (status == LIMN_OK && f->tensors) status = limn_source_check(&f->source, err);
        limn_tensors_free(f->tensors);
        limn_config_free(f->told);
        f->tensors = NULL;
        f->told = NULL;
        limn_source_close(&f->source);
    }
    free(l->deltas);
    l->deltas = NULL;
    l->delta_count = 0;
    return status;
}

void limn_loras_close(limn_loras *l) {
    if (!l) return;
    if (l->files) limn_loras_release_files(l, NULL);
    for (int i = 0; i < l->count; i++) {
        free(l->files[i].path);
        free(l->files[i].name);
    }
    free(l->files);
    free(l->infos);
    free(l);
}

int limn_loras_count(const limn_loras *l) {
    return l ? l->count : 0;
}

const limn_lora_info *limn_loras_info(const limn_loras *l) {
    return l->infos;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* What a tensor is by the end of its name, and how long the rest is; ROLES where it is nothing. */
static role role_of(const char *name, size_t *rest) {
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i].end);
        *rest = length - end;
        if (length > end && strcmp(name + *rest, ends[i].end) == 0) return ends[i].role;
    }
    return ROLES;
}

/* The model's tensor that name[0, length) means; NULL where there is none. */
static const limn_tensor *target_of(const limn_lora_names *names, const char *name, size_t length) {
    static const char peft[] = "base_model.model.", processor[] = ".processor.";
    char own[NAME_BYTES];
    if (length >= sizeof own) return NULL;
    memcpy(own, name, length);
    own[length] = '\0';
    char *from = strncmp(own, peft, sizeof peft - 1) == 0 ? own + sizeof peft - 1 : own;
    char *cut = strstr(from, processor);
    if (cut) memmove(cut, cut + sizeof processor - 2, strlen(cut + sizeof processor - 2) + 1);
    return limn_lora_names_find(names, from, strlen(from));
}

/* Counts a name that means nothing, and keeps the first ones. */
static void note_unknown(file *f, limn_lora_info *info, const char *name) {
    size_t used = strlen(f->unknowns);
    if (info->unknown++ < UNKNOWNS_KEPT)
        snprintf(f->unknowns + used, sizeof f->unknowns - used, "%s%.140s", used ? ", " : "", name);
}

static int by_target(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    return (x->role > y->role) - (x->role < y->role);
}

/* Finds out what each tensor of a file is; list[tensors of the file]. */
static limn_status read_names(file *f, limn_lora_info *info, const limn_lora_names *names,
                              found *list, size_t *count, limn_error *err) {
    *count = 0;
    for (size_t i = 0; i < limn_tensors_count(f->tensors); i++) {
        const limn_tensor *t = limn_tensors_at(f->tensors, i);
        size_t length;
        role r = role_of(t->name, &length);
        const limn_tensor *target = r < ROLES ? target_of(names, t->name, length) : NULL;
        if (target && r == DIFF_B) {
            target = limn_lora_names_bias(names, target);
            r = DIFF;
        }
        if (!target) {
            note_unknown(f, info, t->name);
            continue;
        }
        list[(*count)++] = (found){target, t, r};
    }
    if (*count == 0)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: nothing in this LoRA belongs to the model; it has %d tensors, e.g. "
                         "%.300s",
                         f->path, info->unknown, info->unknown ? f->unknowns : "none");
    qsort(list, *count, sizeof *list, by_target);
    return LIMN_OK;
}

/* ---- one layer ------------------------------------------------------------------------------- */

/* A layer's parts by their roles, and what sentences need. */
typedef struct layer {
    const file *file;
    const limn_tensor *target, *part[ROLES];
    const char *component; /* the target's; NULL for biases */
    limn_error *err;
} layer;

static limn_status fail_shape(const layer *l, const limn_tensor *a, const limn_tensor *b) {
    char of_a[LIMN_SHAPE_TEXT], of_b[LIMN_SHAPE_TEXT], of_target[LIMN_SHAPE_TEXT];
    limn_shape_describe(a->rank, a->shape, of_a);
    limn_shape_describe(b->rank, b->shape, of_b);
    limn_shape_describe(l->target->rank, l->target->shape, of_target);
    return limn_fail(l->err, LIMN_E_INPUT,
                     "%s: %.160s of shape %s and %.160s of shape %s do not make a correction of "
                     "%.160s of shape %s; this LoRA was made for another model",
                     l->file->path, a->name, of_a, b->name, of_b, l->target->name, of_target);
}

/* Rows of a tensor, and numbers in one of them; false where it has none, or too many. */
static bool sides(const limn_tensor *t, int *rows, int *columns) {
    if (t->rank < 1 || t->count == 0 || t->shape[0] > INT_MAX) return false;
    uint64_t rest = t->count / t->shape[0];
    *rows = (int)t->shape[0];
    *columns = rest <= INT_MAX ? (int)rest : 0;
    return *columns > 0;
}

/* Numbers behind the first two dimensions: a convolution's window. */
static uint64_t taps_of(const limn_tensor *t) {
    uint64_t taps = 1;
    for (int i = 2; i < t->rank; i++) taps *= t->shape[i];
    return taps;
}

/* A product up down, with or without a core. */
static limn_status read_product(const layer *l, role up, role down, const limn_tensor *core,
                                bool turned, limn_lora_matrix *m) {
    *m = (limn_lora_matrix){
        .up = l->part[up], .down = l->part[down], .core = core, .turned = turned};
    if (!m->up || !m->down) {
        const limn_tensor *there = m->up ? m->up : m->down;
        return limn_fail(l->err, LIMN_E_INPUT,
                         "%s: %.300s has no counterpart: of a pair, one is missing", l->file->path,
                         there ? there->name : l->target->name);
    }
    int rows, columns;
    if (!sides(m->up, &rows, &columns) || !sides(m->down, &m->rank, &m->k))
        return fail_shape(l, m->up, m->down);
    m->n = turned ? columns : rows;
    if ((turned ? rows : columns) != m->rank) return fail_shape(l, m->up, m->down);
    if (!core) return LIMN_OK;
    uint64_t taps = taps_of(core), k = (uint64_t)m->k * taps;
    if (core->rank != 4 || core->shape[0] != (uint64_t)m->rank || core->shape[1] != core->shape[0])
        return fail_shape(l, core, m->down);
    if (taps != taps_of(l->target) || k > INT_MAX) return fail_shape(l, core, m->down);
    m->k = (int)k;
    return LIMN_OK;
}

/* A matrix that may be there whole. */
static limn_status read_matrix(const layer *l, role whole, role up, role down,
                               const limn_tensor *core, limn_lora_matrix *m) {
    if (!l->part[whole]) return read_product(l, up, down, core, core != NULL, m);
    *m = (limn_lora_matrix){.whole = l->part[whole]};
    return sides(m->whole, &m->n, &m->k) ? LIMN_OK : fail_shape(l, m->whole, m->whole);
}

/* The first part that is there of [from, to). */
static const limn_tensor *any_of(const layer *l, role from, role to) {
    for (role r = from; r < to; r++)
        if (l->part[r]) return l->part[r];
    return NULL;
}

static limn_status read_form(const layer *l, limn_lora_delta *d) {
    const limn_tensor *plain = any_of(l, DOWN, HADA_W1_A), *hada = any_of(l, HADA_W1_A, LOKR_W1);
    const limn_tensor *lokr = any_of(l, LOKR_W1, DIFF), *diff = l->part[DIFF];
    limn_status status;
    if (!plain + !hada + !lokr + !diff != 3)
        return limn_fail(l->err, LIMN_E_INPUT, "%s: %s, which is for %.200s, %s", l->file->path,
                         any_of(l, DOWN, ROLES)->name, l->target->name,
                         plain || hada || lokr || diff ? "stands beside another kind of correction"
                                                       : "stands alone");
    if (plain) {
        d->form = LIMN_LORA_LOW_RANK;
        return read_product(l, UP, DOWN, l->part[MID], false, &d->a);
    }
    if (hada) {
        d->form = LIMN_LORA_HADAMARD;
        const limn_tensor *t1 = l->part[HADA_T1], *t2 = l->part[HADA_T2];
        status = read_product(l, HADA_W1_A, HADA_W1_B, t1, t1 != NULL, &d->a);
        return status ? status : read_product(l, HADA_W2_A, HADA_W2_B, t2, t2 != NULL, &d->b);
    }
    if (diff) {
        d->form = LIMN_LORA_LOW_RANK;
        return read_matrix(l, DIFF, UP, DOWN, NULL, &d->a);
    }
    d->form = LIMN_LORA_KRONECKER;
    status = read_matrix(l, LOKR_W1, LOKR_W1_A, LOKR_W1_B, NULL, &d->a);
    if (status) return status;
    return read_matrix(l, LOKR_W2, LOKR_W2_A, LOKR_W2_B, l->part[LOKR_T2], &d->b);
}

/* What a correction gives must have the target's shape. */
static limn_status check_fit(const layer *l, const limn_lora_delta *d) {
    int n, k;
    bool fits = sides(l->target, &n, &k);
    if (d->form == LIMN_LORA_KRONECKER)
        fits = fits && (int64_t)d->a.n * d->b.n == n && (int64_t)d->a.k * d->b.k == k;
    else
        fits = fits && d->a.n == n && d->a.k == k;
    if (d->form == LIMN_LORA_HADAMARD) fits = fits && d->b.n == n && d->b.k == k;
    if (fits) return LIMN_OK;
    const limn_tensor *a = d->a.whole ? d->a.whole : d->a.up;
    const limn_tensor *b = d->form == LIMN_LORA_KRONECKER ? d->b.whole ? d->b.whole : d->b.up
                           : d->a.whole                   ? d->a.whole
                                                          : d->a.down;
    return fail_shape(l, a, b);
}

/* scale x alpha / rank. Without an alpha, or without a rank (LoKr of two whole matrices, whole
 * differences), scale. */
static limn_status read_factor(const layer *l, double scale, limn_lora_delta *d) {
    const limn_tensor *t = l->part[ALPHA];
    int rank = d->form == LIMN_LORA_KRONECKER && d->b.rank > 0 ? d->b.rank : d->a.rank;
    float alpha = (float)rank;
    bool rooted = false;
    if (t && t->count != 1)
        return limn_fail(l->err, LIMN_E_INPUT, "%s: %.300s must be one number", l->file->path,
                         t->name);
    limn_status status = t ? limn_tensor_read(t, 0, 1, &alpha, l->err)
                           : limn_lora_told_alpha(l->file->path, l->file->told, l->component,
                                                  l->target->name, &alpha, &rooted, l->err);
    if (status != LIMN_OK) return status;
    if (d->magnitude) { /* the scale is for what comes out in the end */
        d->scale = (float)scale;
        scale = 1;
    }
    double over = rooted ? sqrt((double)rank) : rank;
    double factor = rank > 0 ? scale * (double)alpha / over : scale;
    if (!isfinite(alpha) || !(fabs(factor) <= 1e6))
        return limn_fail(l->err, LIMN_E_INPUT, "%s: %.300s is %g, which cannot be", l->file->path,
                         t ? t->name : l->target->name, (double)alpha);
    d->factor = (float)factor;
    return LIMN_OK;
}

/* DoRA's magnitudes: [n] or [n, 1 ...] for rows, [1, c, 1 ...] for input channels. */
static limn_status read_magnitude(const layer *l, limn_lora_delta *d) {
    const limn_tensor *t = l->part[DORA], *target = l->target;
    if (!t) return LIMN_OK;
    d->magnitude = t;
    bool rows = t->rank >= 1 && t->count == t->shape[0] && t->count == target->shape[0];
    d->by_column = !rows && target->rank >= 2 && t->rank >= 2 && t->shape[1] == t->count &&
                   t->count == target->shape[1];
    return rows || d->by_column ? LIMN_OK : fail_shape(l, t, t);
}

/* The parts of one layer, list[0, count), all of one target, as one correction. */
static limn_status read_layer(const file *f, const limn_lora_names *names, const found *list,
                              size_t count, double scale, limn_lora_delta *d, limn_error *err) {
    layer l = {.file = f, .target = list[0].target, .err = err};
    const limn_lora_component *c = limn_lora_names_component(names, l.target);
    if (c) l.component = c->name;
    for (size_t i = 0; i < count; i++) {
        const limn_tensor **part = &l.part[list[i].role], *t = list[i].tensor;
        if (*part)
            return limn_fail(err, LIMN_E_INPUT, "%s: %.200s and %.200s are the same part of %.200s",
                             f->path, (*part)->name, t->name, l.target->name);
        if (!limn_dtype_is_float(t->dtype) && list[i].role != ALPHA)
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: tensor %.200s has type %s, expected a floating-point type",
                             f->path, t->name, limn_dtype_name(t->dtype));
        *part = t;
    }
    d->target = l.target;
    limn_status status = read_form(&l, d);
    if (status == LIMN_OK) status = check_fit(&l, d);
    if (status == LIMN_OK) status = read_magnitude(&l, d);
    if (status == LIMN_OK) status = read_factor(&l, scale, d);
    return status;
}

/* ---- all layers ------------------------------------------------------------------------------ */

/* How many layers there are in a sorted list. */
static size_t count_layers(const found *list, size_t count) {
    size_t layers = 0;
    for (size_t i = 0; i < count; i++) layers += i == 0 || list[i].target != list[i - 1].target;
    return layers;
}

/* Adds what the i-th file has, list[0, count) sorted. */
static limn_status add_layers(limn_loras *l, int i, const limn_lora_names *names, const found *list,
                              size_t count, limn_error *err) {
    size_t room = (size_t)l->delta_count + count_layers(list, count);
    limn_lora_delta *deltas = room < INT_MAX ? realloc(l->deltas, room * sizeof *deltas) : NULL;
    if (!deltas)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for its layers", l->files[i].path);
    l->deltas = deltas;
    for (size_t at = 0, end; at < count; at = end) {
        for (end = at + 1; end < count && list[end].target == list[at].target;) end++;
        limn_lora_delta *d = &l->deltas[l->delta_count];
        *d = (limn_lora_delta){.order = i};
        limn_status status =
            read_layer(&l->files[i], names, list + at, end - at, l->infos[i].scale, d, err);
        if (status != LIMN_OK) return status;
        l->delta_count++;
        l->infos[i].matrices++;
    }
    return LIMN_OK;
}

static int by_target_and_order(const void *a, const void *b) {
    const limn_lora_delta *x = a, *y = b;
    if (x->target != y->target) return x->target < y->target ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

limn_status limn_loras_bind(limn_loras *l, const limn_lora_component *components, int count,
                            limn_error *err) {
    limn_lora_names *names;
    limn_status status = limn_lora_names_make(components, count, &names, err);
    for (int i = 0; i < l->count && status == LIMN_OK; i++) {
        size_t room = limn_tensors_count(l->files[i].tensors), used = 0;
        found *list = calloc(room + 1, sizeof *list);
        if (!list)
            status =
                limn_fail(err, LIMN_E_MEMORY, "%s: no memory for its layers", l->files[i].path);
        if (list) status = read_names(&l->files[i], &l->infos[i], names, list, &used, err);
        if (status == LIMN_OK) status = add_layers(l, i, names, list, used, err);
        free(list);
    }
    limn_lora_names_free(names);
    if (l->delta_count > 0)
        qsort(l->deltas, (size_t)l->delta_count, sizeof *l->deltas, by_target_and_order);
    return status;
}

const limn_lora_delta *limn_loras_of(const limn_loras *l, const limn_tensor *t, int *count) {
    *count = 0;
    int low = 0, high = l ? l->delta_count : 0, end = high;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (l->deltas[middle].target < t)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + *count < end && l->deltas[low + *count].target == t) ++*count;
    return *count > 0 ? &l->deltas[low] : NULL;
}
