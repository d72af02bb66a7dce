/* A prompt file's lines, each plain text, options or JSON, as requests. */
#include "base/sha256.h"
#include "prompt/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest prompt file, and the most lines of it that ask for something. */
#define MOST_BYTES ((size_t)256 << 20)
#define MOST_LINES ((size_t)1000000)

/* A file on its way. */
typedef struct reading {
    const char *name;
    limn_request base; /* its strings are the pool's */
    bool base_has_seed;
    limn_prompt_file *out;
    size_t room; /* of out->lines */
} reading;

static limn_status out_of_memory(const reading *r, limn_error *err) {
    return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a prompt file with so many lines",
                     r->name);
}

/* ---- one line -------------------------------------------------------------------------------- */

/* Gives a line its error, with its place before it. */
static limn_status reject(reading *r, limn_prompt_line *line, size_t column,
                          const limn_error *fault, limn_error *err) {
    limn_error *e = limn_prompt_take(&r->out->pool, sizeof *e);
    if (!e) return out_of_memory(r, err);
    *e = *fault;
    limn_fail_at(e, LIMN_E_INPUT, "%s:%d:%zu", r->name, line->line, column);
    line->error = e;
    r->out->failed++;
    return LIMN_OK;
}

size_t limn_prompt_column(const limn_prompt_state *s, size_t at) {
    size_t column = s->indent + 1;
    for (size_t i = 0; i < at; i++) column += ((unsigned char)s->line->source[i] & 0xC0) != 0x80;
    return column;
}

/* Adds an empty line to the file. */
static limn_status add_line(reading *r, int number, limn_prompt_line **out, limn_error *err) {
    limn_prompt_file *f = r->out;
    if (f->count == MOST_LINES) {
        return limn_fail(err, LIMN_E_INPUT, "%s:%d: more than %zu prompts in one file", r->name,
                         number, MOST_LINES);
    }
    if (f->count == r->room) {
        size_t room = r->room ? 2 * r->room : 16;
        limn_prompt_line *lines = realloc(f->lines, room * sizeof *lines);
        if (!lines) return out_of_memory(r, err);
        f->lines = lines;
        r->room = room;
    }
    *out = &f->lines[f->count++];
    **out = (limn_prompt_line){.line = number, .request = r->base, .source = ""};
    return LIMN_OK;
}

/* Keeps the line's text as valid UTF-8. */
static limn_status keep_source(reading *r, limn_prompt_line *line, const char *text, size_t size,
                               limn_error *err) {
    char *repaired = NULL;
    limn_status status = limn_utf8_repair(text, size, &repaired, &line->repaired, err);
    if (status != LIMN_OK) return status;
    const char *source = limn_prompt_keep(&r->out->pool, repaired, strlen(repaired));
    free(repaired);
    if (!source) return out_of_memory(r, err);
    line->source = source;
    return LIMN_OK;
}

/* Reads a line that asks for something, without the spaces round it. `indent`: how many there were
 * before it. */
static limn_status read_request(reading *r, int number, const char *text, size_t size,
                                size_t indent, limn_error *err) {
    limn_prompt_line *line = NULL;
    limn_error fault = {0};
    limn_status status = add_line(r, number, &line, err);
    if (status != LIMN_OK) return status;
    const char *nul = memchr(text, 0, size);
    status = keep_source(r, line, text, nul ? (size_t)(nul - text) : size, err);
    if (status != LIMN_OK) return status;
    const char *source = line->source;
    size_t at = strlen(source);
    limn_prompt_state s = {.line = line, .pool = &r->out->pool, .indent = indent};
    if (nul) {
        limn_fail(&fault, LIMN_E_INPUT, "a NUL byte: this is no line of text");
        return reject(r, line, limn_prompt_column(&s, at), &fault, err);
    }
    if (source[0] == '{') {
        status = limn_prompt_read_json(&s, &at, &fault);
    } else if (strncmp(source, "--", 2) == 0) {
        status = limn_prompt_read_options(&s, &at, &fault);
    } else {
        line->request.prompt = source;
    }
    if (status == LIMN_E_MEMORY) return out_of_memory(r, err);
    if (status == LIMN_OK) return LIMN_OK;
    return reject(r, line, limn_prompt_column(&s, at), &fault, err);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static limn_status read_lines(reading *r, const char *text, size_t size, limn_error *err) {
    const char *at = text, *end = text + size;
    for (int number = 1; at < end; number++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *first = at, *last = feed ? feed : end;
        while (first < last && is_space(*first)) first++;
        while (first < last && is_space(last[-1])) last--;
        if (first < last && *first != '#') {
            limn_status status =
                read_request(r, number, first, (size_t)(last - first), (size_t)(first - at), err);
            if (status != LIMN_OK) return status;
        }
        at = feed ? feed + 1 : end;
    }
    return LIMN_OK;
}

/* ---- seeds ----------------------------------------------------------------------------------- */

/* A line by its text. */
typedef struct hashed {
    char hash[65];
    size_t index;
} hashed;

static int by_text_then_place(const void *a, const void *b) {
    const hashed *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, sizeof x->hash);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

uint64_t limn_prompt_seed(const char *source, size_t place) {
    limn_sha256 h;
    char hex[65], number[32];
    int n = snprintf(number, sizeof number, "%zu", place);
    limn_sha256_start(&h);
    limn_sha256_add(&h, source, strlen(source) + 1); /* its NUL parts it from the place */
    limn_sha256_add(&h, number, (size_t)n);
    limn_sha256_end(&h, hex);
    hex[8] = 0;
    return strtoull(hex, NULL, 16);
}

/* Gives every line without a seed one: the base's, or one from its text and place. */
static limn_status give_seeds(reading *r, limn_error *err) {
    limn_prompt_file *f = r->out;
    if (r->base_has_seed || f->count == 0) return LIMN_OK; /* each line began with the base's */
    hashed *lines = malloc(f->count * sizeof *lines);
    if (!lines) return out_of_memory(r, err);
    for (size_t i = 0; i < f->count; i++) {
        limn_sha256_of(f->lines[i].source, strlen(f->lines[i].source), lines[i].hash);
        lines[i].index = i;
    }
    qsort(lines, f->count, sizeof *lines, by_text_then_place);
    size_t place = 0;
    for (size_t i = 0; i < f->count; i++) {
        bool same = i > 0 && memcmp(lines[i].hash, lines[i - 1].hash, sizeof lines[i].hash) == 0;
        place = same ? place + 1 : 0;
        limn_prompt_line *line = &f->lines[lines[i].index];
        if (!line->has_seed) line->request.seed = limn_prompt_seed(line->source, place);
    }
    free(lines);
    return LIMN_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Copies a string of the base request into the pool. */
static bool keep(limn_prompt_file *f, const char **text) {
    const char *from = *text ? *text : "";
    *text = limn_prompt_keep(&f->pool, from, strlen(from));
    return *text != NULL;
}

static limn_status read_file(reading *r, const char *text, size_t size, limn_error *err) {
    limn_request *b = &r->base;
    if (size > MOST_BYTES) {
        return limn_fail(err, LIMN_E_INPUT, "%s: has %zu bytes, a prompt file has at most %zu",
                         r->name, size, MOST_BYTES);
    }
    if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)) {
        return limn_fail(err, LIMN_E_INPUT, "%s: expected UTF-8, found UTF-16; save it as UTF-8",
                         r->name);
    }
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (!keep(r->out, &b->prompt) || !keep(r->out, &b->negative) || !keep(r->out, &b->sampler) ||
        !keep(r->out, &b->schedule) || !keep(r->out, &b->rng))
        return out_of_memory(r, err);
    const char *syntax = limn_prompt_syntax_find(b->prompt_syntax);
    if (syntax)
        b->prompt_syntax = syntax;
    else if (!keep(r->out, &b->prompt_syntax)) /* who renders says that there is none such */
        return out_of_memory(r, err);
    int count;
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count; i++) {
        const char *kept = limn_text_setting_get(b, &texts[i]);
        if (!kept) continue;
        if (!keep(r->out, &kept)) return out_of_memory(r, err);
        limn_text_setting_put(b, &texts[i], kept, NULL);
    }
    limn_status status = size > 0 ? read_lines(r, text, size, err) : LIMN_OK;
    return status == LIMN_OK ? give_seeds(r, err) : status;
}

limn_status limn_prompt_file_read(const char *name, const char *text, size_t size,
                                  const limn_request *base, bool base_has_seed,
                                  limn_prompt_file *out, limn_error *err) {
    *out = (limn_prompt_file){0};
    reading r = {.name = name, .base = *base, .base_has_seed = base_has_seed, .out = out};
    limn_status status = read_file(&r, text, size, err);
    if (status != LIMN_OK) limn_prompt_file_free(out);
    return status;
}

void limn_prompt_file_free(limn_prompt_file *f) {
    free(f->lines);
    limn_prompt_pool_free(f->pool);
    *f = (limn_prompt_file){0};
}
