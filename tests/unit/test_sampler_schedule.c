/* Reading a scheduler_config.json: what is said, what is not, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/sampler.h"

static limn_status load(const char *text, limn_schedule *s, limn_error *err) {
    limn_config *c;
    limn_status status = limn_config_read((const uint8_t *)text, strlen(text), "test", &c, err);
    if (status != LIMN_OK) return status;
    status = limn_schedule_load(c, s, err);
    limn_config_free(c);
    return status;
}

static limn_schedule loaded(const char *text) {
    limn_schedule s;
    limn_error err;
    if (load(text, &s, &err) != LIMN_OK) fail_msg("%s: %s", text, err.text);
    return s;
}

static void what_is_not_said_has_the_class_default(void **state) {
    (void)state;
    limn_schedule s = loaded("{}");
    assert_int_equal(s.train_steps, 1000);
    assert_int_equal(s.prediction, LIMN_PREDICT_EPSILON);
    assert_int_equal(s.spacing, LIMN_SPACING_UNSAID);
    assert_int_equal(s.set_alpha_to_one, LIMN_UNSAID);
    assert_int_equal(s.sigmas, LIMN_SIGMAS_SPACED);
    assert_int_equal(s.solver_order, 2);
    assert_int_equal(s.original_steps, 50);
    assert_false(s.clip_sample);
    assert_true(s.lower_order_final);
    assert_string_equal(s.sampler, "");
    assert_float_equal(s.alphas_cumprod[0], 1 - 0.0001, 1e-7);
}

static void what_is_said_is_read(void **state) {
    (void)state;
    limn_schedule s = loaded(
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"beta_schedule\": "
        "\"squaredcos_cap_v2\", \"num_train_timesteps\": 500, \"prediction_type\": "
        "\"v_prediction\", \"timestep_spacing\": \"trailing\", \"steps_offset\": 1,"
        "\"set_alpha_to_one\": false, \"use_karras_sigmas\": true, \"algorithm_type\": "
        "\"sde-dpmsolver++\", \"solver_type\": \"heun\", \"final_sigmas_type\": \"sigma_min\","
        "\"trained_betas\": null, \"thresholding\": false, \"clip_sample\": true,"
        "\"clip_sample_range\": 2.5, \"lambda_min_clipped\": -5.1}");
    assert_int_equal(s.train_steps, 500);
    assert_int_equal(s.prediction, LIMN_PREDICT_V);
    assert_int_equal(s.spacing, LIMN_SPACING_TRAILING);
    assert_int_equal(s.set_alpha_to_one, 0);
    assert_int_equal(s.steps_offset, 1);
    assert_int_equal(s.sigmas, LIMN_SIGMAS_KARRAS);
    assert_true(s.cosine && s.solver_heun && s.final_sigma_min && s.clip_sample);
    assert_float_equal(s.clip_sample_range, 2.5, 0);
    assert_float_equal(s.lambda_min, -5.1, 0);
    assert_string_equal(s.sampler, "dpmpp_2m_sde");
}

static void trained_betas_are_taken(void **state) {
    (void)state;
    limn_schedule s = loaded("{\"num_train_timesteps\": 3, \"trained_betas\": [0.5, 0.25, 0.5]}");
    assert_float_equal(s.alphas_cumprod[0], 0.5, 0);
    assert_float_equal(s.alphas_cumprod[1], 0.375, 0);
    assert_float_equal(s.alphas_cumprod[2], 0.1875, 0);
    assert_float_equal(limn_schedule_sigma(&s, 0), 1, 0);
}

/* What cannot be followed gets a sentence that names it. */
static void the_unknown_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"{\"thresholding\": true}", "thresholding"},
        {"{\"use_beta_sigmas\": true}", "use_beta_sigmas"},
        {"{\"use_lu_lambdas\": true}", "use_lu_lambdas"},
        {"{\"use_flow_sigmas\": true}", "use_flow_sigmas"},
        {"{\"use_karras_sigmas\": 1}", "use_karras_sigmas"},
        {"{\"use_karras_sigmas\": true, \"use_exponential_sigmas\": true}", "exponential"},
        {"{\"predict_x0\": false}", "predict_x0"},
        {"{\"interpolation_type\": \"log_linear\"}", "log_linear"},
        {"{\"timestep_type\": \"continuous\"}", "continuous"},
        {"{\"prediction_type\": \"flow_prediction\"}", "flow_prediction"},
        {"{\"timestep_spacing\": \"uniform\"}", "uniform"},
        {"{\"beta_schedule\": \"sigmoid\"}", "sigmoid"},
        {"{\"variance_type\": \"learned_range\"}", "learned_range"},
        {"{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\"}", "FlowMatch"},
        {"{\"num_train_timesteps\": 1}", "num_train_timesteps"},
        {"{\"num_train_timesteps\": 4097}", "4096"},
        {"{\"num_train_timesteps\": 1e9}", "num_train_timesteps"},
        {"{\"beta_start\": \"small\"}", "beta_start"},
        {"{\"beta_start\": -0.1}", "beta_start"},
        {"{\"beta_start\": 0, \"beta_end\": 0}", "beta"},
        {"{\"beta_start\": 0.9, \"beta_end\": 0.99}", "alpha-bar"},
        {"{\"beta_start\": 1e-12, \"beta_end\": 1e-11}", "alpha-bar"},
        {"{\"trained_betas\": [0.1, 0.2]}", "trained_betas"},
        {"{\"num_train_timesteps\": 2, \"trained_betas\": [0.1, 1]}", "beta 1"},
        {"{\"steps_offset\": -1}", "steps_offset"},
        {"{\"sigma_min\": 5, \"sigma_max\": 2}", "sigma_min"},
        {"{\"original_inference_steps\": 0}", "original_inference_steps"},
        {"{\"solver_order\": 4}", "solver_order"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        limn_schedule s;
        limn_error err = {LIMN_OK, ""};
        if (load(bad[i].text, &s, &err) != LIMN_E_INPUT || strstr(err.text, bad[i].word) == NULL) {
            fail_msg("%s gave \"%s\"", bad[i].text, err.text);
        }
    }
}

/* Whatever class a model names, limn has a sampler for it. */
static void every_class_has_its_sampler(void **state) {
    (void)state;
    static const char *const classes[] = {
        "DDIM",
        "DDPM",
        "PNDM",
        "LMSDiscrete",
        "EulerDiscrete",
        "EulerAncestralDiscrete",
        "HeunDiscrete",
        "DPMSolverMultistep",
        "DPMSolverSinglestep",
        "DPMSolverSDE",
        "KDPM2Discrete",
        "KDPM2AncestralDiscrete",
        "DEISMultistep",
        "UniPCMultistep",
        "LCM",
        "TCD",
        "SASolver",
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"_class_name\": \"%sScheduler\"}", classes[i]);
        limn_schedule s = loaded(text);
        if (limn_sampling_calls_of(s.sampler, 10) < 10) fail_msg("%s: \"%s\"", text, s.sampler);
    }
    limn_schedule s =
        loaded("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 3}");
    assert_string_equal(s.sampler, "dpmpp_3m");
}

/* What is run as its nearest kin says so; what is run as it is does not. */
static void kin_are_told(void **state) {
    (void)state;
    static const char *const kin[][2] = {
        {"{\"_class_name\": \"SASolverScheduler\"}", "SASolverScheduler, which limn"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": "
         "\"dpmsolver\"}",
         "algorithm_type dpmsolver,"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": "
         "\"sde-dpmsolver\"}",
         "dpmpp_2m_sde is the nearest"},
        {"{\"_class_name\": \"DPMSolverSDEScheduler\"}", "dpmpp_2m_sde is the nearest"},
        {"{\"_class_name\": \"DEISMultistepScheduler\", \"solver_order\": 3}",
         "of order 3, limn's deis is of order 2"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 1}",
         "of order 1, limn's dpmpp_2m is of order 2"},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 3}", ""},
        {"{\"_class_name\": \"UniPCMultistepScheduler\", \"solver_order\": 3}", ""},
        {"{\"_class_name\": \"DPMSolverMultistepScheduler\"}", ""},
        {"{\"_class_name\": \"TCDScheduler\"}", ""},
        {"{\"_class_name\": \"DEISMultistepScheduler\", \"algorithm_type\": \"deis\"}", ""},
    };
    for (size_t i = 0; i < sizeof kin / sizeof *kin; i++) {
        limn_schedule s = loaded(kin[i][0]);
        if (strstr(s.note, kin[i][1]) == NULL || !kin[i][1][0] != !s.note[0])
            fail_msg("%s: \"%s\"", kin[i][0], s.note);
    }
    assert_string_equal(loaded("{\"_class_name\": \"TCDScheduler\"}").sampler, "tcd");
}

static void zero_terminal_snr_ends_in_noise_alone(void **state) {
    (void)state;
    limn_schedule said =
        loaded("{\"prediction_type\": \"v_prediction\", \"rescale_betas_zero_snr\": true}");
    limn_schedule chosen = loaded("{\"prediction_type\": \"v_prediction\"}");
    limn_error err;
    assert_true(chosen.alphas_cumprod[999] > 0);
    assert_int_equal(limn_schedule_choose(&chosen, "zsnr", &err), LIMN_OK);
    assert_memory_equal(said.alphas_cumprod, chosen.alphas_cumprod, sizeof said.alphas_cumprod);
    assert_true(chosen.alphas_cumprod[999] == 0);
    assert_int_equal(chosen.spacing, LIMN_SPACING_TRAILING);
    assert_float_equal(limn_schedule_sigma(&chosen, 999), 4096, 1e-3);
    assert_int_equal(limn_schedule_choose(&chosen, "zsnr", &err), LIMN_OK);
    assert_memory_equal(said.alphas_cumprod, chosen.alphas_cumprod, sizeof said.alphas_cumprod);

    limn_schedule blind = loaded("{}");
    assert_int_equal(limn_schedule_choose(&blind, "zsnr", &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "epsilon"));
}

/* A file that does not say what its model predicts opens; the request may say it. */
static void what_zero_snr_wants_is_asked_when_drawing(void **state) {
    (void)state;
    limn_error err = {0};
    limn_schedule s = loaded("{\"rescale_betas_zero_snr\": true}"), t = s, plain = loaded("{}");
    limn_request request = {.schedule = "model"};
    assert_int_equal(limn_schedule_ask(&s, &plain, &request, &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "epsilon"));
    request.prediction = "v_prediction";
    assert_int_equal(limn_schedule_ask(&t, &plain, &request, &err), LIMN_OK);
    assert_true(t.alphas_cumprod[999] == 0);
}

static void every_listed_schedule_can_be_chosen(void **state) {
    (void)state;
    int count;
    const limn_choice *schedules = limn_schedules(&count);
    limn_error err;
    for (int i = 0; i < count; i++) {
        limn_schedule s = loaded("{\"prediction_type\": \"sample\"}");
        assert_int_equal(limn_schedule_choose(&s, schedules[i].name, &err), LIMN_OK);
    }
    limn_schedule s = loaded("{\"use_karras_sigmas\": true}");
    assert_int_equal(limn_schedule_choose(&s, "model", &err), LIMN_OK);
    assert_int_equal(s.sigmas, LIMN_SIGMAS_KARRAS);
    assert_int_equal(limn_schedule_choose(&s, "trailing", &err), LIMN_OK);
    assert_int_equal(s.sigmas, LIMN_SIGMAS_SPACED);
    assert_int_equal(limn_schedule_choose(&s, "sideways", &err), LIMN_E_USAGE);
    assert_non_null(strstr(err.text, "sideways"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_the_class_default),
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(trained_betas_are_taken),
        cmocka_unit_test(the_unknown_is_refused),
        cmocka_unit_test(every_class_has_its_sampler),
        cmocka_unit_test(kin_are_told),
        cmocka_unit_test(zero_terminal_snr_ends_in_noise_alone),
        cmocka_unit_test(what_zero_snr_wants_is_asked_when_drawing),
        cmocka_unit_test(every_listed_schedule_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
