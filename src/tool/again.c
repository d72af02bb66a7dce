/* `limn again PICTURE`: the recipe in a picture, drawn once more, as it is or with changes. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>

/* Does every --set NAME=VALUE. */
static int change(const limn_tool_options *o, limn_recipe *recipe) {
    for (int i = 0; i < o->sets; i++) {
        const char *equals = strchr(o->set[i], '=');
        char *name = strndup(o->set[i], (size_t)(equals - o->set[i]));
        if (!name) return limn_tool_fail(LIMN_E_MEMORY, "no memory for a setting");
        limn_error error;
        limn_status status = limn_recipe_set(recipe, name, equals + 1, &error);
        free(name);
        if (status != LIMN_OK) return limn_tool_fail_with(&error);
    }
    return LIMN_OK;
}

/* The words of the prompt must stand for what they stood for; with --set it may be another one. */
static void warn_embeddings(const limn_tool_again_job *job) {
    const char *was = limn_recipe_embeddings(job->recipe);
    char *is = NULL;
    if (job->options->sets > 0 || limn_recipe_contract(job->recipe) == 0) return;
    limn_status status = limn_request_embeddings(job->model, &job->request, &is, NULL);
    if (status == LIMN_OK && strcmp(was, is) != 0)
        limn_tool_warn(job->options,
                       "%s was drawn with %s%s, this is drawn with %s%s (--embeddings)", job->path,
                       was[0] ? "the embeddings " : "no embeddings", was,
                       is[0] ? "the embeddings " : "none", is);
    free(is);
}

/* Says before the work what cannot come out the same. */
static void warn_differences(const limn_tool_again_job *job) {
    limn_model_info info = limn_model_describe(job->model);
    const char *sha256 = limn_recipe_model_sha256(job->recipe);
    if (sha256[0] == '\0') {
        limn_tool_warn(job->options, "%s does not say which model drew it; this is %s", job->path,
                       info.name);
    } else if (strncmp(sha256, info.sha256, strlen(sha256)) != 0) {
        limn_tool_warn(job->options,
                       "%s was drawn by another model: %s (%.12s...), this is %s "
                       "(%.12s...)",
                       job->path, limn_recipe_model_name(job->recipe), sha256, info.name,
                       info.sha256);
    }
    if (strcmp(limn_recipe_taesd_sha256(job->recipe), info.taesd_sha256) != 0) {
        const char *was = limn_recipe_taesd_name(job->recipe), *is = info.taesd_name;
        limn_tool_warn(job->options, "%s was decoded by %s, this is decoded by %s", job->path,
                       was[0] ? was : "the model itself", is[0] ? is : "the model itself");
    }
    const char *net = limn_recipe_control_sha256(job->recipe);
    if (net[0] && strcmp(net, info.control_sha256) != 0) {
        limn_tool_warn(job->options,
                       "%s was drawn with another ControlNet: %s (%.12s...), this is %s (%.12s...)",
                       job->path, limn_recipe_control_name(job->recipe), net, info.control_name,
                       info.control_sha256);
    }
    int contract = limn_recipe_contract(job->recipe);
    if (contract != 0 && contract != LIMN_CONTRACT) {
        limn_tool_warn(job->options, "%s was drawn under numeric contract %d, this is %d",
                       job->path, contract, LIMN_CONTRACT);
    }
    warn_embeddings(job);
}

/* Draws the recipe as it is, compares, and keeps the new picture where -o says so. */
static int draw_and_compare(const limn_tool_again_job *job, const char *output) {
    limn_tool_progress progress = limn_tool_progress_start(job->options, 1, 1);
    limn_options how = {
        .threads = job->options->threads,
        .user = &progress,
        .progress = limn_tool_progress_step,
        .stop = limn_tool_stop,
    };
    limn_picture *again = NULL;
    limn_error error;
    limn_status status = limn_render(job->model, &job->request, &how, &again, &error);
    limn_tool_progress_end(&progress);
    if (status == LIMN_E_CANCELLED) return limn_tool_fail(status, "interrupted");
    if (status == LIMN_OK && output) {
        unsigned flags = job->options->force ? LIMN_OVERWRITE : 0;
        status = limn_picture_save(again, output, flags, &error);
    }
    int result = status == LIMN_OK ? limn_tool_compare(job, again) : limn_tool_fail_with(&error);
    limn_picture_free(again);
    return result;
}

/* A picture that a TAESD decoded needs it again: it is no part of the model. */
static int check_taesd(const limn_tool_again_job *job) {
    const char *name = limn_recipe_taesd_name(job->recipe);
    if (!name[0] || job->options->taesd) return LIMN_OK;
    return limn_tool_fail(
        LIMN_E_MISSING,
        "%s was decoded by the TAESD %s (%.12s...); give it with --taesd PATH, or "
        "do without by --set taesd=none",
        job->path, name, limn_recipe_taesd_sha256(job->recipe));
}

/* Likewise of a ControlNet. */
static int check_control(const limn_tool_again_job *job) {
    const char *name = limn_recipe_control_name(job->recipe);
    if (!name[0] && job->options->control && !job->options->control_image)
        return limn_tool_fail(LIMN_E_USAGE, "%s was drawn without a ControlNet (--control)",
                              job->path);
    if (!name[0] || job->options->control) return LIMN_OK;
    return limn_tool_fail(
        LIMN_E_MISSING,
        "%s was drawn with the ControlNet %s (%.12s...); give it with --control PATH, or "
        "do without by --set control=none",
        job->path, name, limn_recipe_control_sha256(job->recipe));
}

/* A picture that fits only where it is decoded in other tiles would not be the same. */
static int check_memory(const limn_tool_again_job *job) {
    const limn_request *request = &job->request;
    limn_request fitting = *request;
    limn_error error;
    if (limn_request_fit(job->model, &fitting, job->options->max_memory, &error) != LIMN_OK)
        return limn_tool_fail_with(&error);
    if (fitting.vae_tile == request->vae_tile) return LIMN_OK;
    return limn_tool_fail(LIMN_E_USAGE,
                          "%s does not fit into --max-memory as it was decoded; --set vae_tile=%d "
                          "does, but gives other pixels",
                          job->path, fitting.vae_tile);
}

/* Draws what the recipe asks for of the model. */
static int draw_recipe(const limn_tool_again_job *job, const char *output) {
    const limn_request *request = &job->request;
    limn_tool_job draw = {.options = job->options, .model = job->model, .number = 1, .count = 1};
    if (job->options->dry_run)
        return limn_tool_draw_dry(&draw, request, output ? output : job->path);
    int status = limn_tool_output_make(job->options->output);
    if (status != LIMN_OK) return status;
    if (job->options->sets == 0) return draw_and_compare(job, output);
    limn_tool_warn_prompts(job->options, job->model, request, 0);
    limn_tool_warn_idle(job->options, job->model, request, 0);
    return limn_tool_draw_one(&draw, request, output);
}

static int with_model(limn_tool_again_job *job, const char *output) {
    limn_model *model;
    int status = check_taesd(job);
    if (status == LIMN_OK) status = check_control(job);
    if (status != LIMN_OK) return status;
    status = limn_tool_model_open(job->options, job->recipe, &model);
    if (status != LIMN_OK) return status;
    job->model = model;
    warn_differences(job);
    status = check_memory(job);
    if (status == LIMN_OK) status = draw_recipe(job, output);
    limn_model_close(model);
    return status;
}

/* The name of the new picture, NULL where none is to be kept; checked like draw's. */
static int name_output(const limn_tool_options *o, const limn_request *request, char **output) {
    *output = NULL;
    if (!o->output && o->sets == 0) return LIMN_OK;
    int status = limn_tool_output_check(o->output, o->dry_run);
    if (status != LIMN_OK) return status;
    *output = limn_tool_output_name(o->output, request->prompt, request->seed, 1, 1);
    if (!*output) return limn_tool_fail(LIMN_E_MEMORY, "no memory for a file name");
    return o->force ? LIMN_OK : limn_tool_output_free(*output);
}

int limn_tool_again(const limn_tool_options *o) {
    limn_tool_again_job job = {.options = o, .path = o->operand};
    limn_picture *picture = NULL;
    limn_recipe *recipe = NULL;
    limn_tool_sources sources = {0};
    char *output = NULL;
    limn_error error;
    limn_tool_interrupt_catch();
    int status = (int)limn_picture_load(o->operand, &picture, &error);
    if (status != LIMN_OK) return limn_tool_fail_with(&error);
    status = (int)limn_recipe_read(picture, &recipe, &error);
    if (status != LIMN_OK) limn_tool_fail_about(o->operand, &error);
    job.picture = picture;
    job.recipe = recipe;
    if (status == LIMN_OK) status = limn_tool_read(o->operand, &job.bytes);
    if (status == LIMN_OK) status = change(o, recipe);
    if (status == LIMN_OK) job.request = *limn_recipe_request(recipe);
    if (status == LIMN_OK) status = name_output(o, &job.request, &output);
    if (status == LIMN_OK) status = limn_tool_sources_find(o, &job.request, &sources);
    if (status == LIMN_OK) status = with_model(&job, output);
    limn_tool_sources_free(&sources);
    free(output);
    free(job.bytes.data);
    limn_recipe_free(recipe);
    limn_picture_free(picture);
    return status;
}
