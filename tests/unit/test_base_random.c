/* The random streams against what torch and stable-diffusion.cpp draw (tests/golden/rng). */
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/sha256.h"
#include "support/golden.h"

#define TORCH  "tests/golden/rng/torch_cpu_randn"
#define PHILOX "tests/golden/rng/philox"

/* How many representable floats lie between a and b. */
static unsigned ulps(float a, float b) {
    int32_t i, j;
    memcpy(&i, &a, 4);
    memcpy(&j, &b, 4);
    int64_t x = i < 0 ? -(int64_t)(i & 0x7fffffff) : i;
    int64_t y = j < 0 ? -(int64_t)(j & 0x7fffffff) : j;
    return (unsigned)llabs(x - y);
}

/* At most 1 ulp apart everywhere. Returns how many differ at all. */
static size_t assert_close(const char *what, const float *got, const float *want, size_t n) {
    size_t differ = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = ulps(got[i], want[i]);
        if (!(fabsf(got[i]) < 100) || d > 1)
            fail_msg("%s: value %zu is %.9g, not %.9g", what, i, (double)got[i], (double)want[i]);
        differ += d;
    }
    return differ;
}

static size_t elements(const json_t *shape) {
    size_t n = 1, i;
    const json_t *dim;
    json_array_foreach(shape, i, dim) n *= (size_t)json_integer_value(dim);
    return n;
}

/* The first or last values that a row of the JSON lists. */
static size_t assert_row(const char *what, const json_t *values, const float *got) {
    float want[8];
    size_t n = json_array_size(values);
    assert_in_range(n, 1, 8);
    for (size_t i = 0; i < n; i++) want[i] = (float)json_number_value(json_array_get(values, i));
    return assert_close(what, got, want, n);
}

/* Every seed and shape: the values that are listed to 1 ulp, and the hash of the whole. */
static void torch_matches_the_scalar_code(void **state) {
    (void)state;
    json_t *all = golden_json(TORCH ".json");
    size_t index, rows = 0, same = 0;
    const json_t *row;
    json_array_foreach(all, index, row) {
        if (strcmp(json_string_value(json_object_get(row, "op")), "randn") != 0) continue;
        uint64_t seed = (uint64_t)json_integer_value(json_object_get(row, "seed"));
        size_t n = elements(json_object_get(row, "shape"));
        float *got = malloc(n * sizeof *got);
        limn_rng r;
        limn_rng_start(&r, LIMN_RNG_TORCH, seed);
        limn_rng_normal(&r, got, n);

        const json_t *first = json_object_get(row, "first_scalar");
        const json_t *last = json_object_get(row, "last_scalar");
        if (!first) first = json_object_get(row, "first");
        if (!last) last = json_object_get(row, "last");
        char what[80], hex[65];
        snprintf(what, sizeof what, "seed %llu, %zu values", (unsigned long long)seed, n);
        assert_row(what, first, got);
        assert_row(what, last, got + n - json_array_size(last));
        limn_sha256_of(got, n * sizeof *got, hex);
        same += strcmp(hex, json_string_value(json_object_get(row, "sha256_scalar"))) == 0;
        rows++;
        free(got);
    }
    json_decref(all);
    print_message("torch: %zu of %zu draws have torch's very bytes\n", same, rows);
    assert_int_equal(rows, 126);
    assert_int_equal(same, rows);
}

static void torch_whole_arrays_match(void **state) {
    (void)state;
    golden *g = golden_open(TORCH ".safetensors");
    const char *names[] = {"randn_seed42_1x4x64x64.scalar", "randn_seed42_1x4x8x8.scalar"};
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        const float *want = golden_f32(g, names[i], &n);
        float *got = malloc(n * sizeof *got);
        limn_rng r;
        limn_rng_start(&r, LIMN_RNG_TORCH, 42);
        limn_rng_normal(&r, got, n);
        assert_close(names[i], got, want, n);
        free(got);
    }
    golden_close(g);
}

/* Nine draws in a row from one generator; the spare of a small one waits for the next small one.
 * The large ones are stored as the vector code gives them, hence the looser comparison there. */
static void torch_sequences_keep_the_spare(void **state) {
    (void)state;
    static const size_t sizes[] = {3, 4, 16, 5, 100, 1, 1, 64, 2};
    static const uint64_t seeds[] = {0, 1, 42, 1234, 4294967295u, 4294967296u, INT64_MAX};
    golden *g = golden_open(TORCH ".safetensors");
    for (size_t s = 0; s < sizeof seeds / sizeof seeds[0]; s++) {
        limn_rng r;
        limn_rng_start(&r, LIMN_RNG_TORCH, seeds[s]);
        for (size_t i = 0; i < 9; i++) {
            char name[80];
            snprintf(name, sizeof name, "seq_seed%llu_%zu_n%zu", (unsigned long long)seeds[s], i,
                     sizes[i]);
            size_t n;
            const float *want = golden_f32(g, name, &n);
            assert_int_equal(n, sizes[i]);
            float got[100];
            limn_rng_normal(&r, got, n);
            if (n < 16) {
                assert_int_equal(assert_close(name, got, want, n), 0);
                continue;
            }
            for (size_t j = 0; j < n; j++)
                if (!(fabsf(got[j] - want[j]) <= 2e-6f)) fail_msg("%s: value %zu", name, j);
        }
    }
    golden_close(g);
}

/* torch reads 32 bits of a seed, Philox 64. */
static void seeds_count_as_the_generator_says(void **state) {
    (void)state;
    float a[20], b[20];
    for (int kind = 0; kind < 2; kind++) {
        limn_rng r;
        limn_rng_start(&r, (limn_rng_kind)kind, 7);
        limn_rng_normal(&r, a, 20);
        limn_rng_start(&r, (limn_rng_kind)kind, 7 + (1ULL << 32));
        limn_rng_normal(&r, b, 20);
        assert_int_equal(memcmp(a, b, sizeof a) == 0, kind == LIMN_RNG_TORCH);
    }
}

static void philox_matches(void **state) {
    (void)state;
    json_t *all = golden_json(PHILOX ".json");
    size_t index, rows = 0, same = 0;
    const json_t *row;
    json_array_foreach(all, index, row) {
        size_t n = (size_t)json_integer_value(json_object_get(row, "n"));
        int draw = (int)json_integer_value(json_object_get(row, "draw"));
        float *got = malloc(n * sizeof *got);
        limn_rng r;
        limn_rng_start(&r, LIMN_RNG_PHILOX,
                       (uint64_t)json_integer_value(json_object_get(row, "seed")));
        for (int i = 0; i <= draw; i++) limn_rng_normal(&r, got, n);
        const json_t *last = json_object_get(row, "last");
        assert_row("philox", json_object_get(row, "first"), got);
        assert_row("philox", last, got + n - json_array_size(last));
        char hex[65];
        limn_sha256_of(got, n * sizeof *got, hex);
        same += strcmp(hex, json_string_value(json_object_get(row, "sha256"))) == 0;
        rows++;
        free(got);
    }
    json_decref(all);
    print_message("philox: %zu of %zu draws have the very bytes\n", same, rows);
    assert_int_equal(rows, 135);
    assert_int_equal(same, rows);
}

/* Whole arrays, and that one call of many is a copyable state away from the next. */
static void philox_whole_arrays_match(void **state) {
    (void)state;
    golden *g = golden_open(PHILOX ".safetensors");
    for (size_t i = 0; i < golden_count(g); i++) {
        const char *name = golden_name(g, i);
        unsigned long long seed;
        size_t per_draw, n;
        assert_int_equal(sscanf(name, "philox_seed%llu_n%zu", &seed, &per_draw), 2);
        const float *want = golden_f32(g, name, &n);
        float *got = malloc(per_draw * sizeof *got);
        limn_rng r;
        limn_rng_start(&r, LIMN_RNG_PHILOX, seed);
        for (size_t at = 0; at < n; at += per_draw) {
            limn_rng copy = r;
            limn_rng_normal(&copy, got, per_draw);
            r = copy;
            assert_close(name, got, want + at, per_draw);
        }
        free(got);
    }
    golden_close(g);
}

/* The vectors of Steele, Lea and Flood's reference program for seed 0: its k-th output mixes k
 * steps of the golden gamma. */
static void mix64_is_splitmix64(void **state) {
    (void)state;
    const uint64_t gamma = 0x9e3779b97f4a7c15ULL;
    assert_true(limn_mix64(0) == 0xe220a8397b1dcdafULL);
    assert_true(limn_mix64(gamma) == 0x6e789e6aa1b965f4ULL);
    assert_true(limn_mix64(2 * gamma) == 0x06c45d188009454fULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torch_matches_the_scalar_code),
        cmocka_unit_test(torch_whole_arrays_match),
        cmocka_unit_test(torch_sequences_keep_the_spare),
        cmocka_unit_test(seeds_count_as_the_generator_says),
        cmocka_unit_test(philox_matches),
        cmocka_unit_test(philox_whole_arrays_match),
        cmocka_unit_test(mix64_is_splitmix64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
