/* `limn inspect MODEL`: what a model's files hold, in words or as JSON. */
#include "tool/tool.h"
#include <inttypes.h>
#include <string.h>

static void print_line(const char *what, const char *text) {
    printf("%-16s", what);
    limn_tool_print_text(stdout, text, 16);
    putchar('\n');
}

static void print_shape(const limn_tensor_info *t) {
    putchar('[');
    for (int i = 0; i < t->rank; i++) printf("%s%" PRIu64, i ? ", " : "", t->shape[i]);
    putchar(']');
}

/* Sentences, one a line. */
static void print_notes(const char *notes) {
    char line[400];
    const char *next, *what = "note";
    for (int n; (n = limn_tool_next_line(&notes, &next)) > 0; what = "") {
        snprintf(line, sizeof line, "%.*s", n, next);
        print_line(what, line);
    }
}

static void show_words(const limn_report *r, bool tensors) {
    print_line("name", r->name);
    print_line("kind", strcmp(r->container, "folder") == 0 ? "folder in diffusers' layout"
                       : strcmp(r->container, "gguf") == 0 ? "one file, GGUF"
                                                           : "one file, safetensors");
    if (r->kind[0]) print_line("is", r->kind);
    print_line("family", r->family[0] ? r->family_label : "cannot be told without a U-Net");
    printf("%-16s%" PRIu64 " bytes\n", "size", r->bytes);
    if (r->sha256[0]) print_line("sha256", r->sha256);
    if (r->short_hash[0]) print_line("A1111's hash", r->short_hash);
    for (int i = 0; i < r->part_count; i++) {
        const limn_part_info *p = &r->parts[i];
        printf("%-16s%" PRIu64 " numbers in %d tensors (%s), %" PRIu64 " bytes\n", p->name,
               p->parameters, p->tensors, p->types, p->bytes);
    }
    if (r->unused > 0) printf("%-16s%zu tensors of no part\n", "not used", r->unused);
    print_line("tokenizer", r->has_tokenizer ? "there" : "missing");
    if (r->family[0]) {
        printf("%-16s%dx%d, %d steps, guidance %g, ", "defaults", r->width, r->height, r->steps,
               r->guidance);
        if (r->sampler[0]) printf("sampler %s, ", r->sampler);
        printf("%s%s\n", r->prediction, r->zero_snr ? ", zero terminal SNR" : "");
    }
    print_notes(r->notes);
    for (int i = 0; i < r->fault_count; i++) print_line(i == 0 ? "wrong" : "", r->faults[i]);
    if (r->more > 0) printf("%-16sand %d more\n", "", r->more);
    for (size_t i = 0; tensors && i < r->tensor_count; i++) {
        printf("%s ", r->tensors[i].part);
        limn_tool_print_text(stdout, r->tensors[i].name, 0);
        printf(" %s ", r->tensors[i].type);
        print_shape(&r->tensors[i]);
        putchar('\n');
    }
}

static void json_member(const char *key, const char *text) {
    printf(",\"%s\":", key);
    limn_tool_json_text(stdout, text);
}

static void json_parts(const limn_report *r) {
    fputs(",\"parts\":{", stdout);
    for (int i = 0; i < r->part_count; i++) {
        const limn_part_info *p = &r->parts[i];
        printf("%s\"%s\":{\"parameters\":%" PRIu64 ",\"tensors\":%d,\"bytes\":%" PRIu64,
               i ? "," : "", p->name, p->parameters, p->tensors, p->bytes);
        json_member("types", p->types);
        putchar('}');
    }
    putchar('}');
}

static void json_tensors(const limn_report *r) {
    fputs(",\"tensors\":[", stdout);
    for (size_t i = 0; i < r->tensor_count; i++) {
        const limn_tensor_info *t = &r->tensors[i];
        printf("%s{\"part\":\"%s\"", i ? "," : "", t->part);
        json_member("name", t->name);
        json_member("type", t->type);
        fputs(",\"shape\":", stdout);
        print_shape(t);
        putchar('}');
    }
    putchar(']');
}

static void show_json(const limn_report *r, const char *path, bool tensors) {
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, path);
    json_member("name", r->name);
    json_member("container", r->container);
    json_member("kind", r->kind[0] ? r->kind : NULL);
    json_member("family", r->family[0] ? r->family : NULL);
    printf(",\"bytes\":%" PRIu64, r->bytes);
    json_member("sha256", r->sha256[0] ? r->sha256 : NULL);
    json_member("short_hash", r->short_hash[0] ? r->short_hash : NULL);
    json_parts(r);
    printf(",\"unused_tensors\":%zu,\"tokenizer\":%s,\"complete\":%s", r->unused,
           r->has_tokenizer ? "true" : "false", r->complete ? "true" : "false");
    if (r->family[0]) {
        printf(",\"defaults\":{\"width\":%d,\"height\":%d,\"steps\":%d,\"guidance\":", r->width,
               r->height, r->steps);
        limn_tool_json_number(stdout, r->guidance);
        json_member("sampler", r->sampler[0] ? r->sampler : NULL);
        json_member("prediction", r->prediction);
        printf(",\"zero_snr\":%s}", r->zero_snr ? "true" : "false");
    }
    json_member("notes", r->notes[0] ? r->notes : NULL);
    fputs(",\"faults\":[", stdout);
    for (int i = 0; i < r->fault_count; i++) {
        if (i) putchar(',');
        limn_tool_json_text(stdout, r->faults[i]);
    }
    printf("],\"more_faults\":%d", r->more);
    if (tensors) json_tensors(r);
    puts("}");
}

int limn_tool_inspect(const limn_tool_options *options) {
    const limn_open_options how = {.threads = options->threads,
                                   .vae = options->vae,
                                   .text_encoder = options->text_encoder,
                                   .text_encoder_2 = options->text_encoder_2,
                                   .tokenizer = options->tokenizer};
    limn_report *report;
    limn_error error;
    if (limn_inspect(options->operand, &how, true, &report, &error) != LIMN_OK)
        return limn_tool_fail_with(&error);
    const int status = report->complete ? LIMN_OK : LIMN_E_INPUT;
    if (options->json)
        show_json(report, options->operand, options->tensors);
    else
        show_words(report, options->tensors);
    limn_report_free(report);
    return status;
}
