/* Many prompts with one model: every line in turn, every picture whole before the next begins.
 *
 * A picture's name is made of its line's place, its prompt and its seed, so the same file of
 * prompts finds its own pictures again: what is there and carries the recipe that the line asks for
 * is done already. Nothing else is remembered between runs. */
#include "base/file.h"
#include "prompt/prompt.h"
#include "render/made.h"
#include "render/manifest.h"
#include "render/recall.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Place, slug, seed and punctuation: 20 + 41 + 20 + 6 at most. */
#define FILE_NAME_BYTES 100

/* A batch under way. */
typedef struct limn_batch {
    const limn_model *model;
    const limn_batch_options *options;
    const char *name;       /* of the prompt file */
    const char *folder;     /* "" = the current one */
    limn_manifest manifest; /* not opened by a dry run */
    limn_batch_result *result;
    limn_recall recall; /* the prompts' encodings that pictures share */
    int index, count;   /* pictures begun, pictures in all */
} limn_batch;

/* One picture of it. */
typedef struct limn_batch_picture {
    const limn_prompt_line *line;
    limn_request request;
    char file[FILE_NAME_BYTES]; /* "" where the line has no request */
    char *path;                 /* NULL where the line has no request */
    char *recipe;               /* canonical JSON; NULL where there is none yet */
} limn_batch_picture;

static int pictures_of(const limn_batch *b, const limn_prompt_line *line) {
    if (line->error) return 1;
    int asked = line->pictures > 0 ? line->pictures : b->options->count;
    return asked > 0 ? asked : 1;
}

static void tell(const limn_batch *b, const limn_batch_picture *p, limn_batch_event event,
                 const limn_picture *picture, const limn_error *error) {
    if (!b->options->item) return;
    limn_batch_item item = {
        .event = event,
        .index = b->index,
        .count = b->count,
        .line = p->line->line,
        .file = p->path,
        .request = p->path ? &p->request : NULL,
        .picture = picture,
        .error = error,
        .repaired = p->line->repaired,
    };
    b->options->item(b->options->user, &item);
}

/* A row about p; sha256 NULL and ms below 0 where there is none. Nothing in a dry run. */
static limn_status book(const limn_batch *b, const limn_batch_picture *p, const char *status,
                        const char *sha256, double ms, const limn_error *why, limn_error *err) {
    if (b->options->dry_run) return LIMN_OK;
    limn_manifest_row row = {
        .file = p->path ? p->file : NULL,
        .status = status,
        .line = p->line->line,
        .seed = p->request.seed,
        .sha256 = sha256,
        .ms = ms,
        .error = why,
        .request = p->path ? p->recipe : NULL,
    };
    return limn_manifest_add(&b->manifest, &row, err);
}

/* column: where in its line the name stands; 0 where the command named it. */
static limn_status no_such(const limn_batch *b, const limn_prompt_line *line, int column,
                           const char *what, const char *text, limn_error *err) {
    return limn_fail(err, LIMN_E_INPUT, "%s:%d:%d: there is no %s '%s'", b->name, line->line,
                     column > 0 ? column : 1, what, text);
}

/* Puts limn's own names in the place of what was typed. A sampler's spelling may name a schedule
 * too ("DPM++ 2M Karras"), which holds unless the line names one of its own. */
static limn_status resolve(const limn_batch *b, const limn_prompt_line *line, limn_request *r,
                           limn_error *err) {
    const char *schedule = NULL;
    const char *sampler = limn_sampler_find(r->sampler, &schedule);
    if (!sampler) return no_such(b, line, line->sampler_column, "sampler", r->sampler, err);
    if (line->schedule_column > 0 || !schedule) schedule = limn_schedule_find(r->schedule);
    if (!schedule) return no_such(b, line, line->schedule_column, "schedule", r->schedule, err);
    const char *rng = limn_rng_find(r->rng);
    if (!rng) return no_such(b, line, line->rng_column, "random generator", r->rng, err);
    r->sampler = sampler;
    r->schedule = schedule;
    r->rng = rng;
    return LIMN_OK;
}

/* Makes the k-th picture of the `place`-th line ready: its request, names and recipe, checked. */
static limn_status prepare(const limn_batch *b, size_t place, int k, limn_batch_picture *p,
                           limn_error *err) {
    const limn_prompt_line *line = p->line;
    limn_request r = line->request;
    if (r.seed > UINT64_MAX - (uint64_t)k) {
        return limn_fail(err, LIMN_E_INPUT, "%s:%d:1: the line's seeds go past the last one",
                         b->name, line->line);
    }
    r.seed += (uint64_t)k;
    limn_status status = resolve(b, line, &r, err);
    if (status != LIMN_OK) return status;
    char slug[LIMN_SLUG_BYTES];
    limn_prompt_slug(r.prompt, slug);
    p->request = r;
    snprintf(p->file, sizeof p->file, "%04zu-%s-%" PRIu64 ".png", place + 1, slug, r.seed);
    p->path = limn_path_join(b->folder, p->file);
    if (!p->path) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a name", b->folder);
    limn_plan plan;
    status = limn_request_fit(b->model, &p->request, b->options->render.max_memory, err);
    if (status == LIMN_OK) status = limn_request_plan(b->model, &p->request, &plan, err);
    if (status == LIMN_OK) status = limn_made_recipe(b->model, &p->request, &p->recipe, err);
    if (status == LIMN_OK) return LIMN_OK;
    /* What would be a wrong option on the command line is a bad line here. */
    if (status == LIMN_E_USAGE) status = LIMN_E_INPUT;
    return limn_fail_at(err, status, "%s:%d:1", b->name, line->line);
}

/* Draws p, writes its file, and enters it in the book. */
static limn_status make(limn_batch *b, const limn_batch_picture *p, limn_picture **picture,
                        bool *written, limn_error *err) {
    limn_status status =
        limn_render_recalling(b->model, &p->request, &b->options->render, &b->recall, picture, err);
    uint8_t *png = NULL;
    size_t size = 0;
    if (status == LIMN_OK) status = limn_picture_png(*picture, &png, &size, err);
    if (status == LIMN_OK) status = limn_file_write(p->path, png, size, b->options->force, err);
    if (status == LIMN_OK) {
        *written = true;
        char hex[65];
        limn_sha256_hex(png, size, hex);
        status = book(b, p, "done", hex, (*picture)->elapsed_ms, NULL, err);
    }
    free(png);
    return status;
}

/* Whether a fault ends the batch: the user's wish, and what the next picture would meet too. */
static bool ends_batch(const limn_batch_picture *p, limn_status status) {
    if (status == LIMN_E_CANCELLED || status == LIMN_E_IO) return true;
    return status == LIMN_E_CREATE && !limn_file_exists(p->path);
}

/* Counts and reports a picture that could not be made. */
static limn_status fail_picture(limn_batch *b, const limn_batch_picture *p, const limn_error *why,
                                limn_error *err) {
    b->result->failed++;
    limn_status status = book(b, p, "failed", NULL, -1, why, err);
    tell(b, p, LIMN_BATCH_FAILED, NULL, why);
    return status;
}

/* A file that is the picture already. Its row may be missing if limn was killed before it. */
static limn_status skip(limn_batch *b, const limn_batch_picture *p, limn_error *err) {
    limn_status status = LIMN_OK;
    if (!b->options->dry_run && !limn_manifest_knows(&b->manifest, p->file, p->recipe)) {
        limn_bytes bytes;
        status = limn_file_open(p->path, &bytes, err);
        if (status != LIMN_OK) return status;
        char hex[65];
        limn_sha256_hex(bytes.data, bytes.size, hex);
        limn_file_close(&bytes);
        status = book(b, p, "skipped", hex, -1, NULL, err);
    }
    b->result->skipped++;
    tell(b, p, LIMN_BATCH_SKIPPED, NULL, NULL);
    return status;
}

static limn_status draw(limn_batch *b, const limn_batch_picture *p, limn_error *err) {
    tell(b, p, LIMN_BATCH_STARTED, NULL, NULL);
    if (b->options->dry_run) return LIMN_OK;
    limn_picture *picture = NULL;
    bool written = false;
    limn_error why;
    limn_status status = make(b, p, &picture, &written, &why);
    if (written) {
        b->result->done++;
        tell(b, p, LIMN_BATCH_DONE, picture, NULL);
    }
    limn_picture_free(picture);
    if (status == LIMN_OK) return LIMN_OK;
    /* Another batch in the same folder was faster: then it is there. */
    limn_error other;
    if (!written && status == LIMN_E_CREATE && limn_file_exists(p->path) &&
        limn_made_check(b->model, &p->request, p->path, &other) == LIMN_OK)
        return skip(b, p, err);
    if (written || ends_batch(p, status)) return limn_fail(err, status, "%s", why.text);
    limn_fail_at(&why, status, "%s:%d", b->name, p->line->line);
    return fail_picture(b, p, &why, err);
}

static limn_status run_picture(limn_batch *b, size_t place, int k, limn_batch_picture *p,
                               limn_error *err) {
    if (p->line->error) return fail_picture(b, p, p->line->error, err);
    limn_error why;
    if (prepare(b, place, k, p, &why) != LIMN_OK) return fail_picture(b, p, &why, err);
    if (b->options->force || !limn_file_exists(p->path)) return draw(b, p, err);
    limn_status status = limn_made_check(b->model, &p->request, p->path, &why);
    if (status == LIMN_OK) return skip(b, p, err);
    limn_fail_at(&why, status, "%s:%d", b->name, p->line->line);
    return fail_picture(b, p, &why, err);
}

/* Whether the caller has had enough: asked between pictures too, as many may need no drawing. */
static bool is_stopped(const limn_batch *b) {
    const limn_options *render = &b->options->render;
    return render->stop && render->stop(render->user);
}

static limn_status run_lines(limn_batch *b, const limn_prompt_file *file, limn_error *err) {
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < file->count && status == LIMN_OK; i++) {
        int pictures = pictures_of(b, &file->lines[i]);
        for (int k = 0; k < pictures && status == LIMN_OK; k++) {
            limn_batch_picture p = {.line = &file->lines[i], .request = file->lines[i].request};
            if (is_stopped(b)) return limn_fail(err, LIMN_E_CANCELLED, "stopped");
            b->index++;
            status = run_picture(b, i, k, &p, err);
            free(p.path);
            free(p.recipe);
        }
    }
    return status;
}

/* How many pictures there will be; at most what an int holds. */
static limn_status count_pictures(limn_batch *b, const limn_prompt_file *file, limn_error *err) {
    for (size_t i = 0; i < file->count; i++) {
        if (__builtin_add_overflow(b->count, pictures_of(b, &file->lines[i]), &b->count)) {
            return limn_fail(err, LIMN_E_INPUT, "%s asks for too many pictures", b->name);
        }
    }
    return LIMN_OK;
}

limn_status limn_batch_run(const limn_model *model, const char *name, const char *text, size_t size,
                           const limn_batch_options *options, limn_batch_result *result,
                           limn_error *error) {
    limn_batch b = {
        .model = model,
        .options = options,
        .name = name,
        .folder = options->folder ? options->folder : "",
        .result = result,
    };
    *result = (limn_batch_result){0};
    limn_prompt_file file;
    limn_status status =
        limn_prompt_file_read(name, text, size, &options->base, options->has_seed, &file, error);
    if (status != LIMN_OK) return status;
    status = count_pictures(&b, &file, error);
    if (status == LIMN_OK && !options->dry_run) {
        status = limn_file_make_folder(b.folder, error);
        if (status == LIMN_OK) status = limn_manifest_open(b.folder, &b.manifest, error);
    }
    if (status == LIMN_OK) status = run_lines(&b, &file, error);
    limn_recall_free(&b.recall);
    limn_manifest_close(&b.manifest);
    limn_prompt_file_free(&file);
    return status;
}
