/* The library as a program outside of this tree uses it: limn.h and nothing else. Models, requests
 * and rendering; test_limn_api_files.c has files, recipes and batches. */
#include <limn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TINY "tests/golden/tiny-sd15"

static limn_model *model;

static int open_model(void **state) {
    (void)state;
    limn_error error;
    if (limn_model_open(TINY, NULL, &model, &error) == LIMN_OK) return 0;
    fprintf(stderr, "%s: %s\n", TINY, error.text);
    return 1;
}

static int close_model(void **state) {
    (void)state;
    limn_model_close(model);
    return 0;
}

/* A request that takes milliseconds. */
static limn_request small_request(uint64_t seed) {
    limn_request r;
    limn_request_defaults(model, &r);
    r.prompt = "a red apple on a wooden table";
    r.negative = "blur";
    r.seed = seed;
    r.steps = 2;
    r.guidance = 5;
    r.width = r.height = 64;
    return r;
}

/* Draws with `threads` threads, and fails the test where that fails. */
static limn_picture *draw(const limn_request *r, int threads) {
    limn_options options = {.threads = threads};
    limn_picture *p = NULL;
    limn_error error;
    if (limn_render(model, r, &options, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    assert_non_null(p);
    return p;
}

static void assert_same_pixels(const limn_picture *a, const limn_picture *b) {
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3);
}

static void test_version(void **state) {
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", LIMN_VERSION_MAJOR, LIMN_VERSION_MINOR,
             LIMN_VERSION_PATCH);
    assert_string_equal(limn_version(), expected);
}

static void test_missing_model(void **state) {
    (void)state;
    limn_model *m = NULL;
    limn_error error = {0};
    assert_int_equal(limn_model_open("tests/golden/no-such-model",
                                     &(limn_open_options){.threads = 1}, &m, &error),
                     LIMN_E_MISSING);
    assert_null(m);
    assert_int_equal(error.status, LIMN_E_MISSING);
    assert_non_null(strstr(error.text, "no-such-model"));
    assert_int_equal(
        limn_model_open("tests/golden/no-such-model", &(limn_open_options){.threads = 1}, &m, NULL),
        LIMN_E_MISSING);
    limn_model_close(NULL);
}

static void test_describe(void **state) {
    (void)state;
    limn_model_info info = limn_model_describe(model);
    assert_string_equal(info.name, "tiny-sd15");
    assert_int_equal(strlen(info.sha256), 64);
    assert_int_equal(info.size_step_px, 8);
    assert_int_equal(info.max_tokens, 75);
    assert_string_equal(info.prediction, "epsilon");
    assert_true(info.steps > 0 && info.width > 0 && info.height > 0);
    assert_true(info.parameters > 100000 && info.resident_bytes > 100000);
    assert_non_null(limn_sampler_find(info.sampler, NULL));
}

static void test_defaults_can_be_planned(void **state) {
    (void)state;
    limn_request r;
    limn_request_defaults(model, &r);
    assert_string_equal(r.prompt, "");
    assert_int_equal(r.seed, 0);
    limn_plan plan = {0};
    limn_error error;
    assert_int_equal(limn_request_plan(model, &r, &plan, &error), LIMN_OK);
    assert_true(plan.evaluations >= r.steps);
    assert_true(plan.peak_bytes >= plan.model_bytes + plan.workspace_bytes);
    assert_true(plan.workspace_bytes > (size_t)r.width * (size_t)r.height * 3);
    assert_true(plan.gflop > 0);
}

/* Values that a plan and a rendering both refuse, with one sentence. */
static void test_refusals(void **state) {
    (void)state;
    limn_request good = small_request(1);
    limn_request bad[] = {good, good, good, good, good, good, good, good};
    bad[0].width = 65;
    bad[1].height = 0;
    bad[2].steps = 0;
    bad[3].guidance = -1;
    bad[4].sampler = "no such sampler";
    bad[5].schedule = "no such schedule";
    bad[6].rng = "dice";
    bad[7].width = bad[7].height = 1 << 30;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        limn_plan plan;
        limn_picture *p = NULL;
        limn_error error = {0};
        limn_status planned = limn_request_plan(model, &bad[i], &plan, &error);
        assert_true(planned == LIMN_E_USAGE || (i == 7 && planned == LIMN_E_MEMORY));
        assert_true(strlen(error.text) > 10);
        limn_error again = {0};
        assert_int_equal(limn_render(model, &bad[i], NULL, &p, &again), planned);
        assert_string_equal(again.text, error.text);
        assert_null(p);
    }
}

/* A prompt's length, which a picture's recipe has to have room for: whichever of the four it is. */
static void test_long_prompts(void **state) {
    (void)state;
    enum { MOST = 256 << 10 };
    char *text = malloc(MOST + 2);
    assert_non_null(text);
    for (int i = 0; i <= MOST; i++) text[i] = i % 2 ? ' ' : 'a';
    text[MOST + 1] = '\0';
    limn_request r[] = {small_request(1), small_request(1), small_request(1), small_request(1)};
    r[0].prompt = r[1].negative = r[2].prompt_2 = r[3].negative_2 = text;
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        limn_plan plan;
        limn_error error = {0};
        assert_int_equal(limn_request_plan(model, &r[i], &plan, &error), LIMN_E_USAGE);
        assert_string_equal(error.text, "a prompt of 262145 bytes, at most 262144 are read");
    }
    text[MOST] = '\0';
    limn_plan plan;
    limn_error error;
    r[0].prompt_syntax = "plain"; /* of which the model reads the beginning */
    if (limn_request_plan(model, &r[0], &plan, &error) != LIMN_OK) fail_msg("%s", error.text);
    free(text);
}

static void test_opened_without_its_encoder(void **state) {
    (void)state;
    limn_request r = small_request(1);
    limn_picture *first = draw(&r, 1), *p = NULL;
    limn_error error = {0};
    limn_plan plan;
    r.init.picture = first;
    assert_int_equal(limn_render(model, &r, NULL, &p, &error), LIMN_E_USAGE);
    assert_string_equal(error.text, "tiny-sd15 was opened without its encoder, which a picture to "
                                    "begin with needs");
    assert_null(p);
    assert_int_equal(limn_request_plan(model, &r, &plan, &error), LIMN_E_USAGE);
    limn_picture_free(first);
}

static void test_prompt_inspect(void **state) {
    (void)state;
    limn_prompt_check check;
    limn_error error;
    assert_int_equal(limn_prompt_inspect(model, "", &check, &error), LIMN_OK);
    assert_int_equal(check.tokens, 0);
    assert_int_equal(check.max_tokens, 75);
    assert_string_equal(check.dropped, "");
    assert_false(check.repaired);

    char longest[1000] = "";
    for (int i = 0; i < 80; i++) strcat(longest, "cat ");
    strcat(longest, "lantern");
    assert_int_equal(limn_prompt_inspect(model, longest, &check, &error), LIMN_OK);
    assert_true(check.tokens > 75);
    assert_non_null(strstr(check.dropped, "lantern"));

    assert_int_equal(limn_prompt_inspect(model, "broken \xff text", &check, &error), LIMN_OK);
    assert_true(check.repaired);
}

static void test_render(void **state) {
    (void)state;
    limn_request r = small_request(7);
    limn_picture *p = draw(&r, 0);
    assert_int_equal(p->width, 64);
    assert_int_equal(p->height, 64);
    assert_non_null(p->recipe);
    assert_non_null(strstr(p->recipe, "a red apple on a wooden table"));
    assert_non_null(p->parameters);
    assert_non_null(strstr(p->parameters, "Steps: 2, "));
    assert_non_null(strstr(p->parameters, "Seed: 7, "));
    int different = 0;
    for (int i = 3; i < 64 * 64 * 3; i++) different += p->rgb[i] != p->rgb[i - 3];
    assert_true(different > 100); /* a picture, not one colour */
    limn_picture_free(p);
    limn_picture_free(NULL);
}

static void test_seed_changes_the_picture(void **state) {
    (void)state;
    limn_request r = small_request(7), other = small_request(8);
    limn_picture *a = draw(&r, 0), *b = draw(&other, 0);
    assert_memory_not_equal(a->rgb, b->rgb, 64 * 64 * 3);
    limn_picture_free(a);
    limn_picture_free(b);
}

static void test_thread_count_changes_nothing(void **state) {
    (void)state;
    limn_request r = small_request(9);
    limn_picture *one = draw(&r, 1);
    for (int threads = 2; threads <= 5; threads++) {
        limn_picture *more = draw(&r, threads);
        assert_same_pixels(one, more);
        assert_string_equal(one->recipe, more->recipe);
        limn_picture_free(more);
    }
    limn_picture_free(one);
}

/* What the callbacks saw. */
typedef struct seen {
    int calls, last_step, previews, stop_after;
    bool in_order;
} seen;

static bool on_progress(void *user, const limn_progress *p) {
    seen *s = user;
    s->in_order = s->in_order && p->step >= s->last_step && p->steps == 4 && p->step <= p->steps;
    s->last_step = p->step;
    s->calls++;
    return s->stop_after == 0 || p->step < s->stop_after;
}

static void on_preview(void *user, int width, int height, const uint8_t *rgb) {
    seen *s = user;
    s->previews += width == 8 && height == 8 && rgb != NULL;
}

static void test_progress_and_preview(void **state) {
    (void)state;
    limn_request r = small_request(7);
    r.steps = 4;
    limn_picture *plain = draw(&r, 0), *p = NULL;
    seen s = {.in_order = true};
    limn_options options = {.user = &s, .progress = on_progress, .preview = on_preview};
    limn_error error;
    assert_int_equal(limn_render(model, &r, &options, &p, &error), LIMN_OK);
    assert_true(s.in_order);
    assert_true(s.calls >= 4);
    assert_int_equal(s.last_step, 4);
    assert_true(s.previews >= 4);
    assert_same_pixels(plain, p); /* watching changes nothing */
    limn_picture_free(plain);
    limn_picture_free(p);
}

/* What previews showed. */
typedef struct gallery {
    int count, changed, colours; /* of how many steps; how often another picture; of the last */
    int width, height;
    uint8_t last[64 * 64 * 3];
} gallery;

static void hang(void *user, int width, int height, const uint8_t *rgb) {
    gallery *g = user;
    const size_t size = (size_t)width * (size_t)height * 3;
    assert_true(size <= sizeof g->last);
    g->changed += g->count++ > 0 && memcmp(rgb, g->last, size) != 0;
    memcpy(g->last, rgb, size);
    g->width = width;
    g->height = height;
    g->colours = 1;
    for (size_t i = 3; i < size; i += 3) g->colours += memcmp(rgb + i, rgb, 3) != 0;
}

static gallery previews_of(const limn_model *m, const limn_request *r) {
    gallery g = {0};
    limn_picture *p;
    limn_error error;
    const limn_options options = {.user = &g, .preview = hang};
    if (limn_render(m, r, &options, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    limn_picture_free(p);
    assert_int_equal(g.count, r->steps);
    assert_int_equal(g.changed, r->steps - 1);
    assert_true(g.colours > g.width * g.height / 2);
    return g;
}

/* Each step's is another picture, of more than one colour; and what the last shows is what is drawn
 * (of the built-in model, whose latents have a basis of colours). */
static void test_previews_are_pictures(void **state) {
    (void)state;
    limn_request r = small_request(7);
    limn_model *vignette;
    limn_error error;
    r.steps = 4;
    r.sampler = "euler";
    const gallery tiny = previews_of(model, &r);
    assert_int_equal(tiny.width, 8);
    if (limn_model_open("weights/vignette", NULL, &vignette, &error) != LIMN_OK)
        fail_msg("%s", error.text);
    r.width = r.height = 256;
    const gallery g = previews_of(vignette, &r);
    limn_picture *p = NULL;
    if (limn_render(vignette, &r, NULL, &p, &error) != LIMN_OK) fail_msg("%s", error.text);
    const int side = p->width / g.width;
    double off = 0;
    for (int y = 0; y < g.height; y++)
        for (int x = 0; x < g.width; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int i = 0; i < side * side; i++)
                    sum += p->rgb[((y * side + i / side) * p->width + x * side + i % side) * 3 + c];
                off += abs(g.last[(y * g.width + x) * 3 + c] - sum / (side * side));
            }
    if (off / (g.width * g.height * 3) > 4)
        fail_msg("%g off the picture's mean colours", off / (g.width * g.height * 3));
    limn_picture_free(p);
    limn_model_close(vignette);
}

static void test_cancel(void **state) {
    (void)state;
    limn_request r = small_request(7);
    r.steps = 4;
    seen s = {.in_order = true, .stop_after = 2};
    limn_options options = {.user = &s, .progress = on_progress};
    limn_picture *p = NULL;
    limn_error error = {0};
    assert_int_equal(limn_render(model, &r, &options, &p, &error), LIMN_E_CANCELLED);
    assert_null(p);
    assert_int_equal(s.last_step, 2);
    assert_int_equal(error.status, LIMN_E_CANCELLED);
    p = draw(&r, 0); /* the model is as it was */
    limn_picture_free(p);
}

/* Counts how often it is asked, and says yes the stop_at-th time (0 = never). */
typedef struct patience {
    int asked, stop_at;
} patience;

static bool is_enough(void *user) {
    patience *p = user;
    return ++p->asked == p->stop_at;
}

/* Draws until it is told to stop, the stop_at-th time that it asks. */
static void check_stop(const limn_request *r, int threads, int stop_at) {
    patience some = {.stop_at = stop_at};
    limn_options options = {.threads = threads, .user = &some, .stop = is_enough};
    limn_picture *p = NULL;
    limn_error error = {0};
    assert_int_equal(limn_render(model, r, &options, &p, &error), LIMN_E_CANCELLED);
    assert_null(p);
    assert_int_equal(some.asked, stop_at); /* after a yes it is not asked again */
    assert_non_null(strstr(error.text, "stopped"));
}

/* Anywhere in a step, in the first product of the text encoder and in the decoder's last. With
 * several threads it is not asked as often each time: behind those tasks that the caller does. */
static void test_stop(void **state) {
    (void)state;
    limn_request r = small_request(7);
    r.steps = 2;
    patience all = {0};
    limn_options options = {.threads = 1, .user = &all, .stop = is_enough};
    limn_picture *plain = draw(&r, 0), *p = NULL;
    limn_error error = {0};
    assert_int_equal(limn_render(model, &r, &options, &p, &error), LIMN_OK);
    assert_same_pixels(plain, p);
    assert_true(all.asked > 200);
    limn_picture_free(plain);
    limn_picture_free(p);
    const int places[] = {1, 2, all.asked / 4, all.asked / 2, all.asked * 3 / 4, all.asked};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) check_stop(&r, 1, places[i]);
    for (int stop_at = 1; stop_at < 200; stop_at += 66) check_stop(&r, 2, stop_at);
}

/* One of several threads that draw with the same model. */
typedef struct worker {
    pthread_t thread;
    limn_request request;
    limn_status status;
    limn_picture *picture;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    limn_options options = {.threads = 2};
    w->status = limn_render(model, &w->request, &options, &w->picture, NULL);
    return NULL;
}

static void test_threads_share_a_model(void **state) {
    (void)state;
    worker w[3] = {0};
    for (int i = 0; i < 3; i++) {
        w[i].request = small_request(20 + (uint64_t)i / 2); /* two of the same, one other */
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(w[i].thread, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].status, LIMN_OK);
        limn_picture *alone = draw(&w[i].request, 1);
        assert_same_pixels(alone, w[i].picture);
        limn_picture_free(alone);
    }
    for (int i = 0; i < 3; i++) limn_picture_free(w[i].picture);
}

/* Every choice is found by its own name and by A1111's, whatever the spelling. */
static void check_choices(const limn_choice *choices, int count,
                          const char *(*find)(const char *)) {
    assert_true(count > 1);
    for (int i = 0; i < count; i++) {
        assert_string_equal(find(choices[i].name), choices[i].name);
        assert_string_equal(find(choices[i].label), choices[i].name);
        assert_true(strlen(choices[i].about) > 0);
    }
    assert_null(find("no such thing"));
}

static const char *find_sampler(const char *spelling) {
    return limn_sampler_find(spelling, NULL);
}

static void test_choices(void **state) {
    (void)state;
    int count;
    const limn_choice *choices = limn_samplers(&count);
    check_choices(choices, count, find_sampler);
    choices = limn_schedules(&count);
    check_choices(choices, count, limn_schedule_find);
    choices = limn_rngs(&count);
    check_choices(choices, count, limn_rng_find);

    const char *schedule = NULL;
    assert_string_equal(limn_sampler_find("DPM++ 2M Karras", &schedule), "dpmpp_2m");
    assert_string_equal(schedule, "karras");
    assert_string_equal(limn_sampler_find("EULER-A", NULL), "euler_a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_missing_model),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_defaults_can_be_planned),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_prompts),
        cmocka_unit_test(test_opened_without_its_encoder),
        cmocka_unit_test(test_prompt_inspect),
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_seed_changes_the_picture),
        cmocka_unit_test(test_thread_count_changes_nothing),
        cmocka_unit_test(test_progress_and_preview),
        cmocka_unit_test(test_previews_are_pictures),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_threads_share_a_model),
        cmocka_unit_test(test_choices),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
