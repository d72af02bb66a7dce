/* Every sampler against diffusers: timesteps, sigmas, first sigma, which calls draw noise, and the
 * whole trajectory under the stand-in model of tests/golden/README.md, section "schedulers/". */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "denoise/sampling.h"
#include "support/golden.h"

#define FOLDER "tests/golden/schedulers/"
#define VALUES 24

/* diffusers' files and the samplers that they hold. What limn has no sampler for is not here:
 * dpm_2m (dpmsolver, not ++). */
static const struct {
    const char *file, *sampler;
} files[] = {
    {"ddim", "ddim"},
    {"ddim_eta1", "ddim"},
    {"ddpm", "ddpm"},
    {"pndm", "pndm"},
    {"euler", "euler"},
    {"euler_karras", "euler"},
    {"euler_ancestral", "euler_a"},
    {"heun", "heun"},
    {"heun_karras", "heun"},
    {"dpmpp_2m", "dpmpp_2m"},
    {"dpmpp_2m_karras", "dpmpp_2m"},
    {"dpmpp_2m_sde", "dpmpp_2m_sde"},
    {"dpmpp_2m_sde_karras", "dpmpp_2m_sde"},
    {"dpmpp_3m", "dpmpp_3m"},
    {"unipc", "unipc"},
    {"unipc_karras", "unipc"},
    {"unipc_sigma_min", "unipc"},
    {"unipc_bh1", "unipc"},
    {"lcm", "lcm"},
    {"lms", "lms"},
    {"lms_karras", "lms"},
    {"kdpm2", "kdpm2"},
    {"kdpm2_karras", "kdpm2"},
    {"kdpm2_ancestral", "kdpm2_a"},
    {"dpmpp_2s", "dpmpp_2s"},
    {"dpmpp_2s_karras", "dpmpp_2s"},
    {"deis", "deis"},
};

/* One trajectory of a file. */
typedef struct trajectory {
    const golden *inputs, *file;
    json_t *about; /* the file's entry in index.json */
    const char *sampler;
    char key[80]; /* "v_prediction.trailing.zsnr.n10" */
    int steps;
    bool zsnr;
} trajectory;

/* A tensor of the trajectory; NULL where there is none. */
static const float *tensor(const trajectory *t, const char *what, size_t *count) {
    char name[120];
    snprintf(name, sizeof name, "%s.%s", t->key, what);
    return golden_has(t->file, name) ? golden_f32(t->file, name, count) : NULL;
}

/* The schedule of the file's arguments and the key's prediction, spacing and zero terminal SNR. */
static void load_schedule(const trajectory *t, limn_schedule *s) {
    char prediction[20] = "", spacing[20] = "";
    assert_int_equal(sscanf(t->key, "%19[^.].%19[^.]", prediction, spacing), 2);
    json_t *config = json_deep_copy(json_object_get(t->about, "config"));
    json_object_set_new(config, "prediction_type", json_string(prediction));
    if (strcmp(spacing, "default") != 0) {
        json_object_set_new(config, "timestep_spacing", json_string(spacing));
    }
    json_object_set_new(config, "rescale_betas_zero_snr", json_boolean(t->zsnr));
    char *text = json_dumps(config, 0);
    limn_error err;
    limn_config *c;
    assert_int_equal(limn_config_read((uint8_t *)text, strlen(text), "config", &c, &err), LIMN_OK);
    if (limn_schedule_load(c, s, &err) != LIMN_OK) fail_msg("%s", err.text);
    limn_config_free(c);
    free(text);
    json_decref(config);
}

/* Fails where the two differ by more than `most`, relative to max(1, the largest wanted). */
static void compare(const trajectory *t, const char *what, int at, const float *got,
                    const float *want, size_t count, double most) {
    double largest = 1, error = 0;
    for (size_t i = 0; i < count; i++) {
        if (fabs((double)want[i]) > largest) largest = fabs((double)want[i]);
        double e = fabs((double)got[i] - (double)want[i]);
        if (!(e <= error)) error = e;
    }
    if (!(error / largest <= most)) {
        fail_msg("%s %s: %s %d is off by %g relative, allowed %g", t->sampler, t->key, what, at,
                 error / largest, most);
    }
}

/* The stand-in for the U-Net. */
static void stand_in(const float *in, double timestep, float *out) {
    for (int i = 0; i < VALUES; i++) {
        out[i] = tanhf(0.7f * in[i] + 0.1f * sinf((float)timestep / 100.0f));
    }
}

/* What diffusers has for this trajectory beside its samples. */
static void check_plan(const trajectory *t, const limn_sampling *run) {
    size_t count, calls = (size_t)limn_sampling_calls(run);
    const float *timesteps = tensor(t, "timesteps", &count);
    assert_int_equal(count, calls);
    assert_int_equal(limn_sampling_calls_of(t->sampler, t->steps), calls);
    const char *dtype = json_string_value(json_object_get(t->about, "timesteps_dtype"));
    double most = strcmp(dtype, "torch.int64") == 0 ? 0 : 2e-6;
    for (size_t i = 0; i < calls; i++) {
        float got = (float)limn_sampling_timestep(run, (int)i);
        compare(t, "timestep", (int)i, &got, &timesteps[i], 1, most);
    }
    const float *first = tensor(t, "init_noise_sigma", &count);
    if (first != NULL) assert_float_equal(limn_sampling_init_sigma(run) / first[0], 1, 1e-6);
    const float *sigmas = tensor(t, "sigmas", &count);
    /* DPM2 looks half-way in every second call: diffusers keeps those sigmas elsewhere. */
    size_t every = strncmp(t->sampler, "kdpm2", 5) == 0 ? 2 : 1;
    for (size_t i = 0; sigmas != NULL && i < calls; i += every) {
        assert_float_equal(run->now[i] / (double)sigmas[i], 1, 2e-6);
    }
}

/* Runs one trajectory; x is compared after every call. */
static void follow(const trajectory *t) {
    size_t count, samples;
    limn_schedule s;
    load_schedule(t, &s);
    double eta =
        json_number_value(json_object_get(json_object_get(t->about, "step_kwargs"), "eta"));
    limn_error err;
    limn_sampling *run;
    limn_arena ws = limn_arena_measure();
    assert_int_equal(limn_sampling_begin(&s, t->sampler, t->steps, eta, VALUES, &ws, &run, &err),
                     LIMN_OK);
    assert_int_equal(limn_arena_open(&ws, ws.peak, &err), LIMN_OK);
    assert_int_equal(limn_sampling_begin(&s, t->sampler, t->steps, eta, VALUES, &ws, &run, &err),
                     LIMN_OK);
    check_plan(t, run);

    const float *want = tensor(t, "traj", &samples);
    char noise_index[120];
    snprintf(noise_index, sizeof noise_index, "%s.noise_index", t->key);
    const int32_t *which =
        golden_has(t->file, noise_index) ? golden_i32(t->file, noise_index, &count) : NULL;
    const float *noises = golden_f32(t->inputs, "noise", &count);
    assert_int_equal(samples, (size_t)(limn_sampling_calls(run) + 1) * VALUES);
    float x[VALUES], in[VALUES], out[VALUES];
    memcpy(x, golden_f32(t->inputs, "x0", &count), sizeof x);
    for (int i = 0; i < VALUES; i++) x[i] *= (float)limn_sampling_init_sigma(run);
    compare(t, "sample", 0, x, want, VALUES, 1e-6);
    for (int call = 0; call < limn_sampling_calls(run); call++) {
        limn_sampling_input(run, x, in);
        stand_in(in, limn_sampling_timestep(run, call), out);
        int row = which != NULL ? which[call] : -1;
        bool wants = limn_sampling_wants_noise(run);
        if (row >= 0 && !wants) fail_msg("%s %s: call %d takes no noise", t->sampler, t->key, call);
        /* -1 is also where noise is drawn but counts for nothing: at the end of a run. */
        const float *noise = wants ? noises + (row >= 0 ? row : 0) * VALUES : NULL;
        limn_sampling_step(run, out, noise, x);
        compare(t, "sample", call + 1, x, want + (call + 1) * VALUES, VALUES, 1e-5);
    }
    assert_int_equal(limn_sampling_steps_done(run), t->steps);
    limn_arena_close(&ws);
}

/* alpha-bar as diffusers has it in float32, with and without rescaling: bit for bit. */
static void alphas_are_diffusers(void **state) {
    (void)state;
    golden *inputs = golden_open(FOLDER "inputs.safetensors");
    json_t *index = golden_json(FOLDER "index.json");
    json_t *about = json_object_get(json_object_get(index, "schedulers"), "ddim");
    for (int zsnr = 0; zsnr < 2; zsnr++) {
        trajectory t = {.about = about, .key = "v_prediction.trailing", .zsnr = zsnr};
        limn_schedule s;
        load_schedule(&t, &s);
        size_t count;
        const float *want =
            golden_f32(inputs, zsnr ? "alphas_cumprod.zsnr" : "alphas_cumprod", &count);
        assert_int_equal(count, s.train_steps);
        assert_memory_equal(s.alphas_cumprod, want, count * sizeof(float));
    }
    json_decref(index);
    golden_close(inputs);
}

/* Every trajectory of every file. */
static void trajectories_are_diffusers(void **state) {
    (void)state;
    golden *inputs = golden_open(FOLDER "inputs.safetensors");
    json_t *index = golden_json(FOLDER "index.json");
    json_t *schedulers = json_object_get(index, "schedulers");
    int followed = 0;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[100];
        snprintf(path, sizeof path, FOLDER "%s.safetensors", files[f].file);
        golden *file = golden_open(path);
        for (size_t i = 0; i < golden_count(file); i++) {
            const char *name = golden_name(file, i), *end = strstr(name, ".traj");
            if (end == NULL) continue;
            trajectory t = {.inputs = inputs, .file = file, .sampler = files[f].sampler};
            t.about = json_object_get(schedulers, files[f].file);
            assert_non_null(t.about);
            snprintf(t.key, sizeof t.key, "%.*s", (int)(end - name), name);
            t.zsnr = strstr(t.key, ".zsnr") != NULL;
            t.steps = atoi(strrchr(t.key, 'n') + 1);
            follow(&t);
            followed++;
        }
        golden_close(file);
    }
    assert_true(followed > 500);
    json_decref(index);
    golden_close(inputs);
}

/* The built-in model's picture of an apple: alpha-bar, timesteps, and the two steps of DDIM for
 * which the U-Net's outputs are kept. The reference's own settings: 20 steps, guidance 4. */
static void the_built_in_model_is_diffusers(void **state) {
    (void)state;
    limn_folder *folder;
    const limn_config *c;
    limn_schedule s;
    limn_error err;
    assert_int_equal(limn_folder_open("weights/vignette", &folder, &err), LIMN_OK);
    assert_int_equal(limn_folder_config(folder, "scheduler/scheduler_config.json", &c, &err),
                     LIMN_OK);
    assert_int_equal(limn_schedule_load(c, &s, &err), LIMN_OK);
    limn_folder_close(folder);

    golden *g = golden_open("tests/golden/vignette/apple.safetensors");
    size_t count, values;
    const float *alphas = golden_f32(g, "alphas_cumprod", &count);
    assert_int_equal(count, s.train_steps);
    for (size_t i = 0; i < count; i++) {
        assert_float_equal(s.alphas_cumprod[i] / alphas[i], 1, 2e-7);
    }
    const int32_t *timesteps = golden_i32(g, "timesteps", &count);
    const float *latents = golden_f32(g, "latents", &values);
    values /= count + 1;

    limn_sampling *run;
    limn_arena ws;
    assert_int_equal(limn_arena_open(&ws, 1 << 20, &err), LIMN_OK);
    assert_int_equal(limn_sampling_begin(&s, "ddim", (int)count, 0, values, &ws, &run, &err),
                     LIMN_OK);
    float *x = limn_arena_floats(&ws, values), *out = limn_arena_floats(&ws, values);
    assert_non_null(out);
    for (size_t call = 0; call < count; call++) {
        assert_true(limn_sampling_timestep(run, (int)call) == timesteps[call]);
        char name[40];
        snprintf(name, sizeof name, "unet.step%zu.prompt", call);
        run->call = (int)call;
        if (!golden_has(g, name)) continue;
        const float *with = golden_f32(g, name, NULL);
        snprintf(name, sizeof name, "unet.step%zu.negative", call);
        const float *without = golden_f32(g, name, NULL);
        for (size_t i = 0; i < values; i++) out[i] = without[i] + 4.0f * (with[i] - without[i]);
        memcpy(x, latents + call * values, values * sizeof(float));
        limn_sampling_step(run, out, NULL, x);
        assert_true(golden_relative_error(x, latents + (call + 1) * values, values) < 1e-6);
    }
    limn_arena_close(&ws);
    golden_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alphas_are_diffusers),
        cmocka_unit_test(trajectories_are_diffusers),
        cmocka_unit_test(the_built_in_model_is_diffusers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
