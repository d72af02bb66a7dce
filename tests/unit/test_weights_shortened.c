/* A file that somebody shortens while limn reads it gives a sentence: never a signal, never a model
 * of half the weights. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "layers/layers.h"
#include "support/scratch.h"

#define MODEL "tests/golden/tiny-sd15"
#define UNET  "unet/diffusion_pytorch_model.safetensors"

static int start(void **state) {
    return scratch_make(state) != 0 || scratch_fill(MODEL) != 0;
}

/* Gives the U-Net's file back as it was. */
static void restore(void) {
    char command[700];
    snprintf(command, sizeof command, "cp %s/%s %s", MODEL, UNET, scratch_at(UNET));
    assert_int_equal(system(command), 0);
}

static limn_folder *open_unet(const limn_tensors **tensors) {
    limn_error err;
    limn_folder *f = NULL;
    if (limn_folder_open(scratch_folder(), &f, &err) != LIMN_OK) fail_msg("%s", err.text);
    if (limn_folder_tensors(f, "unet", tensors, &err) != LIMN_OK) fail_msg("%s", err.text);
    return f;
}

static void expect(limn_status status, const limn_error *err, const char *sentence) {
    if (status != LIMN_E_INPUT || !strstr(err->text, sentence))
        fail_msg("expected \"%s\", got status %d: %s", sentence, status, err->text);
    assert_int_equal(err->status, status);
    assert_non_null(strstr(err->text, UNET));
}

/* Between finding the tensors and reading them, at the place of the last tensor's last byte, in the
 * middle, and down to nothing. */
static void before_it_is_read(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(stat(scratch_at(UNET), &st), 0);
    const off_t sizes[] = {st.st_size - 1, st.st_size / 2, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const limn_tensors *t;
        limn_error err;
        limn_folder *f = open_unet(&t);
        assert_int_equal(truncate(scratch_at(UNET), sizes[i]), 0);
        limn_status status = LIMN_OK;
        float *numbers = malloc((size_t)st.st_size * sizeof *numbers);
        for (size_t k = 0; k < limn_tensors_count(t) && status == LIMN_OK; k++) {
            const limn_tensor *one = limn_tensors_at(t, k);
            status = limn_tensor_read(one, 0, one->count, numbers, &err);
        }
        expect(status, &err, "the file was shortened while it was read");
        free(numbers);
        char hex[65];
        expect(limn_folder_hash(f, hex, &err), &err, "the file was shortened while it was read");
        expect(limn_folder_check(f, &err), &err, "the file was changed while it was read");
        limn_folder_close(f);
        restore();
    }
}

/* In the middle of packing, as int8 and as float32, with one thread and with several. */
static void before_it_is_packed(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        const limn_tensors *t;
        limn_error err;
        limn_folder *f = open_unet(&t);
        limn_arena plan = limn_arena_measure(), weights;
        limn_pack_job jobs[2];
        limn_loader ld = {
            .k = limn_kernels_pick(), .arena = &plan, .tensors = t, .int8 = way & 1, .err = &err};
        const char *last = "up_blocks.3.resnets.1.conv1"; /* far back in the file */
        limn_load_conv(&ld, last, 32, 64, 3, 1, 1);
        if (ld.status != LIMN_OK) fail_msg("%s", err.text);
        assert_int_equal(limn_arena_open(&weights, plan.peak, &err), LIMN_OK);
        ld.arena = &weights;
        ld.jobs = jobs;
        ld.jobs_room = ld.job_count;
        ld.job_count = 0;
        limn_load_conv(&ld, last, 32, 64, 3, 1, 1);
        assert_int_equal(limn_load_pack(&ld, 2), LIMN_OK);
        assert_int_equal(truncate(scratch_at(UNET), 300000), 0);
        expect(limn_load_pack(&ld, way & 2 ? 2 : 1), &err,
               "the file was shortened while it was read");
        limn_arena_close(&weights);
        limn_folder_close(f);
        restore();
    }
}

/* Does so until it is killed. */
static void shorten_and_mend(off_t whole) {
    for (unsigned i = 0;; i++) {
        if (truncate(scratch_at(UNET), i & 1 ? whole : whole / 3) != 0) _exit(1);
        usleep(i * 977 % 3000);
    }
}

/* Another process shortens and mends the file all the time. */
static void by_another_process(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(stat(scratch_at(UNET), &st), 0);
    const pid_t other = fork();
    if (other == 0) shorten_and_mend(st.st_size);
    assert_true(other > 0);
    for (int i = 0; i < 25; i++) {
        limn_model *m;
        limn_error err = {0};
        limn_open_options how = {.threads = 2, .precision = i & 1 ? "int8" : NULL};
        limn_status status = limn_model_open(scratch_folder(), &how, &m, &err);
        assert_true(status == LIMN_OK || status == LIMN_E_INPUT);
        if (status == LIMN_E_INPUT && !strstr(err.text, UNET)) fail_msg("%s", err.text);
        limn_model_close(m);
    }
    assert_int_equal(kill(other, SIGKILL), 0);
    waitpid(other, NULL, 0);
    restore();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_is_read),
        cmocka_unit_test(before_it_is_packed),
        cmocka_unit_test(by_another_process),
    };
    return cmocka_run_group_tests(tests, start, scratch_remove);
}
