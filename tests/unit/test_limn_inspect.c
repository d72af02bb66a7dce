/* limn_inspect: what a model's files are, and everything that they lack, without their weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "support/published.h"
#include "support/scratch.h"
#include "support/single.h"

#define TINY "tests/golden/tiny-sd15"

static const char *path; /* the last that at() gave */

static const char *at(const char *name) {
    path = scratch_at(name);
    return path;
}

static limn_report *inspect(const char *model, const limn_open_options *how, bool hash) {
    limn_report *r;
    limn_error err;
    if (limn_inspect(model, how, hash, &r, &err) != LIMN_OK) fail_msg("%s", err.text);
    return r;
}

/* Whether one of the faults says it. */
static bool says(const limn_report *r, const char *words) {
    for (int i = 0; i < r->fault_count; i++)
        if (strstr(r->faults[i], words)) return true;
    return false;
}

static void a_folder_and_its_hash(void **state) {
    (void)state;
    limn_model *m;
    limn_report *r = inspect(TINY, NULL, true);
    assert_true(r->complete);
    assert_int_equal(r->fault_count, 0);
    assert_string_equal(r->container, "folder");
    assert_string_equal(r->family, "sd1");
    assert_int_equal(r->part_count, 3);
    assert_string_equal(r->parts[0].name, "unet");
    assert_string_equal(r->parts[0].types, "F16 684");
    assert_int_equal(r->width, 128);
    assert_int_equal(r->steps, 20);
    assert_string_equal(r->prediction, "epsilon");
    assert_int_equal(r->tensor_count, 684 + 244 + 53);
    assert_int_equal(limn_model_open(TINY, NULL, &m, NULL), LIMN_OK);
    assert_string_equal(r->sha256, limn_model_describe(m).sha256);
    assert_string_equal(r->short_hash, "");
    assert_string_equal(r->sampler, limn_model_describe(m).sampler);
    limn_model_close(m);
    limn_report_free(r);
}

/* A part from elsewhere counts as if it lay where it stands for (docs/formats.md). */
static void a_part_from_elsewhere_and_the_hash(void **state) {
    static const limn_open_options same[] = {{.vae = TINY "/vae"},
                                             {.vae = TINY},
                                             {.text_encoder = TINY "/text_encoder"},
                                             {.tokenizer = TINY "/tokenizer"}};
    static const limn_open_options other = {.vae = TINY "/vae/diffusion_pytorch_model.safetensors"};
    (void)state;
    limn_report *own = inspect(TINY, NULL, true), *r;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        r = inspect(TINY, &same[i], true);
        assert_string_equal(r->sha256, own->sha256);
        limn_report_free(r);
    }
    r = inspect(TINY, &other, true); /* a file of its own is called "vae" */
    assert_string_not_equal(r->sha256, own->sha256);
    assert_int_equal(strlen(r->sha256), 64);
    limn_report_free(r);
    limn_report_free(own);
}

static void a_published_file(void **state) {
    (void)state;
    published_write(PUBLISHED_SDXL, 4, at("sd_xl_base_1.0.safetensors"));
    limn_report *r = inspect(path, NULL, false);
    assert_false(r->complete);
    assert_string_equal(r->family, "sdxl");
    assert_string_equal(r->container, "safetensors");
    assert_true(r->bytes > 6900000000u);
    assert_int_equal(r->unused, 1);
    assert_false(r->has_tokenizer);
    assert_int_equal(r->fault_count, 1);
    assert_true(says(r, "there is no vocabulary in this file"));
    assert_int_equal(r->width, 1024);
    assert_true(r->guidance == 5);
    assert_string_equal(r->sha256, "");
    limn_report_free(r);

    r = inspect(path, &(limn_open_options){.tokenizer = "tests/golden/clip"}, false);
    assert_true(r->complete);
    assert_string_equal(r->sampler, "euler");
    limn_report_free(r);
    unlink(path);
}

/* A model whose scheduler is another, which is the tiny one's else. */
static void link_model(const char *scheduler) {
    static const char *const parts[] = {"model_index.json", "text_encoder", "tokenizer", "unet",
                                        "vae"};
    char here[600], target[800];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir(scratch_at("scheduler"), 0700), 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(target, sizeof target, "%s/" TINY "/%s", here, parts[i]);
        assert_int_equal(symlink(target, scratch_at(parts[i])), 0);
    }
    FILE *f = fopen(scratch_at("scheduler/scheduler_config.json"), "w");
    assert_non_null(f);
    fputs(scheduler, f);
    fclose(f);
}

static void unlink_model(void) {
    static const char *const names[] = {"model_index.json",
                                        "text_encoder",
                                        "tokenizer",
                                        "unet",
                                        "vae",
                                        "scheduler/scheduler_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(scratch_at(names[i]));
    rmdir(scratch_at("scheduler"));
}

/* What limn had to assume is told by both who look and who open. */
static void what_was_assumed(void **state) {
    static const struct {
        const char *scheduler, *sampler, *notes;
    } cases[] = {
        {"{\"_class_name\": \"SASolverScheduler\", \"beta_schedule\": \"scaled_linear\"}", "unipc",
         "the model's own sampler is SASolverScheduler, which limn does not have; unipc is the "
         "nearest"},
        {"{\"_class_name\": \"DDIMScheduler\", \"beta_schedule\": \"scaled_linear\"}", "ddim", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_model *m;
        limn_error err;
        link_model(cases[i].scheduler);
        limn_report *r = inspect(scratch_folder(), NULL, false);
        assert_string_equal(r->notes, cases[i].notes);
        assert_string_equal(r->sampler, cases[i].sampler);
        limn_report_free(r);
        if (limn_model_open(scratch_folder(), NULL, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
        assert_string_equal(limn_model_notes(m), cases[i].notes);
        assert_string_equal(limn_model_describe(m).sampler, cases[i].sampler);
        limn_model_close(m);
        unlink_model();
    }
    const published_told told = {
        .missing = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"};
    published_write_told(PUBLISHED_SD21, 4, &told, at("v2.safetensors"));
    limn_report *r = inspect(path, NULL, false);
    assert_non_null(strstr(r->notes, "v is assumed (--prediction epsilon: the other)"));
    assert_string_equal(r->prediction, "v_prediction");
    assert_string_equal(r->family, "sd2-v");
    limn_report_free(r);
    unlink(path);
}

/* Replaces a text in a file by another of its length. */
static void patch(const char *from, const char *to) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    static char head[400000];
    size_t size = fread(head, 1, sizeof head, f), length = strlen(from);
    assert_int_equal(length, strlen(to));
    for (size_t i = 0; i + length <= size; i++) {
        if (memcmp(head + i, from, length) != 0) continue;
        assert_int_equal(fseek(f, (long)i, SEEK_SET), 0);
        assert_int_equal(fwrite(to, 1, length, f), length);
        fclose(f);
        return;
    }
    fail_msg("%s is not in %s", from, path);
}

static void everything_that_is_wrong(void **state) {
    (void)state;
    single_write(TINY, &(single_form){.ldm = true}, at("x.safetensors"));
    patch("model.diffusion_model.time_embed.0.bias", "model.diffusion_model.time_embed.0.bigs");
    patch("first_stage_model.decoder.norm_out.bias", "first_stage_model.decoder.norm_out.bits");
    patch("input_blocks.0.0.weight\":{\"dtype\":\"F16\",\"shape\":[32,4,3,3]",
          "input_blocks.0.0.weight\":{\"dtype\":\"F16\",\"shape\":[32,3,3,4]");
    limn_report *r = inspect(path, NULL, true);
    assert_false(r->complete);
    assert_int_equal(r->fault_count, 3);
    assert_true(says(r, "\"time_embedding.linear_1.bias\" is missing"));
    assert_true(says(r, "\"decoder.conv_norm_out.bias\" is missing"));
    assert_true(says(r, "\"conv_in.weight\" has the wrong shape: expected [32, 4, 3, 3], found "
                        "[32, 3, 3, 4]"));
    assert_int_equal(strlen(r->sha256), 64);
    assert_int_equal(strncmp(r->sha256, r->short_hash, 10), 0);
    limn_report_free(r);
    unlink(path);
}

static void parts_alone_and_files_that_are_none(void **state) {
    (void)state;
    limn_report *r;
    limn_error err;
    single_write(TINY, &(single_form){.ldm = true, .only = "vae", .no_files = true},
                 at("vae.safetensors"));
    r = inspect(path, NULL, false);
    assert_false(r->complete);
    assert_int_equal(r->part_count, 1);
    assert_string_equal(r->parts[0].name, "vae");
    assert_string_equal(r->family, "");
    assert_string_equal(r->kind, "VAE");
    assert_int_equal(r->fault_count, 1);
    assert_true(says(r, "this is a VAE alone; --vae takes it, beside a model"));
    limn_report_free(r);
    unlink(path);
    assert_int_equal(limn_inspect(at("nowhere"), NULL, false, &r, &err), LIMN_E_MISSING);
    assert_null(r);
    FILE *f = fopen(at("short.gguf"), "wb");
    fputs("GGUF", f);
    fclose(f);
    assert_int_equal(limn_inspect(path, NULL, false, &r, &err), LIMN_E_INPUT);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_and_its_hash),
        cmocka_unit_test(a_part_from_elsewhere_and_the_hash),
        cmocka_unit_test(a_published_file),
        cmocka_unit_test(what_was_assumed),
        cmocka_unit_test(everything_that_is_wrong),
        cmocka_unit_test(parts_alone_and_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove_empty);
}
