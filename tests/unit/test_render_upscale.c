/* The second, larger pass: how latents are made larger, and that the plan knows of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "render/upscale.h"

/* torch 1.13: interpolate(size = (5, 4), mode = "bilinear") of k^2 / 7, k = 0 ... 11, [2, 2, 3]. */
static void latents_grow_as_in_torch(void **state) {
    static const float want[40] = {
        0.0f,      5.142857f,  0.089286f, 6.303571f,  0.303571f, 7.803572f,  0.571429f, 9.142858f,
        0.128571f, 5.785714f,  0.271429f, 7.0f,       0.55f,     8.564286f,  0.871429f, 9.957143f,
        0.642857f, 8.357142f,  1.0f,      9.785714f,  1.535714f, 11.607143f, 2.071429f, 13.214287f,
        1.157143f, 10.928571f, 1.728571f, 12.571429f, 2.521429f, 14.650002f, 3.271429f, 16.47143f,
        1.285714f, 11.571428f, 1.910714f, 13.267858f, 2.767857f, 15.410715f, 3.571429f, 17.285715f};
    (void)state;
    float small[12], large[40];
    for (int k = 0; k < 12; k++) small[k % 6 * 2 + k / 6] = (float)(k * k) / 7.0f;
    const limn_map from = {small, 1, 2, 3, 2};
    limn_map to = {large, 1, 5, 4, 2};
    limn_upscale_latents(&from, &to);
    for (int i = 0; i < 40; i++)
        if (fabsf(large[i] - want[i]) > 2e-6f)
            fail_msg("value %d is %g, expected %g", i, (double)large[i], (double)want[i]);
}

static bool count_steps(void *user, const limn_progress *p) {
    int *seen = user;
    assert_int_equal(p->step, seen[0] + 1);
    seen[0] = p->step;
    seen[1] = p->steps;
    return true;
}

static void a_second_pass_is_planned_and_drawn(void **state) {
    (void)state;
    limn_model *m = NULL;
    limn_error err;
    assert_int_equal(limn_model_open("tests/golden/tiny-sd15", NULL, &m, &err), LIMN_OK);
    limn_request r;
    limn_plan once, twice;
    limn_request_defaults(m, &r);
    r.sampler = "euler";
    r.width = r.height = 64;
    r.steps = 3;
    assert_int_equal(limn_request_plan(m, &r, &once, &err), LIMN_OK);
    r.upscale = 1.3; /* 83.2 px: 80 */
    r.upscale_strength = 0.5;
    r.upscale_steps = 2;
    assert_int_equal(limn_request_plan(m, &r, &twice, &err), LIMN_OK);
    assert_int_equal(once.evaluations, 3);
    assert_int_equal(twice.evaluations, 5);
    assert_true(twice.workspace_bytes > once.workspace_bytes && twice.gflop > once.gflop);
    int seen[2] = {0, 0};
    const limn_options how = {.threads = 1, .user = seen, .progress = count_steps};
    limn_picture *p = NULL;
    assert_int_equal(limn_render(m, &r, &how, &p, &err), LIMN_OK);
    assert_int_equal(p->width, 80);
    assert_int_equal(p->height, 80);
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 5);
    assert_non_null(
        strstr(p->recipe, "\"upscale\":1.3,\"upscale_strength\":0.5,\"upscale_steps\":2"));
    assert_non_null(strstr(p->parameters, "Hires upscale: 1.3, Hires steps: 2, Hires upscaler: "
                                          "Latent, Denoising strength: 0.5"));
    /* A1111's text alone says the same. */
    limn_picture text = {.width = 80, .height = 80, .parameters = p->parameters};
    limn_recipe *recipe = NULL;
    assert_int_equal(limn_recipe_read(&text, &recipe, &err), LIMN_OK);
    const limn_request *q = limn_recipe_request(recipe);
    assert_true(q->upscale == 1.3 && q->upscale_strength == 0.5 && q->upscale_steps == 2);
    assert_true(q->strength == 0 && q->width == 64);
    limn_recipe_free(recipe);
    limn_picture_free(p);

    r.upscale_strength = 0.001;
    assert_int_equal(limn_request_plan(m, &r, &twice, &err), LIMN_E_USAGE);
    r.upscale_strength = 0.5;
    r.upscale = 200;
    assert_int_equal(limn_request_plan(m, &r, &twice, &err), LIMN_E_USAGE);
    limn_model_close(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latents_grow_as_in_torch),
        cmocka_unit_test(a_second_pass_is_planned_and_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
