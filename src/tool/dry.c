/* What a request is and what it would take, in words: for show, --dry-run and again. */
#include "tool/tool.h"
#include <inttypes.h>
#include <string.h>

void limn_tool_print_line(FILE *to, const char *name, const char *text) {
    fprintf(to, "%-12s", name);
    limn_tool_print_text(to, text, 12);
    fputc('\n', to);
}

/* A picture that another is drawn from, by its name and hash. */
static void print_source(FILE *to, const char *name, const limn_input *source) {
    char hex[65];
    if (!limn_tool_source_sha256(source, hex)) return;
    fprintf(to, "%-12s", name);
    limn_tool_print_text(to, source->name ? source->name : "", 12);
    fprintf(to, " (pixels' sha256 ");
    limn_tool_print_text(to, hex, 12);
    fprintf(to, ")\n");
}

void limn_tool_print_request(FILE *to, const limn_request *request, int width, int height) {
    limn_tool_print_line(to, "prompt", request->prompt);
    if (request->negative[0]) limn_tool_print_line(to, "negative", request->negative);
    fprintf(to, "%-12s%" PRIu64 "\n", "seed", request->seed);
    fprintf(to, "%-12s%d\n", "steps", request->steps);
    fprintf(to, "%-12s%g\n", "guidance", request->guidance);
    bool twice = request->upscale > 0;
    fprintf(to, "%-12s%dx%d", "size", twice ? width : request->width,
            twice ? height : request->height);
    if (twice) fprintf(to, ", drawn first at %dx%d", request->width, request->height);
    fputc('\n', to);
    limn_tool_print_line(to, "sampler", request->sampler);
    limn_tool_print_line(to, "schedule", request->schedule);
    limn_tool_print_line(to, "rng", request->rng);
    if (request->eta != 0) fprintf(to, "%-12s%g\n", "eta", request->eta);
    print_source(to, "init", &request->init);
    print_source(to, "mask", &request->mask);
    print_source(to, "control img", &request->control);
    if (request->prompt_syntax && strcmp(request->prompt_syntax, "plain") != 0)
        limn_tool_print_line(to, "syntax", request->prompt_syntax);
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count; i++) {
        double value = limn_setting_get(request, &all[i]);
        if (value != 0) fprintf(to, "%-11s %g\n", all[i].name, value);
    }
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count; i++)
        if (limn_text_setting_get(request, &texts[i]))
            limn_tool_print_line(to, texts[i].name, limn_text_setting_get(request, &texts[i]));
}

static double megabytes(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

/* How much text there is. */
static void print_tokens(const limn_tool_job *job, const limn_request *request) {
    static const char *const names[] = {"prompt", "negative"};
    for (int i = 0; i < 2; i++) {
        limn_prompt_check check;
        if (limn_request_inspect(job->model, request, i == 1, &check, NULL) != LIMN_OK) return;
        if (i == 0) printf("%-12s", "tokens");
        printf("%s%s %d", i ? ", " : "", names[i], check.tokens);
        if (i == 1)
            printf(" (%d chunk%s of %d)\n", check.chunks, check.chunks > 1 ? "s" : "",
                   limn_model_describe(job->model).max_tokens);
    }
}

static void print_words(const limn_tool_job *job, const limn_request *request,
                        const limn_plan *plan, const char *path) {
    limn_model_info info = limn_model_describe(job->model);
    if (job->number > 1) fputc('\n', stdout);
    limn_tool_print_line(stdout, "would draw", path);
    limn_tool_print_request(stdout, request, plan->width, plan->height);
    print_tokens(job, request);
    limn_tool_print_line(stdout, "model", info.name);
    if (strcmp(info.precision, "float32") != 0)
        limn_tool_print_line(stdout, "precision", info.precision);
    if (info.taesd_name[0]) limn_tool_print_line(stdout, "taesd", info.taesd_name);
    if (info.control_name[0]) limn_tool_print_line(stdout, "control", info.control_name);
    printf("%-12s%.1f MB at the peak: %.1f MB model, %.1f MB picture\n", "memory",
           megabytes(plan->peak_bytes), megabytes(plan->model_bytes),
           megabytes(plan->workspace_bytes));
    printf("%-12s%.1f GFLOP, U-Net evaluations: %d\n", "work", plan->gflop, plan->evaluations);
}

static void print_json(const limn_tool_job *job, const limn_request *request, const limn_plan *plan,
                       const char *path) {
    limn_model_info info = limn_model_describe(job->model);
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, path);
    fputs(",\"dry_run\":true", stdout);
    limn_tool_json_request(stdout, request);
    fputs(",\"model\":", stdout);
    limn_tool_json_text(stdout, info.name);
    printf(",\"model_sha256\":\"%s\",\"contract\":%d,\"model_bytes\":%zu,\"workspace_bytes\":%zu,"
           "\"peak_bytes\":%zu,\"evaluations\":%d,\"gflop\":%.3f}\n",
           info.sha256, LIMN_CONTRACT, plan->model_bytes, plan->workspace_bytes, plan->peak_bytes,
           plan->evaluations, plan->gflop);
}

int limn_tool_draw_dry(const limn_tool_job *job, const limn_request *request, const char *path) {
    limn_plan plan;
    limn_error error;
    if (limn_request_plan(job->model, request, &plan, &error) != LIMN_OK) {
        return limn_tool_fail_with(&error);
    }
    limn_request settled = *request;
    limn_request_settle(job->model, &settled);
    if (job->options->json) {
        print_json(job, &settled, &plan, path);
    } else {
        print_words(job, &settled, &plan, path);
    }
    return LIMN_OK;
}
