/* The peak of memory that a plan foretells, and a limit on it, against what a process really took.
 * The program runs itself for that: what a process had before does not count for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "limn.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* it has memory of its own, of which no plan knows */
#else
#define SANITIZED 0
#endif

static const char *program; /* this one */

/* What a process that drew one picture says. */
typedef struct answer {
    size_t planned, peak; /* bytes; planned without the limit */
} answer;

/* What that process does: draws a picture of side px (0: the model's own), where a limit is not 0
 * with no more memory than that, and prints the answer. */
static int draw(const char *model, int side, size_t limit) {
    limn_model *m;
    limn_request r;
    limn_plan plan;
    limn_picture *p;
    limn_error error = {0};
    uint8_t *png;
    size_t size;
    struct rusage used;
    const limn_open_options how = {.threads = 2, .max_memory = limit};
    const limn_options drawing = {.threads = 2, .max_memory = limit};
    limn_status status = limn_model_open(model, &how, &m, &error);
    if (status == LIMN_OK) {
        limn_request_defaults(m, &r);
        r.prompt = "a red apple";
        r.steps = 2;
        if (side > 0) r.width = r.height = side;
        status = limn_request_plan(m, &r, &plan, &error);
    }
    if (status == LIMN_OK) status = limn_render(m, &r, &drawing, &p, &error);
    if (status == LIMN_OK) status = limn_picture_png(p, &png, &size, &error);
    getrusage(RUSAGE_SELF, &used);
    if (status == LIMN_OK) printf("%zu %zu\n", plan.peak_bytes, (size_t)used.ru_maxrss * 1024);
    if (status != LIMN_OK) fprintf(stderr, "%s: %s\n", model, error.text);
    return status;
}

static answer process(const char *model, int side, size_t limit) {
    char command[1000];
    answer a;
    snprintf(command, sizeof command, "exec '%s' '%s' %d %zu", program, model, side, limit);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    const int numbers = fscanf(f, "%zu %zu", &a.planned, &a.peak);
    assert_int_equal(pclose(f), 0);
    assert_int_equal(numbers, 2);
    return a;
}

/* The README's promise: within 5 %. */
static void the_peak_is_as_planned(void **state) {
    static const struct {
        const char *model;
        int side;
    } cases[] = {
        {"weights/vignette", 0}, {"tests/golden/tiny-sd15", 0}, {"tests/golden/tiny-sd15", 256}};
    (void)state;
    if (SANITIZED) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const answer a = process(cases[i].model, cases[i].side, 0);
        const double off = (double)a.peak / (double)a.planned - 1;
        if (off > 0.05 || off < -0.05)
            fail_msg("%s, %d px: %zu bytes planned, %zu taken, %+.1f %%", cases[i].model,
                     cases[i].side, a.planned, a.peak, 100 * off);
    }
}

/* Tiles make the picture fit, and the process keeps to what it was given. */
static void a_limit_is_kept(void **state) {
    (void)state;
    if (SANITIZED) skip();
    const answer free = process("weights/vignette", 384, 0);
    const size_t limit = free.planned - free.planned / 32;
    const answer bound = process("weights/vignette", 384, limit);
    assert_true(free.peak > limit);
    if (bound.peak > limit) fail_msg("%zu bytes taken, of %zu allowed", bound.peak, limit);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peak_is_as_planned),
        cmocka_unit_test(a_limit_is_kept),
    };
    program = argv[0];
    if (argc == 4) return draw(argv[1], atoi(argv[2]), strtoull(argv[3], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
