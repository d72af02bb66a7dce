/* The names of samplers, schedules and generators, as users of other programs type them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/sampler.h"

/* A spelling, and what it must find; NULL: nothing. */
typedef struct spelling {
    const char *typed, *name, *schedule;
} spelling;

static void samplers_by_any_spelling(void **state) {
    (void)state;
    static const spelling spellings[] = {
        {"euler_a", "euler_a", NULL},
        {"Euler a", "euler_a", NULL},
        {"EULER A", "euler_a", NULL},
        {"k_euler_a", "euler_a", NULL},
        {"euler_ancestral", "euler_a", NULL},
        {"EulerAncestralDiscreteScheduler", "euler_a", NULL},
        {"Euler", "euler", NULL},
        {"EulerDiscreteScheduler", "euler", NULL},
        {"Euler Karras", "euler", "karras"},
        {"Euler a Karras", "euler_a", "karras"},
        {"Heun", "heun", NULL},
        {"HeunDiscreteScheduler", "heun", NULL},
        {"DPM++ 2M", "dpmpp_2m", NULL},
        {"dpm++2m", "dpmpp_2m", NULL},
        {"DPM++ 2M Karras", "dpmpp_2m", "karras"},
        {"dpmpp-2m-karras", "dpmpp_2m", "karras"},
        {"k_dpmpp_2m_ka", "dpmpp_2m", "karras"},
        {"DPMSolverMultistepScheduler", "dpmpp_2m", NULL},
        {"DPM++ 2M SDE", "dpmpp_2m_sde", NULL},
        {"DPM++ 2M SDE Karras", "dpmpp_2m_sde", "karras"},
        {"DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"},
        {"DPM++ 2M SGM Uniform", "dpmpp_2m", "sgm_uniform"},
        {"DDIM", "ddim", NULL},
        {"DDIMScheduler", "ddim", NULL},
        {"PLMS", "pndm", NULL},
        {"PNDMScheduler", "pndm", NULL},
        {"UniPC", "unipc", NULL},
        {"UniPCMultistepScheduler", "unipc", NULL},
        {"LCM", "lcm", NULL},
        {"TCDScheduler", "tcd", NULL},
        {"DDPM", "ddpm", NULL},
        {"LMS Karras", "lms", "karras"},
        {"DPM2", "kdpm2", NULL},
        {"DPM2 a Karras", "kdpm2_a", "karras"},
        {"k_dpm_2_ancestral", "kdpm2_a", NULL},
        {"KDPM2AncestralDiscreteScheduler", "kdpm2_a", NULL},
        {"DPM++ 2S a", NULL, NULL},
        {"DPM++ SDE", NULL, NULL},
        {"", NULL, NULL},
        {"   ", NULL, NULL},
        {"Karras", NULL, NULL},
        {"Eulera\xc3\xa9", NULL, NULL},
        {"Euler b", NULL, NULL},
        {"Euler a Karras Karras", NULL, NULL},
        {"Scheduler", NULL, NULL},
        {"k", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        const char *schedule = "untouched";
        const char *name = limn_sampler_find(spellings[i].typed, &schedule);
        if (spellings[i].name == NULL) {
            if (name != NULL) fail_msg("\"%s\" found %s", spellings[i].typed, name);
            continue;
        }
        if (name == NULL) fail_msg("\"%s\" was not found", spellings[i].typed);
        assert_string_equal(name, spellings[i].name);
        assert_string_equal(schedule, spellings[i].schedule ? spellings[i].schedule : "untouched");
    }
    char endless[1000];
    memset(endless, 'k', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    const char *schedule = NULL;
    assert_null(limn_sampler_find(endless, &schedule));
    assert_string_equal(limn_sampler_find("DPM++ 2M Karras", NULL), "dpmpp_2m");
}

static void schedules_and_generators_by_any_spelling(void **state) {
    (void)state;
    assert_string_equal(limn_schedule_find("Automatic"), "model");
    assert_string_equal(limn_schedule_find("KARRAS"), "karras");
    assert_string_equal(limn_schedule_find("SGM Uniform"), "sgm_uniform");
    assert_string_equal(limn_schedule_find("zero-terminal-snr"), "zsnr");
    assert_null(limn_schedule_find("Euler"));
    assert_null(limn_schedule_find(""));
    assert_string_equal(limn_rng_find("CPU"), "torch");
    assert_string_equal(limn_rng_find("Philox"), "philox");
    assert_string_equal(limn_rng_find("gpu"), "philox");
    assert_null(limn_rng_find("dice"));
}

/* Names and labels find themselves, and every name listed can be run. */
static void lists_agree_with_what_there_is(void **state) {
    (void)state;
    int count;
    const limn_choice *samplers = limn_samplers(&count);
    assert_true(count >= 10);
    for (int i = 0; i < count; i++) {
        const char *schedule = "none";
        assert_string_equal(limn_sampler_find(samplers[i].name, &schedule), samplers[i].name);
        assert_string_equal(limn_sampler_find(samplers[i].label, &schedule), samplers[i].name);
        assert_string_equal(schedule, "none");
        assert_true(limn_sampling_calls_of(samplers[i].name, 10) >= 10);
    }
    const limn_choice *schedules = limn_schedules(&count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(limn_schedule_find(schedules[i].name), schedules[i].name);
        assert_string_equal(limn_schedule_find(schedules[i].label), schedules[i].name);
    }
    const limn_choice *rngs = limn_rngs(&count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(limn_rng_find(rngs[i].name), rngs[i].name);
        assert_string_equal(limn_rng_find(rngs[i].label), rngs[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samplers_by_any_spelling),
        cmocka_unit_test(schedules_and_generators_by_any_spelling),
        cmocka_unit_test(lists_agree_with_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
