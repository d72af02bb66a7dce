/* `limn batch FILE`: every line of a prompt file; what is said of each, and of the end. */
#include "tool/tool.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A batch under way, for the callbacks. */
typedef struct limn_tool_batch_run {
    const limn_tool_options *options;
    const limn_model *model;
    limn_tool_progress progress; /* of the picture being drawn */
    int first_failed;            /* the status of the first line that failed; LIMN_OK = none */
    int output;                  /* LIMN_OK until standard output fails, which ends the batch */
} limn_tool_batch_run;

static bool step(void *user, const limn_progress *now) {
    limn_tool_batch_run *run = user;
    return run->output == LIMN_OK && limn_tool_progress_step(&run->progress, now);
}

static bool stop(void *user) {
    const limn_tool_batch_run *run = user;
    return run->output != LIMN_OK || limn_tool_interrupted();
}

static void begin(limn_tool_batch_run *run, const limn_batch_item *item) {
    if (item->repaired) {
        limn_tool_warn(run->options, "line %d is not valid UTF-8; the broken bytes were replaced",
                       item->line);
    }
    limn_tool_warn_prompts(run->options, run->model, item->request, item->line);
    limn_tool_warn_idle(run->options, run->model, item->request, item->line);
    run->progress = limn_tool_progress_start(run->options, item->index, item->count);
    if (!run->options->dry_run) return;
    limn_tool_job job = {
        .options = run->options, .model = run->model, .number = item->index, .count = item->count};
    int status = limn_tool_draw_dry(&job, item->request, item->file);
    if (run->first_failed == LIMN_OK) run->first_failed = status;
}

/* A picture that is there now, or was there already. */
static void report(limn_tool_batch_run *run, const limn_batch_item *item) {
    bool done = item->event == LIMN_BATCH_DONE;
    limn_tool_progress_end(&run->progress);
    if (run->options->json) {
        run->output =
            limn_tool_json_picture(run->model, item->request, item->file, done ? "done" : "skipped",
                                   item->line, done ? item->picture->elapsed_ms : -1);
    } else if (!run->options->quiet) {
        limn_tool_print_text(stdout, item->file, 0);
        printf("  seed %" PRIu64 "%s\n", item->request->seed, done ? "" : "  (there already)");
    }
    if (done && !run->progress.terminal) {
        limn_tool_note(run->options, "%d of %d: %s, %.1f s", item->index, item->count, item->file,
                       item->picture->elapsed_ms / 1e3);
    }
}

static void report_failed(limn_tool_batch_run *run, const limn_batch_item *item) {
    limn_tool_progress_end(&run->progress);
    int status = limn_tool_fail_with(item->error);
    if (run->first_failed == LIMN_OK) run->first_failed = status;
    if (!run->options->json) return;
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, item->file);
    printf(",\"status\":\"failed\",\"line\":%d,\"code\":%d,\"error\":", item->line, status);
    limn_tool_json_text(stdout, item->error->text);
    fputs("}\n", stdout);
}

static void item_changed(void *user, const limn_batch_item *item) {
    limn_tool_batch_run *run = user;
    if (run->output != LIMN_OK) return; /* that is said, and the batch about to end */
    switch (item->event) {
    case LIMN_BATCH_STARTED:
        begin(run, item);
        break;
    case LIMN_BATCH_DONE:
    case LIMN_BATCH_SKIPPED:
        report(run, item);
        break;
    case LIMN_BATCH_FAILED:
        report_failed(run, item);
        break;
    }
    int flushed = run->output == LIMN_OK ? limn_tool_flush() : LIMN_OK;
    if (flushed != LIMN_OK) run->output = flushed;
}

/* What the command exits with, once the last word is said. */
static int end(const limn_tool_batch_run *run, limn_status status, const limn_batch_result *result,
               const limn_error *error) {
    if (run->output != LIMN_OK) return run->output;
    if (status == LIMN_E_CANCELLED) {
        return limn_tool_fail(status,
                              "interrupted after %d drawn, %d there already, %d failed; the same "
                              "command goes on from here",
                              result->done, result->skipped, result->failed);
    }
    if (status != LIMN_OK) return limn_tool_fail_with(error);
    if (!run->options->dry_run) {
        limn_tool_note(run->options, "%d drawn, %d there already, %d failed", result->done,
                       result->skipped, result->failed);
    }
    return run->first_failed;
}

static int run_batch(const limn_tool_options *o, const limn_model *model,
                     const limn_tool_sources *sources, const char *name,
                     const limn_tool_bytes *text) {
    limn_tool_batch_run run = {.options = o, .model = model};
    limn_batch_options how = {
        .render = {.threads = o->threads,
                   .user = &run,
                   .progress = step,
                   .stop = stop,
                   .max_memory = o->max_memory},
        .folder = o->output,
        .count = o->count,
        .has_seed = o->has_seed,
        .force = o->force,
        .dry_run = o->dry_run,
        .user = &run,
        .item = item_changed,
    };
    limn_request_defaults(model, &how.base);
    limn_tool_options_apply(o, &how.base);
    limn_tool_sources_apply(o, model, sources, &how.base);
    run.progress = limn_tool_progress_start(o, 0, 0);
    limn_batch_result result;
    limn_error error;
    limn_status status =
        limn_batch_run(model, name, (const char *)text->data, text->size, &how, &result, &error);
    limn_tool_progress_end(&run.progress);
    return end(&run, status, &result, &error);
}

int limn_tool_batch(const limn_tool_options *o) {
    limn_tool_bytes text;
    limn_tool_sources sources = {0};
    int status = limn_tool_read(o->operand, &text);
    if (status != LIMN_OK) return status;
    limn_tool_interrupt_catch();
    limn_model *model;
    status = limn_tool_sources_load(o, &sources);
    if (status == LIMN_OK) status = limn_tool_model_open(o, NULL, &model);
    if (status == LIMN_OK) {
        const char *name = strcmp(o->operand, "-") == 0 ? "standard input" : o->operand;
        status = run_batch(o, model, &sources, name, &text);
        limn_model_close(model);
    }
    limn_tool_sources_free(&sources);
    free(text.data);
    return status;
}
