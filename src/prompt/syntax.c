/* A prompt's parts, and the texts of each over the steps. */
#include "prompt/syntax.h"

#include "prompt/parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A prompt under way. */
typedef struct reading {
    limn_syntax *out;
    size_t bytes; /* of all texts so far */
    limn_error *err;
} reading;

static limn_status out_of_memory(const reading *r) {
    return limn_fail(r->err, LIMN_E_MEMORY, "no memory for a prompt's texts");
}

/* Finds the step's text among those of the part, or adds it. text has room for a NUL. */
static limn_status keep_text(reading *r, limn_syntax_part *p, char *text, size_t size, int step) {
    int i = 0;
    text[size] = 0;
    while (i < p->count && strcmp(p->texts[i], text) != 0) i++;
    p->text_of_step[step - 1] = i;
    if (i < p->count) return LIMN_OK;
    r->bytes += size + 1;
    if (step > 1 && r->bytes > LIMN_SYNTAX_BYTES_MOST)
        return limn_fail(r->err, LIMN_E_USAGE,
                         "editing makes more than %zu bytes of texts of the prompt",
                         LIMN_SYNTAX_BYTES_MOST);
    p->texts[i] = strdup(text);
    if (!p->texts[i]) return out_of_memory(r);
    p->count++;
    return LIMN_OK;
}

static limn_status read_steps(reading *r, const limn_editing *e, limn_syntax_part *p) {
    int steps = r->out->steps;
    char *text = malloc(e->size + 1);
    limn_status status = text ? LIMN_OK : out_of_memory(r);
    for (int step = 1; step <= steps && status == LIMN_OK; step++) {
        if (limn_editing_turns(e, step, steps))
            status = keep_text(r, p, text, limn_editing_at(e, step, steps, text), step);
        else
            p->text_of_step[step - 1] = p->text_of_step[step - 2];
    }
    free(text);
    return status;
}

static limn_status add_part(reading *r, const char *text, size_t size, double weight) {
    if (r->out->parts == LIMN_SYNTAX_PARTS_MOST)
        return limn_fail(r->err, LIMN_E_USAGE, "AND joins more than %d prompts",
                         LIMN_SYNTAX_PARTS_MOST);
    limn_syntax_part *p = &r->out->part[r->out->parts++];
    p->weight = weight;
    p->texts = calloc((size_t)r->out->steps, sizeof *p->texts);
    p->text_of_step = calloc((size_t)r->out->steps, sizeof *p->text_of_step);
    if (!p->texts || !p->text_of_step) return out_of_memory(r);
    limn_editing e;
    limn_status status = limn_editing_read(text, size, &e, r->err);
    if (status != LIMN_OK) return status;
    if (e.count > 0 && size > LIMN_SYNTAX_EDITED_MOST)
        status = limn_fail(r->err, LIMN_E_USAGE,
                           "a prompt with editing has %zu bytes, at most %zu are read", size,
                           LIMN_SYNTAX_EDITED_MOST);
    if (status == LIMN_OK) status = read_steps(r, &e, p);
    limn_editing_free(&e);
    return status;
}

/* Adds a part that ANDs are round: a weight may stand at its end, " :0.5". */
static limn_status add_weighted(reading *r, const char *text, size_t size) {
    double weight = 1, number = 0;
    while (size > 0 && limn_prompt_is_space(text[size - 1])) size--;
    size_t at = size;
    while (at > 0 && text[at - 1] != ':') at--;
    size_t colon = at;
    while (at < size && limn_prompt_is_space(text[at])) at++;
    if (colon > 0 && at < size &&
        limn_prompt_decimal(text + at, size - at, false, &number, NULL) == size - at) {
        weight = number;
        size = colon - 1;
        while (size > 0 && limn_prompt_is_space(text[size - 1])) size--;
    }
    if (!(weight >= -LIMN_SYNTAX_WEIGHT_MOST && weight <= LIMN_SYNTAX_WEIGHT_MOST))
        return limn_fail(r->err, LIMN_E_USAGE,
                         "a part of the prompt weighs %g, expected at most %g", weight,
                         LIMN_SYNTAX_WEIGHT_MOST);
    return add_part(r, text, size, weight);
}

static limn_status read_parts(reading *r, const char *text, size_t size, bool compose) {
    size_t begin = 0;
    bool parted = false;
    for (size_t at = 0; compose && at < size; at++) {
        if (text[at] != 'A' || !limn_prompt_word_at(text, size, at, "AND")) continue;
        parted = true;
        limn_status status = add_weighted(r, text + begin, at - begin);
        if (status != LIMN_OK) return status;
        begin = at + strlen("AND");
    }
    if (parted) return add_weighted(r, text + begin, size - begin);
    return add_part(r, text, size, 1);
}

limn_status limn_syntax_read(const char *text, size_t size, int steps, bool compose,
                             limn_syntax *out, limn_error *err) {
    *out = (limn_syntax){.steps = steps};
    reading r = {.out = out, .err = err};
    limn_status status = read_parts(&r, text, size, compose);
    if (status != LIMN_OK) limn_syntax_free(out);
    return status;
}

void limn_syntax_free(limn_syntax *s) {
    for (int i = 0; i < s->parts; i++) {
        limn_syntax_part *p = &s->part[i];
        for (int k = 0; k < p->count; k++) free(p->texts[k]);
        free(p->texts);
        free(p->text_of_step);
    }
    *s = (limn_syntax){0};
}

const char *limn_prompt_syntax_find(const char *name) {
    static const char *const names[] = {"a1111", "plain"};
    if (!name) return names[0];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return names[i];
    return NULL;
}
