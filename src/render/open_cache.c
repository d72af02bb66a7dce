/* The cache: packed weights as they are in memory, in a file, so that opening a model again neither
 * packs nor hashes.
 *
 *     limn cache 1                    text, every field of a fixed width
 *     key HASH                        everything that the bytes below depend on
 *     model HASH                      the model's own, limn_model_info.sha256
 *     bytes NUMBER                    of the weights
 *     NUMBER                          the sum of each block, in hexadecimal
 *     ...
 *     head HASH                       SHA-256 of all lines above
 *     zeros up to a multiple of 4096, then the weights
 *
 * Wrong weights must never draw. The key has the state of every file of the model (which file, its
 * size and times), the version, the width of the machine's panels, and each tensor's place; a cache
 * is used where all of it is as it was. It is not made while a file was written to so short a time
 * ago that another write could leave its times as they are. The sums find what a disk did to the
 * bytes; they are no defence against somebody who may write to the folder.
 *
 * The file is read into memory, not mapped: a mapping would give a signal where somebody shortens
 * it, and pages of 4 KB where the arena has larger ones. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/team.h"
#include "render/opening.h"

#define BLOCK_BYTES ((size_t)4 << 20)
#define DATA_ALIGN  ((size_t)4096)

/* Bytes of the lines: "limn cache 1", key, model, bytes; a sum; the last. */
#define FIRST_BYTES ((size_t)13 + 69 + 71 + 27)
#define SUM_BYTES   ((size_t)17)
#define LAST_BYTES  ((size_t)70)

/* A cache file of one model. */
typedef struct cache {
    limn_opening *o;
    char *path;
    char key[65];
    bool settled;
    size_t blocks, head_bytes, data_at;
    char *head;     /* [data_at] */
    uint64_t *sums; /* [blocks] of the weights in memory */
    limn_source file;
    limn_fault fault;
} cache;

/* ---- sums ------------------------------------------------------------------------------------ */

/* A sum of a block's bytes in 8 lanes of x = (x ^ word) m, each of which is a permutation: one lane
 * with any one change has another end. 64-bit words; the rest counts as one padded with zeros. */
static uint64_t sum_of(const uint8_t *bytes, size_t size) {
    const uint64_t m = 0x9e3779b97f4a7c15u; /* odd: 2^64 / the golden ratio */
    uint64_t lane[8], word[8];
    for (int i = 0; i < 8; i++) lane[i] = m * (uint64_t)(i + 1) + size;
    for (size_t at = 0; at < size; at += sizeof word) {
        const size_t left = size - at < sizeof word ? size - at : sizeof word;
        if (left < sizeof word) memset(word, 0, sizeof word);
        memcpy(word, bytes + at, left);
        for (int i = 0; i < 8; i++) {
            lane[i] = (lane[i] ^ word[i]) * m;
            lane[i] ^= lane[i] >> 29;
        }
    }
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum = (sum ^ lane[i]) * m;
        sum ^= sum >> 32;
    }
    return sum;
}

static size_t block_size(const cache *c, size_t i) {
    const size_t left = c->o->m->weights.size - i * BLOCK_BYTES;
    return left < BLOCK_BYTES ? left : BLOCK_BYTES;
}

static void sum_task(void *ctx, int i) {
    cache *c = ctx;
    const size_t block = (size_t)i;
    c->sums[block] = sum_of(c->o->m->weights.block + block * BLOCK_BYTES, block_size(c, block));
}

/* ---- key ------------------------------------------------------------------------------------- */

static void add_text(limn_sha256 *hash, const char *text) {
    limn_sha256_add(hash, text, strlen(text) + 1);
}

static void add_place(limn_sha256 *hash, const limn_opening *o, const void *place) {
    const uint64_t at = place ? (uint64_t)((const uint8_t *)place - o->m->weights.block) + 1 : 0;
    limn_sha256_add(hash, &at, sizeof at);
}

/* Where every tensor goes, and in which form. */
static void add_places(limn_sha256 *hash, const limn_opening *o) {
    for (int i = 0; i < o->loader.job_count; i++) {
        const limn_pack_job *job = &o->loader.jobs[i];
        const limn_tensor *t = job->tensor;
        const int from = t ? (int)t->dtype : -1, to = (int)job->to.type;
        const int form[] = {job->n0, job->n, job->k, job->taps, from, to};
        add_text(hash, t ? t->name : "");
        limn_sha256_add(hash, form, sizeof form);
        add_place(hash, o, job->to.at);
        add_place(hash, o, job->q8_scale);
        add_place(hash, o, job->scale);
    }
}

static limn_status make_key(cache *c, limn_error *err) {
    const limn_opening *o = c->o;
    char files[65], line[300];
    limn_status status = limn_folder_state(o->folder, files, &c->settled, err);
    if (status != LIMN_OK) return status;
    limn_sha256 hash;
    limn_sha256_start(&hash);
    snprintf(line, sizeof line, "limn %s contract %d rotated %d panel %d jobs %d bytes %zu",
             limn_version(), LIMN_CONTRACT, LIMN_ROTATE_MOST, o->m->kernels->panel,
             o->loader.job_count, o->m->weights.size);
    add_text(&hash, line);
    add_text(&hash, files);
    add_text(&hash, o->taesd.sha256);
    add_places(&hash, o);
    limn_sha256_end(&hash, c->key);
    return LIMN_OK;
}

/* ---- the file's head ------------------------------------------------------------------------- */

/* Writes the lines above the sums; the model's hash is at a fixed place in them. */
static void write_first(const cache *c, const char *model, char out[FIRST_BYTES + 1]) {
    snprintf(out, FIRST_BYTES + 1, "limn cache 1\nkey %s\nmodel %s\nbytes %020zu\n", c->key, model,
             c->o->m->weights.size);
}

/* The head, sums and all. */
static void write_head(const cache *c, const char *model, const uint64_t *sums, char *out) {
    char first[FIRST_BYTES + 1], line[LAST_BYTES + 1], hex[65];
    memset(out, 0, c->data_at);
    write_first(c, model, first);
    memcpy(out, first, FIRST_BYTES);
    char *at = out + FIRST_BYTES;
    for (size_t i = 0; i < c->blocks; i++, at += SUM_BYTES) {
        snprintf(line, sizeof line, "%016" PRIx64 "\n", sums[i]);
        memcpy(at, line, SUM_BYTES);
    }
    limn_sha256_of(out, (size_t)(at - out), hex);
    snprintf(line, sizeof line, "head %s\n", hex);
    memcpy(at, line, LAST_BYTES);
}

/* ---- both ways ------------------------------------------------------------------------------- */

/* "FOLDER/NAME-float32-32.limn-cache": models of one name in one folder take turns. */
static char *path_of(const limn_opening *o) {
    char name[300];
    snprintf(name, sizeof name, "%.150s-%s-%d.limn-cache", o->m->name,
             limn_precision_name(o->m->int8), o->m->kernels->panel);
    return limn_path_join(o->cache, name);
}

static limn_status start(limn_opening *o, cache *c, limn_error *err) {
    *c = (cache){.o = o, .path = path_of(o), .fault = {.err = err}};
    const size_t size = o->m->weights.size;
    c->blocks = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    c->head_bytes = FIRST_BYTES + c->blocks * SUM_BYTES + LAST_BYTES;
    c->data_at = (c->head_bytes + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN;
    c->head = malloc(c->data_at);
    c->sums = calloc(c->blocks, sizeof *c->sums);
    if (!c->path || !c->head || !c->sums)
        return limn_fail(err, LIMN_E_MEMORY, "no memory for the cache of %s", o->m->name);
    return make_key(c, err);
}

static void finish(cache *c) {
    limn_source_close(&c->file);
    free(c->path);
    free(c->head);
    free(c->sums);
}

/* ---- using one ------------------------------------------------------------------------------- */

static void read_task(void *ctx, int i) {
    cache *c = ctx;
    const size_t block = (size_t)i, at = block * BLOCK_BYTES, size = block_size(c, block);
    uint8_t *to = c->o->m->weights.block + at;
    limn_error err;
    if (c->fault.status != LIMN_OK) return;
    limn_status status = limn_source_read(&c->file, c->data_at + at, size, to, &err);
    if (status != LIMN_OK) limn_fault_keep(&c->fault, status, &err);
    c->sums[block] = status == LIMN_OK ? sum_of(to, size) : 0;
}

/* Reads the cache's head and checks that it is for this model, this machine and this version. */
static limn_status check_head(cache *c, char model[65], limn_error *err) {
    char first[FIRST_BYTES + 1], hex[65];
    if (c->file.size != c->data_at + c->o->m->weights.size)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: of another size than this model's: for other weights, another "
                         "processor or another version, or damaged",
                         c->path);
    limn_status status = limn_source_read(&c->file, 0, c->data_at, c->head, err);
    if (status != LIMN_OK) return status;
    const size_t lines = c->head_bytes - LAST_BYTES;
    limn_sha256_of(c->head, lines, hex);
    if (memcmp(c->head + lines + 5, hex, 64) != 0)
        return limn_fail(err, LIMN_E_INPUT, "%s: its head is damaged", c->path);
    memcpy(model, strncmp(c->head + 82, "model ", 6) == 0 ? c->head + 88 : hex, 64);
    model[64] = '\0';
    write_first(c, model, first);
    if (memcmp(c->head, first, FIRST_BYTES) != 0)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: made for other weights, another processor or another version",
                         c->path);
    return LIMN_OK;
}

/* Reads the weights, and compares what they sum up to with the head. */
static limn_status read_weights(cache *c, const char *model, limn_error *err) {
    char *head = malloc(c->data_at);
    if (!head) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for its head", c->path);
    limn_parallel(c->o->threads, (int)c->blocks, read_task, c);
    limn_status status = (limn_status)c->fault.status;
    if (status == LIMN_OK) {
        write_head(c, model, c->sums, head);
        if (memcmp(head, c->head, c->data_at) != 0)
            status = limn_fail(err, LIMN_E_INPUT, "%s: its weights are damaged", c->path);
    }
    free(head);
    return status;
}

bool limn_open_cached(limn_opening *o) {
    cache c;
    limn_error err = {0};
    char model[65];
    if (o->m->loras || o->control) {
        snprintf(o->m->cache, sizeof o->m->cache,
                 "not used: a model with %s is not kept in a cache",
                 o->control ? "a ControlNet" : "LoRA files");
        return false;
    }
    limn_status status = start(o, &c, &err);
    if (status == LIMN_OK) status = limn_source_open(c.path, &c.file, &err);
    if (status == LIMN_OK) status = check_head(&c, model, &err);
    if (status == LIMN_OK) status = read_weights(&c, model, &err);
    if (status == LIMN_OK) status = limn_folder_check(o->folder, &err);
    finish(&c);
    if (status == LIMN_OK)
        strcpy(o->m->cache, "used");
    else if (status != LIMN_E_MISSING)
        snprintf(o->m->cache, sizeof o->m->cache, "%.300s", err.text);
    if (status == LIMN_OK) memcpy(o->m->sha256, model, sizeof model);
    /* Nothing of a bad cache may stay, not even between the places: that is kept too. */
    if (status != LIMN_OK) memset(o->m->weights.block, 0, o->m->weights.size);
    return status == LIMN_OK;
}

/* ---- making one ------------------------------------------------------------------------------ */

static limn_status write_file(cache *c, limn_error *err) {
    limn_writer *w;
    limn_status status = limn_file_make_folder(c->o->cache, err);
    if (status == LIMN_OK) status = limn_writer_open(c->path, true, &w, err);
    if (status != LIMN_OK) return status;
    limn_parallel(c->o->threads, (int)c->blocks, sum_task, c);
    write_head(c, c->o->m->sha256, c->sums, c->head);
    status = limn_writer_add(w, c->head, c->data_at, err);
    if (status == LIMN_OK)
        status = limn_writer_add(w, c->o->m->weights.block, c->o->m->weights.size, err);
    const limn_status ended = limn_writer_close(w, status == LIMN_OK, status ? NULL : err);
    return status == LIMN_OK ? ended : status;
}

void limn_open_keep(limn_opening *o) {
    cache c;
    limn_error err = {0};
    limn_status status = start(o, &c, &err);
    if (status == LIMN_OK && !c.settled)
        status =
            limn_fail(&err, LIMN_E_INPUT,
                      "the model's files were written to in the last seconds, and a cache would "
                      "not be told by their times if they were again");
    if (status == LIMN_OK) status = write_file(&c, &err);
    finish(&c);
    char why[sizeof o->m->cache];
    memcpy(why, o->m->cache, sizeof why);
    if (status != LIMN_OK)
        snprintf(o->m->cache, sizeof o->m->cache, "not used: %.300s", err.text);
    else
        snprintf(o->m->cache, sizeof o->m->cache, "made%s%.300s", why[0] ? " anew: " : "", why);
}
