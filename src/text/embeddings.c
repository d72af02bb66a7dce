#include "text/embeddings.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "weights/weights.h"

/* The most vectors of one embedding for one encoder: a chunk of CLIP's has room for no more. */
#define VECTORS_MOST 75

/* A folder under way. */
typedef struct reading {
    const char *folder;
    const limn_embeddings_for *what;
    limn_embeddings *out;
    size_t rows[LIMN_EMBEDDINGS_ENCODERS]; /* of vectors so far */
    limn_error *err;
} reading;

static limn_status out_of_memory(const reading *r) {
    return limn_fail(r->err, LIMN_E_MEMORY, "%s: no memory for its embeddings", r->folder);
}

/* ---- one file -------------------------------------------------------------------------------- */

/* The tensor for an encoder, or NULL. */
static const limn_tensor *tensor_for(const reading *r, const limn_tensors *t, int encoder) {
    static const char *const pairs[][LIMN_EMBEDDINGS_ENCODERS] = {
        {"clip_l", "clip_g"},
        {"text_encoders_0", "text_encoders_1"}, /* cog-sdxl's trainer, and those after it */
    };
    if (r->what->encoders > 1) {
        const limn_tensor *first = limn_tensors_find(t, pairs[0][encoder]);
        return first ? first : limn_tensors_find(t, pairs[1][encoder]);
    }
    const limn_tensor *named = limn_tensors_find(t, "emb_params");
    return named || limn_tensors_count(t) != 1 ? named : limn_tensors_at(t, 0);
}

/* Appends a tensor's vectors to an encoder's. */
static limn_status add_vectors(reading *r, const char *name, const limn_tensor *t, int encoder,
                               limn_trigger *trigger, limn_error *fault) {
    uint64_t d = (uint64_t)r->what->text[encoder]->d;
    uint64_t rows = t && t->rank == 2 ? t->shape[0] : 1;
    if (!t || t->rank < 1 || t->rank > 2 || !limn_dtype_is_float(t->dtype))
        return limn_fail(
            fault, LIMN_E_INPUT, "the embedding %s has no vectors for this model: expected %s",
            name, r->what->encoders > 1 ? "clip_l and clip_g" : "emb_params, or one tensor alone");
    if (t->shape[t->rank - 1] != d || rows < 1 || rows > VECTORS_MOST)
        return limn_fail(fault, LIMN_E_INPUT,
                         "the embedding %s has %llu vectors of width %llu, but the model's text "
                         "encoder takes 1 to %d of width %llu",
                         name, (unsigned long long)rows, (unsigned long long)t->shape[t->rank - 1],
                         VECTORS_MOST, (unsigned long long)d);
    size_t room = (r->rows[encoder] + (size_t)rows) * (size_t)d;
    float *all = realloc(r->out->vectors[encoder], room * sizeof *all);
    if (!all) return limn_fail(fault, LIMN_E_MEMORY, "no memory for the embedding %s", name);
    r->out->vectors[encoder] = all;
    trigger->vector = (int)r->rows[encoder];
    trigger->vectors = (int)rows;
    limn_status status =
        limn_tensor_read(t, 0, rows * d, all + r->rows[encoder] * (size_t)d, fault);
    if (status == LIMN_OK) r->rows[encoder] += (size_t)rows;
    return status;
}

static limn_status read_tensors(reading *r, const limn_source *source, const limn_embedding *e,
                                limn_trigger *triggers, limn_error *fault) {
    limn_tensors *t = NULL;
    limn_status status = limn_safetensors_read(source, &t, fault);
    for (int i = 0; i < r->what->encoders && status == LIMN_OK; i++)
        status = add_vectors(r, e->name, tensor_for(r, t, i), i, &triggers[i], fault);
    limn_tensors_free(t);
    return status;
}

/* Reads a file's vectors and hash; what is wrong with it goes into *fault. */
static limn_status read_file(reading *r, const char *file, limn_embedding *e,
                             limn_trigger *triggers, limn_error *fault) {
    const char *dot = strrchr(file, '.');
    if (strcmp(dot, ".safetensors") != 0)
        return limn_fail(fault, LIMN_E_INPUT,
                         "the embedding %s is a pickle file, which can run any program and is "
                         "never read; save it as safetensors",
                         file);
    char *path = limn_path_join(r->folder, file);
    limn_source source = {0};
    limn_status status = path ? limn_source_open(path, &source, fault) : out_of_memory(r);
    if (status == LIMN_OK) status = limn_sha256_source(&source, 0, e->sha256, fault);
    if (status == LIMN_OK) status = read_tensors(r, &source, e, triggers, fault);
    limn_source_close(&source);
    free(path);
    return status;
}

/* What the word is to each tokenizer. */
static limn_status read_word(reading *r, const limn_embedding *e, limn_trigger *triggers) {
    for (int i = 0; i < r->what->encoders; i++) {
        limn_token_list list = {0};
        limn_status status =
            limn_tokenizer_list(r->what->tokenizer[i], e->name, strlen(e->name), &list, r->err);
        triggers[i].ids = list.ids; /* the trigger's from now on */
        triggers[i].count = (int)list.count;
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

/* Whether a file may be an embedding, by its ending. */
static bool is_embedding(const char *file) {
    static const char *const endings[] = {".safetensors", ".pt", ".bin"};
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; i < sizeof endings / sizeof *endings && dot && dot > file; i++)
        if (strcmp(dot, endings[i]) == 0) return true;
    return false;
}

static limn_status add_file(reading *r, const char *file) {
    limn_embedding *e = &r->out->list[r->out->count];
    limn_trigger triggers[LIMN_EMBEDDINGS_ENCODERS] = {{0}};
    limn_error fault;
    e->name = strdup(file);
    if (!e->name) return out_of_memory(r);
    *strrchr(e->name, '.') = 0;
    int which = r->out->count++;
    limn_status status = read_file(r, file, e, triggers, &fault);
    if (status == LIMN_E_MEMORY) return out_of_memory(r);
    if (status != LIMN_OK) {
        e->fault = strdup(fault.text);
        if (!e->fault) return out_of_memory(r);
    }
    status = read_word(r, e, triggers);
    for (int i = 0; i < r->what->encoders; i++) {
        triggers[i].which = which;
        triggers[i].fault = e->fault;
        r->out->triggers[i][which] = triggers[i];
    }
    return status;
}

/* ---- the folder ------------------------------------------------------------------------------ */

/* The longest word first; of equal ones, one that can be used. */
static int by_length(const void *a, const void *b) {
    const limn_trigger *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    if (!x->fault != !y->fault) return x->fault ? 1 : -1;
    return (x->which > y->which) - (x->which < y->which);
}

static limn_status read_folder(reading *r) {
    char **files = NULL;
    size_t count = 0;
    limn_status status = limn_file_list(r->folder, &files, &count, r->err);
    if (status != LIMN_OK) return status;
    r->out->list = calloc(count + 1, sizeof *r->out->list);
    if (!r->out->list) status = out_of_memory(r);
    for (int i = 0; i < r->what->encoders && status == LIMN_OK; i++) {
        r->out->triggers[i] = calloc(count + 1, sizeof *r->out->triggers[i]);
        if (!r->out->triggers[i]) status = out_of_memory(r);
    }
    for (size_t i = 0; i < count && status == LIMN_OK; i++)
        if (is_embedding(files[i])) status = add_file(r, files[i]);
    for (size_t i = 0; i < count; i++) free(files[i]);
    free(files);
    for (int i = 0; i < r->what->encoders && status == LIMN_OK; i++)
        qsort(r->out->triggers[i], (size_t)r->out->count, sizeof *r->out->triggers[i], by_length);
    return status;
}

limn_status limn_embeddings_open(const char *folder, const limn_embeddings_for *what,
                                 limn_embeddings **out, limn_error *err) {
    reading r = {.folder = folder, .what = what, .err = err};
    *out = NULL;
    r.out = calloc(1, sizeof *r.out);
    if (!r.out) return out_of_memory(&r);
    limn_status status = read_folder(&r);
    if (status != LIMN_OK)
        limn_embeddings_close(r.out);
    else
        *out = r.out;
    return status;
}

void limn_embeddings_close(limn_embeddings *e) {
    if (!e) return;
    for (int k = 0; k < LIMN_EMBEDDINGS_ENCODERS; k++) {
        for (int i = 0; i < e->count && e->triggers[k]; i++) free((void *)e->triggers[k][i].ids);
        free(e->triggers[k]);
        free(e->vectors[k]);
    }
    for (int i = 0; i < e->count; i++) {
        free(e->list[i].name);
        free(e->list[i].fault);
    }
    free(e->list);
    free(e);
}
