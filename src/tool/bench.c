/* `limn bench`: what this machine can do, and what share of it an architecture's stages use. */
#include "tool/tool.h"
#include <inttypes.h>

#define BENCH_ARCH "sd15"

/* What is measured, until the user has been told. */
typedef struct announcement {
    const limn_tool_options *options;
    const char *arch; /* NULL once it is said */
} announcement;

/* Work begins only after all that can be refused has been: not before is it said. */
static bool watch(void *user, const char *work) {
    announcement *a = user;
    (void)work;
    if (a->arch) limn_tool_note(a->options, "measuring %s, which takes a while", a->arch);
    a->arch = NULL;
    return !limn_tool_interrupted();
}

/* Four digits are more than a measurement has. */
static void put(const char *before, double value) {
    printf("%s%.4g", before, value);
}

static void print_json(const limn_bench_report *r) {
    const struct {
        const char *name;
        const limn_bench_stage *s;
    } stages[] = {{"text", &r->text}, {"unet_guided_step", &r->unet}, {"vae_decode", &r->decode}};
    put("{\"peak\":{\"f32_gflops\":", r->f32_gflops);
    put(",\"int8_gops\":", r->int8_gops);
    put(",\"read_gbs\":", r->read_gbs);
    fputs(",\"int8_with\":", stdout);
    limn_tool_json_text(stdout, r->int8_with);
    fputs("},\"stages\":{", stdout);
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        printf("%s\"%s\":", i ? "," : "", stages[i].name);
        put("{\"seconds\":", stages[i].s->seconds);
        put(",\"direct_gflop\":", stages[i].s->direct_gflop);
        put(",\"share\":", stages[i].s->share);
        putchar('}');
    }
    printf("},\"peak_bytes\":%zu,\"weights_bytes\":%zu,\"parameters\":%" PRIu64, r->peak_bytes,
           r->weights_bytes, r->parameters);
    fputs(",\"arch\":", stdout);
    limn_tool_json_text(stdout, r->arch);
    printf(",\"width\":%d,\"height\":%d,\"threads\":%d,\"runs\":%d,\"clock\":\"%s\",\"simd\":",
           r->width, r->height, r->threads, r->runs, r->wall ? "wall" : "processor");
    limn_tool_json_text(stdout, r->simd);
    fputs(",\"precision\":", stdout);
    limn_tool_json_text(stdout, r->precision);
    fputs("}\n", stdout);
}

static void print_stage(const char *what, const limn_bench_stage *s) {
    printf("  %-28s %10.4g s %9.4g GFLOP %7.1f %%\n", what, s->seconds, s->direct_gflop,
           100 * s->share);
}

static void print_table(const limn_bench_report *r) {
    printf("%s at %dx%d: %.1f million numbers, %s, level %s, %d thread%s\n", r->arch, r->width,
           r->height, (double)r->parameters / 1e6, r->precision, r->simd, r->threads,
           r->threads > 1 ? "s" : "");
    printf("  float32 multiply-adds %15.1f GFLOP/s\n", r->f32_gflops);
    printf("  int8 products %23.1f GOP/s (%s)\n", r->int8_gops, r->int8_with);
    printf("  reading memory %22.1f GB/s\n", r->read_gbs);
    printf("Medians of %d, %s; share: of the float32 peak, as if no operation were saved\n",
           r->runs, r->wall ? "time on the wall" : "the processor's time");
    print_stage("text, one prompt", &r->text);
    print_stage("U-Net, one guided step", &r->unet);
    print_stage("decoding to pixels", &r->decode);
    printf("  peak memory %25.1f MB, %.1f MB of it weights\n", (double)r->peak_bytes / 1e6,
           (double)r->weights_bytes / 1e6);
}

int limn_tool_bench(const limn_tool_options *options) {
    const char *arch = options->arch ? options->arch : BENCH_ARCH;
    announcement said = {.options = options, .arch = arch};
    const limn_bench_options o = {
        .arch = arch,
        .width = options->width,
        .height = options->height,
        .threads = options->threads,
        .runs = options->runs,
        .precision = options->precision,
        .user = &said,
        .watch = watch,
    };
    limn_bench_report report;
    limn_error error;
    limn_tool_interrupt_catch();
    if (limn_bench_run(&o, &report, &error) != LIMN_OK) return limn_tool_fail_with(&error);
    if (options->json)
        print_json(&report);
    else
        print_table(&report);
    return limn_tool_flush();
}
