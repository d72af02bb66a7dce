/* `limn "a red apple"`: from the command line to pictures in files. */
#include "tool/tool.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Below 2^32, so that it can be typed, and so that torch's generator, which reads 32 bits of a
 * seed, gives each its own picture. */
static int random_seed(uint64_t *out) {
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        return limn_tool_fail(LIMN_E_IO, "the system gave no random number; give one with --seed");
    }
    *out = seed;
    return LIMN_OK;
}

/* The prompt that stands on standard input, without the line feed at its end. */
static int read_prompt(limn_tool_bytes *out) {
    int status = limn_tool_read("-", out);
    if (status != LIMN_OK) return status;
    if (memchr(out->data, '\0', out->size)) {
        free(out->data);
        return limn_tool_fail(LIMN_E_INPUT, "the prompt on standard input holds a zero byte");
    }
    while (out->size > 0 && strchr("\r\n", out->data[out->size - 1])) out->size--;
    out->data[out->size] = '\0'; /* limn_tool_read leaves room for it */
    return LIMN_OK;
}

/* Says what became of a picture, once its file is there. */
static int tell(const limn_tool_job *job, const limn_request *request, const limn_picture *picture,
                const char *path, const limn_tool_progress *progress) {
    int status = LIMN_OK;
    if (job->options->json) {
        status = limn_tool_json_picture(job->model, request, path, "done", 0, picture->elapsed_ms);
    } else if (!job->options->quiet) {
        limn_tool_print_text(stdout, path, 0);
        printf("  seed %" PRIu64 "\n", request->seed);
    }
    if (!progress->terminal) {
        limn_tool_note(job->options, "%s: %d step%s, %.1f s", path, progress->steps,
                       progress->steps == 1 ? "" : "s", picture->elapsed_ms / 1e3);
    }
    int flushed = limn_tool_flush();
    return status != LIMN_OK ? status : flushed;
}

int limn_tool_draw_one(const limn_tool_job *job, const limn_request *request, const char *path) {
    limn_tool_progress progress = limn_tool_progress_start(job->options, job->number, job->count);
    limn_options how = {
        .threads = job->options->threads,
        .user = &progress,
        .progress = limn_tool_progress_step,
        .stop = limn_tool_stop,
    };
    limn_error error;
    limn_picture *picture = NULL;
    limn_status status = limn_render(job->model, request, &how, &picture, &error);
    limn_tool_progress_end(&progress);
    if (status == LIMN_OK) {
        unsigned flags = job->options->force ? LIMN_OVERWRITE : 0;
        status = limn_picture_save(picture, path, flags, &error);
    }
    int result;
    if (status == LIMN_OK) {
        result = tell(job, request, picture, path, &progress);
    } else if (status == LIMN_E_CANCELLED) {
        result = limn_tool_fail(status, "interrupted; %s was not written", path);
    } else {
        result = limn_tool_fail_with(&error);
    }
    limn_picture_free(picture);
    return result;
}

/* Paths of all the pictures, so that what is in the way is known before any work. */
static int name_all(const limn_tool_options *o, const char *prompt, uint64_t seed, char **paths) {
    for (int i = 0; i < o->count; i++) {
        paths[i] = limn_tool_output_name(o->output, prompt, seed + (uint64_t)i, i + 1, o->count);
        if (!paths[i]) return limn_tool_fail(LIMN_E_MEMORY, "no memory for a file name");
        int status = o->force ? LIMN_OK : limn_tool_output_free(paths[i]);
        if (status != LIMN_OK) return status;
    }
    return LIMN_OK;
}

static int draw_all(const limn_tool_options *o, const limn_model *model, limn_request *request,
                    char *const *paths) {
    int status = LIMN_OK;
    for (int i = 0; i < o->count && status == LIMN_OK; i++, request->seed++) {
        if (limn_tool_interrupted())
            return limn_tool_fail(LIMN_E_CANCELLED, "interrupted; %s was not written", paths[i]);
        limn_tool_job job = {.options = o, .model = model, .number = i + 1, .count = o->count};
        status = o->dry_run ? limn_tool_draw_dry(&job, request, paths[i])
                            : limn_tool_draw_one(&job, request, paths[i]);
    }
    return status;
}

/* With the pictures that it is drawn from. */
static int draw_from(const limn_tool_options *o, const limn_tool_sources *sources,
                     const char *prompt, uint64_t seed, char *const *paths) {
    limn_model *model;
    int status = limn_tool_model_open(o, NULL, &model);
    if (status != LIMN_OK) return status;
    limn_request request;
    limn_request_defaults(model, &request);
    limn_tool_options_apply(o, &request);
    limn_tool_sources_apply(o, model, sources, &request);
    request.prompt = prompt;
    request.seed = seed;
    const limn_request asked = request;
    limn_request_settle(model, &request);
    limn_plan plan;
    limn_error error;
    if (limn_request_fit(model, &request, o->max_memory, &error) != LIMN_OK ||
        limn_request_plan(model, &request, &plan, &error) != LIMN_OK) {
        status = limn_tool_fail_with(&error);
    } else {
        limn_tool_warn_prompts(o, model, &request, 0);
        limn_tool_warn_idle(o, model, &asked, 0);
        status = o->dry_run ? LIMN_OK : limn_tool_output_make(o->output);
        if (status == LIMN_OK) status = draw_all(o, model, &request, paths);
    }
    limn_model_close(model);
    return status;
}

static int draw_prompt(const limn_tool_options *o, const char *prompt, uint64_t seed,
                       char **paths) {
    int status = name_all(o, prompt, seed, paths);
    if (status != LIMN_OK) return status;
    limn_tool_interrupt_catch();
    limn_tool_sources sources;
    status = limn_tool_sources_load(o, &sources);
    if (status != LIMN_OK) return status;
    status = draw_from(o, &sources, prompt, seed, paths);
    limn_tool_sources_free(&sources);
    return status;
}

int limn_tool_draw(const limn_tool_options *o) {
    int status = limn_tool_output_check(o->output, o->dry_run);
    if (status != LIMN_OK) return status;
    uint64_t seed = o->seed;
    if (!o->has_seed) status = random_seed(&seed);
    if (status != LIMN_OK) return status;
    limn_tool_bytes typed = {0};
    const char *prompt = o->operand;
    if (strcmp(prompt, "-") == 0) {
        status = read_prompt(&typed);
        if (status != LIMN_OK) return status;
        prompt = (const char *)typed.data;
    }
    char **paths = calloc((size_t)o->count, sizeof *paths);
    status = paths ? draw_prompt(o, prompt, seed, paths)
                   : limn_tool_fail(LIMN_E_MEMORY, "no memory for %d file names", o->count);
    for (int i = 0; paths && i < o->count; i++) free(paths[i]);
    free(paths);
    free(typed.data);
    return status;
}
