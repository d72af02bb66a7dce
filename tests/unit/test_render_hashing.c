/* The model's hash, found beside what is done first: the same whoever finds it, waited for where it
 * is wanted, given up with the model, and a fault of the picture where a file was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "render/model.h"
#include "support/published.h"
#include "support/scratch.h"

#define MODEL "tests/golden/tiny-sd15"

static int start(void **state) {
    return scratch_make(state) != 0 || scratch_fill(MODEL) != 0;
}

static limn_model *open_model(int threads) {
    limn_model *m = NULL;
    limn_error err;
    if (limn_model_open(scratch_folder(), &(limn_open_options){.threads = threads}, &m, &err) !=
        LIMN_OK)
        fail_msg("%s", err.text);
    return m;
}

static limn_folder *open_folder(void) {
    const limn_tensors *tensors;
    limn_folder *f = NULL;
    assert_int_equal(limn_folder_open(scratch_folder(), &f, NULL), LIMN_OK);
    assert_int_equal(limn_folder_tensors(f, "unet", &tensors, NULL), LIMN_OK);
    return f;
}

/* On a thread of its own or at once: what `limn inspect` says. */
static void the_hash_is_what_inspect_says(void **state) {
    limn_report *report = NULL;
    (void)state;
    assert_int_equal(limn_inspect(scratch_folder(), NULL, true, &report, NULL), LIMN_OK);
    assert_int_equal(strlen(report->sha256), 64);
    for (int threads = 1; threads <= 2; threads++) {
        limn_model *m = open_model(threads);
        assert_string_equal(limn_model_describe(m).sha256, report->sha256);
        assert_string_equal(limn_model_describe(m).sha256, report->sha256);
        limn_model_close(m);
    }
    limn_report_free(report);
}

/* A file that is shortened before it is hashed: the picture fails with the sentence. */
static void a_changed_file_is_a_fault_of_the_picture(void **state) {
    char path[200];
    (void)state;
    limn_model *m = open_model(1);
    limn_request q;
    limn_request_defaults(m, &q);
    q.prompt = "x";
    q.width = q.height = 32;
    q.steps = 1;
    snprintf(path, sizeof path, "%s/unet/diffusion_pytorch_model.safetensors", scratch_folder());
    limn_folder *f[2] = {open_folder(), open_folder()};
    assert_int_equal(truncate(path, 1000), 0);
    for (int beside = 0; beside < 2; beside++) {
        limn_error err = {0};
        limn_picture *p = NULL;
        limn_hashing_end(m->hashing);
        assert_int_equal(limn_hashing_start(&f[beside], beside, m->sha256, &m->hashing, &err),
                         LIMN_OK);
        assert_null(f[beside]);
        assert_int_equal(limn_render(m, &q, NULL, &p, &err), LIMN_E_INPUT);
        assert_non_null(strstr(err.text, "shortened while it was read"));
        assert_null(p);
        assert_string_equal(limn_model_describe(m).sha256, "");
    }
    limn_model_close(m);
}

/* Two gigabytes take a second to hash, and a model that is closed does not wait for that. */
static void closing_does_not_wait_for_the_hash(void **state) {
    char path[100], sha256[65] = "";
    limn_folder *f = NULL;
    limn_hashing *h = NULL;
    (void)state;
    snprintf(path, sizeof path, "%s/large.safetensors", scratch_folder());
    published_write(PUBLISHED_SD15, 4, path);
    assert_int_equal(limn_folder_open(path, &f, NULL), LIMN_OK);
    const clock_t before = clock();
    assert_int_equal(limn_hashing_start(&f, true, sha256, &h, NULL), LIMN_OK);
    limn_hashing_end(h);
    assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 0.3);
    assert_string_equal(sha256, "");
}

/* A child process has no thread that hashes: it is told so, and does not wait for ever. What was
 * found before it was made, it has. */
static void a_child_process_is_told(void **state) {
    char path[100], sha256[65] = "";
    limn_folder *f = NULL;
    limn_hashing *h = NULL;
    (void)state;
    for (int found = 0; found < 2; found++) {
        snprintf(path, sizeof path, "%s%s", scratch_folder(), found ? "" : "/large.safetensors");
        assert_int_equal(limn_folder_open(path, &f, NULL), LIMN_OK);
        assert_int_equal(limn_hashing_start(&f, true, sha256, &h, NULL), LIMN_OK);
        if (found) assert_int_equal(limn_hashing_wait(h, NULL), LIMN_OK);
        const pid_t child = fork();
        if (child == 0) {
            limn_error err = {0};
            alarm(20);
            const limn_status status = limn_hashing_wait(h, &err);
            limn_hashing_end(h);
            _exit(found ? status : status == LIMN_E_USAGE && strstr(err.text, "fork()") ? 0 : 1);
        }
        int ended = -1;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, 0);
        limn_hashing_end(h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_what_inspect_says),
        cmocka_unit_test(closing_does_not_wait_for_the_hash),
        cmocka_unit_test(a_child_process_is_told),
        cmocka_unit_test(a_changed_file_is_a_fault_of_the_picture),
    };
    return cmocka_run_group_tests(tests, start, scratch_remove);
}
