#include "render/speech.h"

#include <stdlib.h>
#include <string.h>

/* A text as the encoders read it: the second may have one of its own. */
typedef struct wording {
    const char *of[LIMN_ENCODERS_MOST];
} wording;

/* What a row says over the steps. */
typedef struct row_texts {
    int count;         /* different wordings */
    wording *texts;    /* [count]; has room for [steps] */
    int *text_of_step; /* [steps] */
    int first;         /* the place of the first in limn_speech.said */
} row_texts;

/* The prompts of a request, being read. */
typedef struct reading {
    const limn_model *m;
    const limn_request *request;
    limn_speech *out;
    bool plain; /* the syntax that was asked for */
    /* For each encoder the negative prompt and the prompt; the second's are empty where it reads
     * what the first does. */
    limn_syntax prompts[LIMN_ENCODERS_MOST][2];
    row_texts rows[LIMN_SYNTAX_PARTS_MOST + 1];
    limn_error *err;
} reading;

static limn_status out_of_memory(const reading *r) {
    return limn_fail(r->err, LIMN_E_MEMORY, "no memory for the prompts");
}

/* What an encoder is given as prompt, or as negative prompt; NULL where the second is given what
 * the first is. */
static const char *prompt_of(const limn_request *r, int encoder, bool negative) {
    const char *text = encoder == 0 ? negative ? r->negative : r->prompt
                       : negative   ? r->negative_2
                                    : r->prompt_2;
    return encoder == 0 || (text && *text) ? text : NULL;
}

/* The part that a row says to an encoder; rows beyond the parts say the last. */
static const limn_syntax_part *part_of(const reading *r, int encoder, int row) {
    bool negative = r->out->rows > 1 && row == 0;
    const limn_syntax *s = &r->prompts[encoder][negative ? 0 : 1];
    if (s->parts == 0) s = &r->prompts[0][negative ? 0 : 1];
    int i = r->out->rows == 1 || negative ? 0 : row - 1;
    return &s->part[i < s->parts ? i : s->parts - 1];
}

/* ---- texts and states ------------------------------------------------------------------------ */

/* Without syntax a prompt is its own only text. AND joins parts of the prompt alone. */
static limn_status read_prompt(reading *r, int encoder, bool negative) {
    const char *text = prompt_of(r->request, encoder, negative);
    limn_syntax *s = &r->prompts[encoder][negative ? 0 : 1];
    if (!text) return LIMN_OK;
    if (!r->plain)
        return limn_syntax_read(text, strlen(text), r->request->steps, !negative && encoder == 0, s,
                                r->err);
    *s = (limn_syntax){.parts = 1, .part[0] = {.weight = 1, .count = 1}};
    s->part[0].texts = calloc(1, sizeof *s->part[0].texts);
    s->part[0].text_of_step = calloc((size_t)r->request->steps, sizeof *s->part[0].text_of_step);
    if (s->part[0].texts) s->part[0].texts[0] = strdup(text);
    bool good = s->part[0].texts && s->part[0].texts[0] && s->part[0].text_of_step;
    return good ? LIMN_OK : out_of_memory(r);
}

static bool same_wording(const wording *a, const wording *b, int encoders) {
    for (int e = 0; e < encoders; e++)
        if (a->of[e] != b->of[e]) return false;
    return true;
}

/* Puts together what the encoders read in each step of a row. */
static limn_status read_row(reading *r, int which) {
    row_texts *row = &r->rows[which];
    size_t steps = (size_t)r->request->steps;
    row->texts = malloc(steps * sizeof *row->texts);
    row->text_of_step = malloc(steps * sizeof *row->text_of_step);
    if (!row->texts || !row->text_of_step) return out_of_memory(r);
    for (size_t step = 0; step < steps; step++) {
        wording now = {{NULL}};
        int k = 0;
        for (int e = 0; e < r->out->encoders; e++) {
            const limn_syntax_part *part = part_of(r, e, which);
            now.of[e] = part->texts[part->text_of_step[step]];
        }
        while (k < row->count && !same_wording(&row->texts[k], &now, r->out->encoders)) k++;
        if (k == row->count) row->texts[row->count++] = now;
        row->text_of_step[step] = k;
    }
    return LIMN_OK;
}

static limn_status read_prompts(reading *r) {
    limn_speech *s = r->out;
    limn_status status = LIMN_OK;
    for (int e = 0; e < s->encoders && status == LIMN_OK; e++) status = read_prompt(r, e, false);
    if (status != LIMN_OK) return status;
    int parts = r->prompts[0][1].parts;
    s->composed = parts > 1;
    s->rows = s->composed ? parts + 1 : limn_denoise_batch(&r->m->unet, r->request->guidance);
    for (int e = 0; e < s->encoders && s->rows > 1 && status == LIMN_OK; e++)
        status = read_prompt(r, e, true);
    for (int i = 0; i < parts; i++) s->weights[i] = (float)r->prompts[0][1].part[i].weight;
    for (int i = 0; i < s->rows && status == LIMN_OK; i++) {
        status = read_row(r, i);
        r->rows[i].first = s->texts;
        s->texts += r->rows[i].count;
    }
    return status;
}

/* Finds which states there are: the different combinations of what rows say in a step. */
static limn_status find_states(reading *r) {
    limn_speech *s = r->out;
    size_t rows = (size_t)s->rows;
    s->state_of_step = malloc((size_t)r->request->steps * sizeof *s->state_of_step);
    s->text_of = malloc((LIMN_SPEECH_MOST + rows) * sizeof *s->text_of);
    if (!s->state_of_step || !s->text_of) return out_of_memory(r);
    for (int step = 0; step < r->request->steps; step++) {
        int *now = s->text_of + (size_t)s->states * rows, state = 0;
        for (int row = 0; row < s->rows; row++)
            now[row] = r->rows[row].first + r->rows[row].text_of_step[step];
        while (memcmp(s->text_of + (size_t)state * rows, now, rows * sizeof *now) != 0) state++;
        s->state_of_step[step] = state;
        if (state < s->states) continue;
        if (++s->states * s->rows > LIMN_SPEECH_MOST)
            return limn_fail(r->err, LIMN_E_USAGE,
                             "editing gives the prompts more than %d different texts",
                             LIMN_SPEECH_MOST);
    }
    return LIMN_OK;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static limn_status chunk_plain(reading *r, int encoder, const char *text, limn_chunks *out) {
    size_t positions = (size_t)r->out->positions;
    *out = (limn_chunks){.count = 1};
    out->ids = malloc(positions * sizeof *out->ids);
    out->weights = malloc(positions * sizeof *out->weights);
    if (!out->ids || !out->weights) return out_of_memory(r);
    limn_prompt_check check;
    for (size_t i = 0; i < positions; i++) out->weights[i] = 1;
    limn_status status =
        limn_tokenizer_encode(r->m->tokenizer[encoder], text, out->ids, &check, r->err);
    out->tokens = status == LIMN_OK ? check.tokens : 0;
    return status;
}

static limn_status chunk_text(reading *r, int encoder, const char *text, limn_chunks *out) {
    limn_phrases phrases;
    if (r->plain) return chunk_plain(r, encoder, text, out);
    limn_status status = limn_phrases_read(text, strlen(text), &phrases, r->err);
    if (status != LIMN_OK) return status;
    const limn_embeddings *words = r->m->embeddings;
    status = limn_chunks_make(r->m->tokenizer[encoder], &phrases, r->out->positions,
                              words ? words->triggers[encoder] : NULL, words ? words->count : 0,
                              out, r->err);
    for (int i = 0; words && i < words->count && status == LIMN_OK; i++)
        r->out->used[i] |= out->used[i];
    limn_phrases_free(&phrases);
    return status;
}

/* Cuts every text into chunks, for every encoder. */
static limn_status chunk_texts(reading *r) {
    limn_speech *s = r->out;
    limn_status status = LIMN_OK;
    for (int e = 0; e < s->encoders && status == LIMN_OK; e++) {
        s->said[e] = calloc((size_t)s->texts, sizeof *s->said[e]);
        if (!s->said[e]) return out_of_memory(r);
        status = chunk_plain(r, e, "", &s->empty[e]);
        for (int i = 0; i < s->rows; i++) {
            const row_texts *row = &r->rows[i];
            for (int k = 0; k < row->count && status == LIMN_OK; k++) {
                limn_chunks *c = &s->said[e][row->first + k];
                status = chunk_text(r, e, row->texts[k].of[e], c);
                if (c->count > s->chunks) s->chunks = c->count;
            }
        }
    }
    if (status == LIMN_OK && s->states * s->rows * s->chunks > LIMN_SPEECH_MOST)
        status = limn_fail(r->err, LIMN_E_USAGE,
                           "the prompts have %d different texts of %d chunks: together more than "
                           "%d",
                           s->states * s->rows, s->chunks, LIMN_SPEECH_MOST);
    return status;
}

/* Where ids and weights of a place stand. */
static size_t place_of(const limn_speech *s, int encoder, limn_speech_piece p,
                       const limn_chunks **from) {
    const limn_chunks *said = &s->said[encoder][p.text];
    *from = p.chunk < said->count ? said : &s->empty[encoder];
    return p.chunk < said->count ? (size_t)p.chunk * (size_t)s->positions : 0;
}

static bool same_piece(const limn_speech *s, limn_speech_piece a, limn_speech_piece b) {
    const limn_chunks *x, *y;
    size_t n = (size_t)s->positions;
    for (int e = 0; e < s->encoders; e++) {
        size_t i = place_of(s, e, a, &x), k = place_of(s, e, b, &y);
        if (memcmp(x->ids + i, y->ids + k, n * sizeof *x->ids) != 0 ||
            memcmp(x->weights + i, y->weights + k, n * sizeof *x->weights) != 0)
            return false;
    }
    return true;
}

static limn_status find_pieces(reading *r) {
    limn_speech *s = r->out;
    size_t places = (size_t)s->texts * (size_t)s->chunks;
    s->piece_of = malloc(places * sizeof *s->piece_of);
    s->piece = malloc(places * sizeof *s->piece);
    s->conditions = calloc((size_t)s->states, sizeof *s->conditions);
    if (!s->piece_of || !s->piece || !s->conditions) return out_of_memory(r);
    for (int i = 0; i < s->texts * s->chunks; i++) {
        limn_speech_piece p = {.text = i / s->chunks, .chunk = i % s->chunks};
        int k = 0;
        while (k < s->pieces && !same_piece(s, s->piece[k], p)) k++;
        s->piece_of[i] = k;
        if (k == s->pieces) s->piece[s->pieces++] = p;
    }
    return LIMN_OK;
}

/* Whether every row says one chunk of what the syntax "plain" would give it. */
static limn_status find_plain(reading *r) {
    limn_speech *s = r->out;
    s->plain = !s->composed && s->states == 1 && s->chunks == 1;
    for (int row = 0; row < s->rows && s->plain && !r->plain; row++) {
        bool negative = s->rows > 1 && row == 0;
        for (int e = 0; e < s->encoders && s->plain; e++) {
            const char *text = prompt_of(r->request, e, negative);
            if (!text) text = prompt_of(r->request, 0, negative);
            const limn_chunks *said = &s->said[e][s->text_of[row]];
            limn_chunks c = {0};
            size_t n = (size_t)s->positions;
            limn_status status = chunk_plain(r, e, text, &c);
            s->plain = status == LIMN_OK && c.tokens == said->tokens &&
                       memcmp(c.ids, said->ids, n * sizeof *c.ids) == 0 &&
                       memcmp(c.weights, said->weights, n * sizeof *c.weights) == 0;
            limn_chunks_free(&c);
            if (status != LIMN_OK) return status;
        }
    }
    return LIMN_OK;
}

/* ---- its life -------------------------------------------------------------------------------- */

limn_status limn_speech_make(const limn_model *m, const limn_request *request, limn_speech *out,
                             limn_error *err) {
    *out = (limn_speech){.encoders = m->encoders, .positions = m->text[0].positions};
    reading r = {.m = m, .request = request, .out = out, .err = err};
    const char *syntax = limn_prompt_syntax_find(request->prompt_syntax);
    if (!syntax)
        return limn_fail(err, LIMN_E_USAGE,
                         "there is no prompt syntax \"%s\"; there are a1111 and plain",
                         request->prompt_syntax);
    r.plain = strcmp(syntax, "plain") == 0;
    limn_status status = LIMN_OK;
    if (m->embeddings) out->used = calloc((size_t)m->embeddings->count + 1, sizeof *out->used);
    if (m->embeddings && !out->used) status = out_of_memory(&r);
    if (status == LIMN_OK) status = read_prompts(&r);
    if (status == LIMN_OK) status = find_states(&r);
    if (status == LIMN_OK) status = chunk_texts(&r);
    if (status == LIMN_OK) status = find_pieces(&r);
    if (status == LIMN_OK) status = find_plain(&r);
    for (int i = 0; i < 2 * LIMN_ENCODERS_MOST; i++) limn_syntax_free(&r.prompts[i / 2][i % 2]);
    for (int i = 0; i < out->rows; i++) {
        free(r.rows[i].texts);
        free(r.rows[i].text_of_step);
    }
    if (status != LIMN_OK) limn_speech_free(out);
    return status;
}

void limn_speech_join_used(const limn_model *m, limn_speech *to, const limn_speech *other) {
    for (int i = 0; to->used && other->used && i < m->embeddings->count; i++)
        to->used[i] = to->used[i] || other->used[i];
}

void limn_speech_free(limn_speech *s) {
    for (int e = 0; e < s->encoders; e++) {
        for (int i = 0; i < s->texts && s->said[e]; i++) limn_chunks_free(&s->said[e][i]);
        free(s->said[e]);
        limn_chunks_free(&s->empty[e]);
    }
    free(s->state_of_step);
    free(s->text_of);
    free(s->piece_of);
    free(s->piece);
    free(s->conditions);
    free(s->used);
    *s = (limn_speech){0};
}

const int32_t *limn_speech_ids(const limn_speech *s, int encoder, int piece) {
    const limn_chunks *from;
    size_t at = place_of(s, encoder, s->piece[piece], &from);
    return from->ids + at;
}

const float *limn_speech_weights(const limn_speech *s, int encoder, int piece) {
    const limn_chunks *from;
    size_t at = place_of(s, encoder, s->piece[piece], &from);
    return from->weights + at;
}
