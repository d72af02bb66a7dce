/* Samplers on their own: every combination is finite, a perfect model's picture is reached, memory
 * is known before, and wrong requests get a sentence. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/sampling.h"

#define VALUES 5

/* Models of different kinds. The last ends a run above noise level 0, so that what is left of the
 * noise stays in the result. */
static const char *const models[] = {
    "{\"beta_schedule\": \"scaled_linear\", \"beta_start\": 0.00085, \"beta_end\": 0.012,"
    " \"steps_offset\": 1, \"set_alpha_to_one\": true, \"prediction_type\": \"%s\","
    " \"timestep_spacing\": \"leading\"}",
    "{\"beta_schedule\": \"squaredcos_cap_v2\", \"set_alpha_to_one\": true,"
    " \"prediction_type\": \"%s\", \"timestep_spacing\": \"trailing\"}",
    "{\"beta_schedule\": \"linear\", \"set_alpha_to_one\": true, \"prediction_type\": \"%s\","
    " \"solver_order\": 3, \"solver_type\": \"heun\", \"lower_order_final\": false}",
    "{\"beta_schedule\": \"linear\", \"prediction_type\": \"%s\", \"final_sigmas_type\":"
    " \"sigma_min\", \"set_alpha_to_one\": false, \"solver_order\": 3, \"solver_type\": \"bh1\","
    " \"lower_order_final\": false}",
};

#define MODELS (sizeof models / sizeof models[0])

static limn_schedule load(const char *text) {
    limn_config *c;
    limn_error err;
    limn_schedule s;
    assert_int_equal(limn_config_read((const uint8_t *)text, strlen(text), "test", &c, &err),
                     LIMN_OK);
    if (limn_schedule_load(c, &s, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_config_free(c);
    return s;
}

static limn_schedule load_model(size_t i, const char *prediction) {
    char text[400];
    snprintf(text, sizeof text, models[i], prediction);
    return load(text);
}

/* Starts a run in an arena of exactly the size that measuring gave. */
static limn_sampling *begin(const limn_schedule *s, const char *sampler, int steps, double eta,
                            limn_arena *ws) {
    limn_error err;
    limn_sampling *run;
    *ws = limn_arena_measure();
    if (limn_sampling_begin(s, sampler, steps, eta, VALUES, ws, &run, &err) != LIMN_OK) {
        fail_msg("%s", err.text);
    }
    assert_null(run);
    size_t size = ws->peak;
    assert_int_equal(limn_arena_open(ws, size, &err), LIMN_OK);
    assert_int_equal(limn_sampling_begin(s, sampler, steps, eta, VALUES, ws, &run, &err), LIMN_OK);
    assert_int_equal(ws->used, size);
    return run;
}

static const float picture[VALUES] = {0.0f, 1.0f, -1.0f, 0.5f, -3.0f};
static const float unit_noise[VALUES] = {0.3f, -1.2f, 0.01f, 2.1f, -0.7f};

/* Where x stands at this call: x = alpha picture + sigma noise for what the U-Net is given. */
static void level(const limn_sampling *run, const limn_schedule *s, double *alpha, double *sigma) {
    const char *name = run->sampler->name;
    double now = run->now[run->call];
    if (strcmp(name, "pndm") == 0) {
        double deviation = limn_steps_sigma(s, run->timesteps[run->call]);
        now = 1 / (deviation * deviation + 1);
    }
    bool bar = strcmp(name, "pndm") == 0 || strcmp(name, "ddim") == 0 ||
               strcmp(name, "ddpm") == 0 || strcmp(name, "lcm") == 0 || strcmp(name, "tcd") == 0;
    *alpha = bar ? sqrt(now) : 1 / sqrt(now * now + 1);
    *sigma = sqrt(1 - *alpha * *alpha);
}

/* A model that knows the picture: its output for what it is given. */
static void perfect(const limn_sampling *run, const limn_schedule *s, const float *in, float *out) {
    double alpha, sigma;
    level(run, s, &alpha, &sigma);
    for (int i = 0; i < VALUES; i++) {
        double noise = (in[i] - alpha * picture[i]) / sigma;
        double v = alpha * noise - sigma * picture[i];
        out[i] = s->prediction == LIMN_PREDICT_EPSILON ? (float)noise
                 : s->prediction == LIMN_PREDICT_V     ? (float)v
                                                       : picture[i];
    }
}

/* Draws with the perfect model; x is the result. */
static void draw(limn_sampling *run, const limn_schedule *s, float *x) {
    float in[VALUES], out[VALUES], fresh[VALUES];
    int done = 0, first = limn_sampling_first(run);
    for (int i = 0; i < VALUES; i++) x[i] = unit_noise[i] * (float)limn_sampling_init_sigma(run);
    if (first > 0) limn_sampling_noised(run, first, picture, unit_noise, x);
    for (int call = first; call < limn_sampling_calls(run); call++) {
        double t = limn_sampling_timestep(run, call);
        assert_true(t >= 0 && t <= s->train_steps - 1);
        limn_sampling_input(run, x, in);
        perfect(run, s, in, out);
        for (int i = 0; i < VALUES; i++) fresh[i] = call % 2 == 0 ? unit_noise[i] : -unit_noise[i];
        limn_sampling_step(run, out, limn_sampling_wants_noise(run) ? fresh : NULL, x);
        assert_true(limn_sampling_steps_done(run) >= done);
        done = limn_sampling_steps_done(run);
    }
    assert_int_equal(done, run->steps - run->skipped);
    assert_false(limn_sampling_wants_noise(run));
}

/* Fails where the result is no number, or, if `near`, not the picture. Levels that end above 0
 * leave a little noise. */
static void check(const limn_sampling *run, const char *what, const float *x, double near) {
    for (int i = 0; i < VALUES; i++) {
        double off = fabs((double)(x[i] - picture[i]));
        if (!(off <= near)) {
            fail_msg("%s, %s, %d steps: value %d is %g, not %g", run->sampler->name, what,
                     run->steps, i, (double)x[i], (double)picture[i]);
        }
    }
}

/* How near to the picture a run must come.
 *   above  its schedule ends above noise level 0, so that it may leave any of the noise: finite
 * will do PLMS takes its slopes from where a step of train_steps / N would be; off that grid it is
 * as free. DDIM, by the same step, may end at training step 0 and its little noise, as DEIS always
 * does and LCM and TCD on some schedules (their only step is none at all where that is step 0 or
 * 1). LMS adds up a slope's rounding over all steps, from sigmas of 20,000 on. */
static double reach(const limn_sampling *run, bool above) {
    const char *name = run->sampler->name;
    if (above || strcmp(name, "pndm") == 0) return 1e6;
    bool distilled = strcmp(name, "lcm") == 0 || strcmp(name, "tcd") == 0;
    if (distilled && run->timesteps[0] <= 1) return 1e6;
    if (strcmp(name, "lms") == 0) return 1;
    static const char *const rough[] = {"ddim", "lcm", "tcd", "deis"};
    for (size_t i = 0; i < sizeof rough / sizeof rough[0]; i++) {
        if (strcmp(name, rough[i]) == 0) return 0.2;
    }
    return 0.01;
}

/* Every sampler, schedule, prediction and number of steps, those near 1000 where steps coincide
 * too. */
static void every_combination_reaches_the_picture(void **state) {
    (void)state;
    static const char *const predictions[] = {"epsilon", "v_prediction", "sample"};
    static const int counts[] = {1, 2, 3, 4, 7, 15, 20, 49, 333, 501, 750, 998, 999, 1000};
    int sampler_count, schedule_count;
    const limn_choice *samplers = limn_samplers(&sampler_count);
    const limn_choice *schedules = limn_schedules(&schedule_count);
    for (size_t m = 0; m < MODELS; m++) {
        for (int p = 0; p < 3; p++) {
            limn_schedule model = load_model(m, predictions[p]);
            for (int i = 0; i < sampler_count * schedule_count; i++) {
                const char *sampler = samplers[i % sampler_count].name;
                const char *schedule = schedules[i / sampler_count].name;
                limn_schedule s = model;
                limn_error err;
                bool blind = strcmp(schedule, "zsnr") == 0 && p == 0;
                assert_int_equal(limn_schedule_choose(&s, schedule, &err),
                                 blind ? LIMN_E_USAGE : LIMN_OK);
                if (blind) continue;
                for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
                    limn_arena ws;
                    limn_sampling *run = begin(&s, sampler, counts[n], 0.5, &ws);
                    float x[VALUES];
                    draw(run, &s, x);
                    check(run, schedule, x, reach(run, m + 1 == MODELS));
                    limn_arena_close(&ws);
                }
            }
        }
    }
}

/* A run that leaves out steps begins at a noised picture, and without a history. */
static void a_late_run_reaches_the_picture(void **state) {
    (void)state;
    static const int skipped[] = {1, 2, 5, 8, 9};
    int count;
    const limn_choice *samplers = limn_samplers(&count);
    limn_schedule s = load_model(0, "epsilon");
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof skipped / sizeof skipped[0]; k++) {
            limn_arena ws;
            limn_sampling *run = begin(&s, samplers[i].name, 10, 0, &ws);
            float x[VALUES];
            limn_sampling_skip(run, skipped[k]);
            draw(run, &s, x);
            bool rough = reach(run, false) == 0.2;
            check(run, "late", x, rough ? 0.2 : 0.01);
            limn_arena_close(&ws);
        }
    }
}

/* TCD as the paper's algorithm 4 has it, in double, from betas that are multiplied here: a model
 * whose output is its input's half, and noise that is known. */
static void tcd_is_the_papers(void **state) {
    (void)state;
    static const double gammas[] = {0, 0.3, 0.5, 1}; /* 0.5: steps that are cut to whole ones */
    static const int steps[] = {999, 759, 499, 259}; /* (50 - floor(12.5 i)) 20 - 1 */
    limn_schedule s = load_model(0, "epsilon");
    double bar[1000], product = 1, from = sqrt(0.00085), to = sqrt(0.012);
    for (int i = 0; i < 1000; i++) {
        double root = from + (to - from) * i / 999;
        bar[i] = product *= 1 - root * root;
    }
    for (size_t g = 0; g < sizeof gammas / sizeof *gammas; g++) {
        limn_arena ws;
        limn_sampling *run = begin(&s, "tcd", 4, gammas[g], &ws);
        float x[VALUES], out[VALUES];
        double y[VALUES];
        for (int i = 0; i < VALUES; i++) y[i] = (double)(x[i] = unit_noise[i]);
        for (int call = 0; call < 4; call++) {
            int next = call < 3 ? steps[call + 1] : 0;
            double a = bar[steps[call]], b = bar[(int)((1 - gammas[g]) * next + 1e-6)];
            assert_true(limn_sampling_timestep(run, call) == steps[call]);
            assert_true(limn_sampling_wants_noise(run) == (gammas[g] > 0 && call < 3));
            for (int i = 0; i < VALUES; i++) out[i] = 0.5f * x[i];
            limn_sampling_step(run, out, picture, x);
            for (int i = 0; i < VALUES; i++) {
                double e = 0.5 * y[i], p = (y[i] - sqrt(1 - a) * e) / sqrt(a);
                y[i] = sqrt(b) * p + sqrt(1 - b) * e;
                if (gammas[g] > 0 && call < 3)
                    y[i] =
                        sqrt(bar[next] / b) * y[i] + sqrt(1 - bar[next] / b) * (double)picture[i];
                assert_float_equal(x[i], y[i], 1e-4 * (1 + fabs(y[i])));
            }
        }
        limn_arena_close(&ws);
    }
}

static void plms_reaches_the_picture_on_its_grid(void **state) {
    (void)state;
    limn_schedule s = load_model(0, "epsilon");
    static const int counts[] = {1, 2, 3, 4, 5, 10, 20, 50};
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        limn_arena ws;
        limn_sampling *run = begin(&s, "pndm", counts[n], 0, &ws);
        float x[VALUES];
        draw(run, &s, x);
        check(run, "leading", x, 0.01);
        limn_arena_close(&ws);
    }
}

/* The same run twice, and beside another, gives the same bits: a run's state is its own. */
static void runs_do_not_touch_each_other(void **state) {
    (void)state;
    limn_schedule s = load_model(0, "epsilon");
    int count;
    const limn_choice *samplers = limn_samplers(&count);
    for (int i = 0; i < count; i++) {
        limn_arena a, b, c;
        limn_sampling *first = begin(&s, samplers[i].name, 9, 1, &a);
        limn_sampling *second = begin(&s, samplers[i].name, 9, 1, &b);
        limn_sampling *other = begin(&s, samplers[i].name, 4, 0, &c);
        float x[VALUES], y[VALUES], z[VALUES];
        draw(first, &s, x);
        draw(other, &s, z);
        draw(second, &s, y);
        assert_memory_equal(x, y, sizeof x);
        limn_arena_close(&a);
        limn_arena_close(&b);
        limn_arena_close(&c);
    }
}

static void clipping_bounds_the_picture(void **state) {
    (void)state;
    static const char *const samplers[] = {"ddim", "ddpm", "lcm", "heun"};
    limn_schedule s =
        load("{\"prediction_type\": \"sample\", \"clip_sample\": true, \"clip_sample_range\": 0.25,"
             " \"set_alpha_to_one\": true}");
    for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++) {
        limn_arena ws;
        limn_sampling *run = begin(&s, samplers[i], 10, 0, &ws);
        float x[VALUES];
        draw(run, &s, x);
        for (int k = 0; k < VALUES; k++) {
            float want = picture[k] > 0.25f ? 0.25f : picture[k] < -0.25f ? -0.25f : picture[k];
            assert_float_equal(x[k], want, 0.02);
        }
        limn_arena_close(&ws);
    }
}

/* A request that cannot be run, and what the sentence must name. */
static void refused(const limn_schedule *s, const char *sampler, int steps, double eta,
                    const char *word) {
    limn_error err = {LIMN_OK, ""};
    limn_sampling *run = (limn_sampling *)&err;
    limn_arena ws = limn_arena_measure();
    assert_int_equal(limn_sampling_begin(s, sampler, steps, eta, VALUES, &ws, &run, &err),
                     LIMN_E_USAGE);
    assert_null(run);
    assert_int_equal(ws.used, 0);
    if (strstr(err.text, word) == NULL) fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void wrong_requests_are_refused(void **state) {
    (void)state;
    limn_schedule s = load_model(0, "epsilon");
    refused(&s, "euler_b", 20, 0, "euler_b");
    refused(&s, "", 20, 0, "sampler");
    refused(&s, "euler", 0, 0, "1000");
    refused(&s, "euler", -1, 0, "-1");
    refused(&s, "euler", 1001, 0, "1001");
    refused(&s, "ddim", 20, 1.5, "eta");
    refused(&s, "ddim", 20, (double)NAN, "eta");
    limn_schedule brief = load("{\"num_train_timesteps\": 40, \"beta_end\": 0.5}");
    refused(&brief, "euler", 41, 0, "40");
    assert_int_equal(limn_sampling_calls_of("euler_b", 20), 0);
    assert_int_equal(limn_sampling_calls_of("heun", 20), 39);
    assert_int_equal(limn_sampling_calls_of("pndm", 20), 21);
}

static void a_full_arena_is_told(void **state) {
    (void)state;
    limn_schedule s = load_model(0, "epsilon");
    limn_error err;
    limn_sampling *run;
    limn_arena ws;
    assert_int_equal(limn_arena_open(&ws, 2048, &err), LIMN_OK);
    assert_int_equal(limn_sampling_begin(&s, "heun", 20, 0, 4096, &ws, &run, &err), LIMN_E_MEMORY);
    assert_null(run);
    limn_arena_close(&ws);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_reaches_the_picture),
        cmocka_unit_test(a_late_run_reaches_the_picture),
        cmocka_unit_test(tcd_is_the_papers),
        cmocka_unit_test(plms_reaches_the_picture_on_its_grid),
        cmocka_unit_test(runs_do_not_touch_each_other),
        cmocka_unit_test(clipping_bounds_the_picture),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(a_full_arena_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
