/* LoRA: every form merged by limn, against its definition written out here in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/layers.h"
#include "layers/merge.h"
#include "support/guarded.h"
#include "support/levels.h"
#include "support/weights.h"

/* The layer that all of these correct: [N, C, 3, 3], or [N, C] where TAPS is 1. */
enum { N = 36, C = 20, RANK = 3 };

#define LAYER "mid_block.resnets.0.conv1"
#define FILE_ "lora_unet_mid_block_resnets_0_conv1"

/* A case: the tensors of its file, and its definition. */
typedef struct lora_case {
    const char *name;
    int taps; /* of the layer */
    struct {
        const char *end;
        int rank, shape[4];
    } part[6];
    double (*delta)(const weights_file *f, int n, int c, int tap, int taps);
} lora_case;

static double part(const weights_file *f, const char *end, int i) {
    char name[160];
    snprintf(name, sizeof name, FILE_ "%s", end);
    return (double)weights_of(f, name)[i];
}

static double plain(const weights_file *f, int n, int c, int tap, int taps) {
    double sum = 0;
    for (int r = 0; r < RANK; r++)
        sum += part(f, ".lora_up.weight", n * RANK + r) *
               part(f, ".lora_down.weight", (r * C + c) * taps + tap);
    return sum;
}

static double tucker(const weights_file *f, int n, int c, int tap, int taps) {
    double sum = 0;
    for (int r = 0; r < RANK; r++)
        for (int q = 0; q < RANK; q++)
            sum += part(f, ".lora_up.weight", n * RANK + r) *
                   part(f, ".lora_mid.weight", (r * RANK + q) * taps + tap) *
                   part(f, ".lora_down.weight", q * C + c);
    return sum;
}

static double loha(const weights_file *f, int n, int c, int tap, int taps) {
    double a = 0, b = 0;
    for (int r = 0; r < RANK; r++) {
        a += part(f, ".hada_w1_a", n * RANK + r) * part(f, ".hada_w1_b", (r * C + c) * taps + tap);
        b += part(f, ".hada_w2_a", n * RANK + r) * part(f, ".hada_w2_b", (r * C + c) * taps + tap);
    }
    return a * b;
}

static double loha_tucker(const weights_file *f, int n, int c, int tap, int taps) {
    double a = 0, b = 0;
    for (int r = 0; r < RANK; r++)
        for (int q = 0; q < RANK; q++) {
            a += part(f, ".hada_w1_a", r * N + n) * part(f, ".hada_w1_b", q * C + c) *
                 part(f, ".hada_t1", (r * RANK + q) * taps + tap);
            b += part(f, ".hada_w2_a", r * N + n) * part(f, ".hada_w2_b", q * C + c) *
                 part(f, ".hada_t2", (r * RANK + q) * taps + tap);
        }
    return a * b;
}

/* w1 is [4, 5], w2 [9, 4, ...] in all of these. */
enum { N2 = 9, C2 = 4, C1 = 5 };

static double lokr(const weights_file *f, int n, int c, int tap, int taps) {
    return part(f, ".lokr_w1", n / N2 * C1 + c / C2) *
           part(f, ".lokr_w2", (n % N2 * C2 + c % C2) * taps + tap);
}

static double lokr_second(const weights_file *f, int n, int c, int tap, int taps) {
    double w2 = 0;
    for (int r = 0; r < RANK; r++)
        w2 += part(f, ".lokr_w2_a", n % N2 * RANK + r) *
              part(f, ".lokr_w2_b", (r * C2 + c % C2) * taps + tap);
    return part(f, ".lokr_w1", n / N2 * C1 + c / C2) * w2;
}

static double lokr_both(const weights_file *f, int n, int c, int tap, int taps) {
    double w1 = 0, w2 = 0;
    for (int r = 0; r < RANK; r++) {
        w1 += part(f, ".lokr_w1_a", n / N2 * RANK + r) * part(f, ".lokr_w1_b", r * C1 + c / C2);
        w2 += part(f, ".lokr_w2_a", n % N2 * RANK + r) *
              part(f, ".lokr_w2_b", (r * C2 + c % C2) * taps + tap);
    }
    return w1 * w2;
}

static double lokr_tucker(const weights_file *f, int n, int c, int tap, int taps) {
    double w2 = 0;
    for (int r = 0; r < RANK; r++)
        for (int q = 0; q < RANK; q++)
            w2 += part(f, ".lokr_w2_a", r * N2 + n % N2) * part(f, ".lokr_w2_b", q * C2 + c % C2) *
                  part(f, ".lokr_t2", (r * RANK + q) * taps + tap);
    return part(f, ".lokr_w1", n / N2 * C1 + c / C2) * w2;
}

static double whole(const weights_file *f, int n, int c, int tap, int taps) {
    return part(f, ".diff", (n * C + c) * taps + tap);
}

static const lora_case forms[] = {
    {"LoRA of a linear layer",
     1,
     {{".lora_down.weight", 2, {RANK, C}}, {".lora_up.weight", 2, {N, RANK}}},
     plain},
    {"LoRA of a 1x1 convolution",
     1,
     {{".lora_down.weight", 4, {RANK, C, 1, 1}}, {".lora_up.weight", 4, {N, RANK, 1, 1}}},
     plain},
    {"LoRA of a convolution",
     9,
     {{".lora_down.weight", 4, {RANK, C, 3, 3}}, {".lora_up.weight", 4, {N, RANK, 1, 1}}},
     plain},
    {"LoRA with a core",
     9,
     {{".lora_down.weight", 4, {RANK, C, 1, 1}},
      {".lora_mid.weight", 4, {RANK, RANK, 3, 3}},
      {".lora_up.weight", 4, {N, RANK, 1, 1}}},
     tucker},
    {"LoHa",
     1,
     {{".hada_w1_a", 2, {N, RANK}},
      {".hada_w1_b", 2, {RANK, C}},
      {".hada_w2_a", 2, {N, RANK}},
      {".hada_w2_b", 2, {RANK, C}}},
     loha},
    {"LoHa of a convolution",
     9,
     {{".hada_w1_a", 2, {N, RANK}},
      {".hada_w1_b", 2, {RANK, C * 9}},
      {".hada_w2_a", 2, {N, RANK}},
      {".hada_w2_b", 2, {RANK, C * 9}}},
     loha},
    {"LoHa with cores",
     9,
     {{".hada_t1", 4, {RANK, RANK, 3, 3}},
      {".hada_w1_a", 2, {RANK, N}},
      {".hada_w1_b", 2, {RANK, C}},
      {".hada_t2", 4, {RANK, RANK, 3, 3}},
      {".hada_w2_a", 2, {RANK, N}},
      {".hada_w2_b", 2, {RANK, C}}},
     loha_tucker},
    {"LoKr", 1, {{".lokr_w1", 2, {4, C1}}, {".lokr_w2", 2, {N2, C2}}}, lokr},
    {"LoKr of a convolution", 9, {{".lokr_w1", 2, {4, C1}}, {".lokr_w2", 4, {N2, C2, 3, 3}}}, lokr},
    {"LoKr, the second a product",
     9,
     {{".lokr_w1", 2, {4, C1}}, {".lokr_w2_a", 2, {N2, RANK}}, {".lokr_w2_b", 2, {RANK, C2 * 9}}},
     lokr_second},
    {"LoKr, both products",
     1,
     {{".lokr_w1_a", 2, {4, RANK}},
      {".lokr_w1_b", 2, {RANK, C1}},
      {".lokr_w2_a", 2, {N2, RANK}},
      {".lokr_w2_b", 2, {RANK, C2}}},
     lokr_both},
    {"LoKr with a core",
     9,
     {{".lokr_w1", 2, {4, C1}},
      {".lokr_t2", 4, {RANK, RANK, 3, 3}},
      {".lokr_w2_a", 2, {RANK, N2}},
      {".lokr_w2_b", 2, {RANK, C2}}},
     lokr_tucker},
    {"a whole difference", 1, {{".diff", 2, {N, C}}}, whole},
    {"a whole difference of a convolution", 9, {{".diff", 4, {N, C, 3, 3}}}, whole},
};

/* What the layer is stored in. */
enum { WIDER, HALF, BRAIN, STORED };

/* The model: the layer, stored so. */
static weights_file *make_model(uint64_t *random, int taps, int stored) {
    weights_file *f = weights_make(random);
    weights_store(f, ((const limn_dtype[]){LIMN_F32, LIMN_F16, LIMN_BF16})[stored]);
    weights_add(f, LAYER ".weight", taps == 1 ? 2 : 4,
                (const int[4]){N, C, 3, 3}); /* 3 x 3 only where the rank is 4 */
    return f;
}

static weights_file *make_lora(uint64_t *random, const lora_case *form, bool alpha) {
    weights_file *f = weights_make(random);
    char name[160];
    for (int i = 0; i < 6 && form->part[i].end; i++) {
        snprintf(name, sizeof name, FILE_ "%s", form->part[i].end);
        weights_add(f, name, form->part[i].rank, form->part[i].shape);
    }
    if (alpha) weights_add(f, FILE_ ".alpha", 0, NULL);
    return f;
}

static limn_loras *open_loras(const limn_lora *asked, int count, weights_file *model) {
    limn_loras *l;
    limn_error err;
    const limn_lora_component unet = {"unet", weights_tensors(model)};
    if (limn_loras_open(asked, count, &l, &err) != LIMN_OK) fail_msg("%s", err.text);
    if (limn_loras_bind(l, &unet, 1, &err) != LIMN_OK) fail_msg("%s", err.text);
    return l;
}

/* The layer with all corrections, as float32. */
static void merge(const limn_kernels *k, const limn_loras *l, weights_file *model, float *out) {
    int count;
    limn_tensor rows;
    const limn_tensor *t = limn_tensors_find(weights_tensors(model), LAYER ".weight");
    const limn_lora_delta *deltas = limn_loras_of(l, t, &count);
    assert_non_null(deltas);
    limn_merge *m;
    limn_error err;
    assert_int_equal(limn_merge_start(k, t, deltas, count, &m, &err), LIMN_OK);
    for (uint64_t at = 0; at < t->count; at += rows.count) {
        assert_int_equal(limn_merge_next(m, &rows, &err), LIMN_OK);
        assert_int_equal(rows.dtype, t->dtype == LIMN_F16 ? LIMN_F16 : LIMN_F32);
        assert_int_equal(limn_tensor_read(&rows, 0, rows.count, out + at, &err), LIMN_OK);
    }
    limn_merge_end(m);
}

/* scale x alpha / rank, by the rules. */
static double factor_of(const lora_case *form, const weights_file *lora, double scale, bool alpha) {
    bool ranked = form->delta != lokr && form->delta != whole; /* else no alpha */
    return alpha && ranked ? scale * part(lora, ".alpha", 0) / RANK : scale;
}

/* Compares with the definition, entry by entry; the tolerance is that of float32, for sums of up to
 * some hundred terms, or of float16. */
static void check(const lora_case *form, const float *weight, const weights_file *lora,
                  double factor, bool half, const float *merged) {
    for (int i = 0; i < N * C * form->taps; i++) {
        int tap = i % form->taps, c = i / form->taps % C, n = i / form->taps / C;
        double delta = factor * form->delta(lora, n, c, tap, form->taps);
        double want = (double)weight[i] + delta;
        double most = 1e-5 * (2 + fabs(factor) * 100) + (half ? fabs(want) / 2048 : 0);
        if (!(fabs((double)merged[i] - want) <= most))
            fail_msg("%s: entry %d is %.9g, expected %.9g", form->name, i, (double)merged[i], want);
    }
}

static void test_forms(void **state) {
    (void)state;
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms * 2 * STORED; i++) {
        const lora_case *form = &forms[i / (2 * STORED)];
        bool alpha = i % 2;
        int stored = (int)(i / 2 % STORED);
        weights_file *model = make_model(&random, form->taps, stored);
        weights_file *lora = make_lora(&random, form, alpha);
        const limn_lora asked = {.path = weights_save(lora), .scale = -0.75};
        limn_loras *l = open_loras(&asked, 1, model);
        float merged[N * C * 9], other[N * C * 9];
        merge(level_at(0), l, model, merged);
        check(form, weights_of(model, LAYER ".weight"), lora,
              factor_of(form, lora, asked.scale, alpha), stored == HALF, merged);
        for (int level = 0; level < level_count(); level++) { /* the same bits everywhere */
            merge(level_at(level), l, model, other);
            assert_memory_equal(merged, other, (size_t)(N * C * form->taps) * sizeof *other);
        }
        limn_loras_close(l);
        weights_free(lora);
        weights_free(model);
    }
}

/* A layer's matrix of N x C in a measuring pass. */
static limn_matrix matrix_of(weights_file *model, const limn_loras *l) {
    limn_arena plan = limn_arena_measure();
    limn_loader ld = {.k = level_at(0),
                      .arena = &plan,
                      .tensors = weights_tensors(model),
                      .loras = l,
                      .keep_narrow = true};
    return limn_load_linear(&ld, LAYER, N, C, false);
}

/* 16 bits are kept where they hold what there is: bfloat16 that is merged becomes float32. */
static void what_is_merged_is_kept(void **state) {
    (void)state;
    static const limn_dtype alone[STORED] = {LIMN_F32, LIMN_F16, LIMN_BF16};
    static const limn_dtype merged[STORED] = {LIMN_F32, LIMN_F16, LIMN_F32};
    uint64_t random = 8;
    for (int stored = 0; stored < STORED; stored++) {
        weights_file *model = make_model(&random, 1, stored);
        weights_file *lora = make_lora(&random, &forms[0], false);
        const limn_lora asked = {.path = weights_save(lora), .scale = 1};
        limn_loras *l = open_loras(&asked, 1, model);
        assert_int_equal(matrix_of(model, NULL).numbers.type, alone[stored]);
        assert_int_equal(matrix_of(model, l).numbers.type, merged[stored]);
        limn_loras_close(l);
        weights_free(lora);
        weights_free(model);
    }
}

/* DoRA (Liu et al. 2024, equation 5), in double: V = W + alpha / rank x delta is brought to the
 * magnitudes, by rows as PEFT has it or by input channels as LyCORIS does; the scale goes from W to
 * what that gives. */
static void check_dora(uint64_t *random, const lora_case *form, int axis, double scale) {
    static const int shapes[3][4] = {{N}, {N, 1, 1, 1}, {1, C, 1, 1}};
    static const char *const ends[3] = {".lora_magnitude_vector", ".dora_scale", ".dora_scale"};
    int taps = form->taps, rank = axis == 0 ? 1 : taps == 1 ? 2 : 4;
    char end[160];
    weights_file *model = make_model(random, taps, WIDER), *lora = make_lora(random, form, true);
    snprintf(end, sizeof end, FILE_ "%s", ends[axis]);
    weights_add(lora, end, rank, shapes[axis]);
    const limn_lora asked = {.path = weights_save(lora), .scale = scale};
    limn_loras *l = open_loras(&asked, 1, model);
    float merged[N * C * 9], other[N * C * 9];
    merge(level_at(0), l, model, merged);
    for (int level = 0; level < level_count(); level++) {
        merge(level_at(level), l, model, other);
        assert_memory_equal(merged, other, (size_t)(N * C * taps) * sizeof *other);
    }
    const float *weight = weights_of(model, LAYER ".weight");
    double factor = factor_of(form, lora, 1, true);
    static double v[N * C * 9], squares[N];
    memset(squares, 0, sizeof squares);
    for (int i = 0; i < N * C * taps; i++) {
        int tap = i % taps, c = i / taps % C, n = i / taps / C;
        v[i] = (double)weight[i] + factor * form->delta(lora, n, c, tap, taps);
        squares[axis < 2 ? n : c] += v[i] * v[i];
    }
    for (int i = 0; i < N * C * taps; i++) {
        int which = axis < 2 ? i / taps / C : i / taps % C;
        double full = part(lora, ends[axis], which) * v[i] / sqrt(squares[which]);
        double want = (double)weight[i] + scale * (full - (double)weight[i]);
        if (!(fabs((double)merged[i] - want) <= 2e-5))
            fail_msg("%s, axis %d: entry %d is %.9g, expected %.9g", form->name, axis, i,
                     (double)merged[i], want);
    }
    limn_loras_close(l);
    weights_free(lora);
    weights_free(model);
}

static void test_dora(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int axis = 0; axis < 3; axis++) {
        check_dora(&random, &forms[0], axis, 1); /* LoRA */
        check_dora(&random, &forms[2], axis, 0.5);
        check_dora(&random, &forms[5], axis, -0.25); /* LoHa of a convolution */
        check_dora(&random, &forms[9], axis, 1);     /* LoKr */
    }
}

/* Biases, and norms as LyCORIS calls them; alphas out of diffusers' metadata are read too. */
static void test_vectors(void **state) {
    (void)state;
    uint64_t random = 4;
    const int n = N;
    weights_file *model = weights_make(&random), *lora = weights_make(&random);
    weights_add(model, LAYER ".weight", 4, (const int[4]){N, C, 3, 3});
    weights_store(model, LIMN_F32);
    weights_add(model, LAYER ".bias", 1, &n);
    weights_add(model, "conv_norm_out.bias", 1, &n);
    weights_add(model, "conv_norm_out.weight", 1, &n);
    weights_add(lora, FILE_ ".diff_b", 1, &n);
    weights_add(lora, "lora_unet_conv_norm_out.w_norm", 1, &n);
    weights_add(lora, "lora_unet_conv_norm_out.b_norm", 1, &n);
    weights_add(lora, "lora_unet_nowhere.b_norm", 1, &n);
    static const char *const pairs[3][2] = {
        {LAYER ".bias", FILE_ ".diff_b"},
        {"conv_norm_out.weight", "lora_unet_conv_norm_out.w_norm"},
        {"conv_norm_out.bias", "lora_unet_conv_norm_out.b_norm"}};
    const limn_lora asked = {.path = weights_save(lora), .scale = 0.5};
    limn_loras *l = open_loras(&asked, 1, model);
    assert_int_equal(limn_loras_info(l)->matrices, 3);
    assert_int_equal(limn_loras_info(l)->unknown, 1);
    for (int i = 0; i < 3; i++) {
        int count;
        limn_tensor rows;
        limn_merge *m;
        float merged[N];
        const limn_tensor *t = limn_tensors_find(weights_tensors(model), pairs[i][0]);
        const limn_lora_delta *deltas = limn_loras_of(l, t, &count);
        assert_int_equal(count, 1);
        assert_int_equal(limn_merge_start(limn_kernels_pick(), t, deltas, 1, &m, NULL), LIMN_OK);
        assert_int_equal(limn_merge_next(m, &rows, NULL), LIMN_OK);
        assert_int_equal(limn_tensor_read(&rows, 0, N, merged, NULL), LIMN_OK);
        for (int k = 0; k < N; k++)
            assert_float_equal(
                merged[k],
                weights_of(model, pairs[i][0])[k] + 0.5f * weights_of(lora, pairs[i][1])[k], 2e-3);
        limn_merge_end(m);
    }
    limn_loras_close(l);
    weights_free(lora);
    weights_free(model);
}

/* Two files, one after the other; and a scale of 0 leaves the bits alone. */
static void test_several(void **state) {
    (void)state;
    uint64_t random = 2;
    weights_file *model = make_model(&random, 9, WIDER);
    weights_file *a = make_lora(&random, &forms[2], false);
    weights_file *b = make_lora(&random, &forms[8], false);
    const limn_lora both[] = {{.path = weights_save(a), .scale = 1},
                              {.path = weights_save(b), .scale = 0.5}};
    const limn_lora none[] = {{.path = weights_save(a), .scale = 0},
                              {.path = weights_save(b), .scale = 0}};
    const float *weight = weights_of(model, LAYER ".weight");
    float merged[N * C * 9];
    limn_loras *l = open_loras(both, 2, model);
    merge(limn_kernels_pick(), l, model, merged);
    for (int i = 0; i < N * C * 9; i++) {
        double want = (double)weight[i] + plain(a, i / 9 / C, i / 9 % C, i % 9, 9) +
                      0.5 * lokr(b, i / 9 / C, i / 9 % C, i % 9, 9);
        assert_true(fabs((double)merged[i] - want) <= 1e-4);
    }
    limn_loras_close(l);
    l = open_loras(none, 2, model);
    merge(limn_kernels_pick(), l, model, merged);
    assert_memory_equal(merged, weight, sizeof merged);
    limn_loras_close(l);
    weights_free(a);
    weights_free(b);
    weights_free(model);
}

/* A layer of more rows than are merged at a time, and DoRA on what a file before it has made of it:
 * W' = W + 0.5 LoHa, V = W' + LoRA, by rows or by input channels. */
enum { TALL = 200, WIDE = 400 };

static double product(const float *up, const float *down, int n, int c) {
    double sum = 0;
    for (int r = 0; r < RANK; r++) sum += (double)up[n * RANK + r] * (double)down[r * WIDE + c];
    return sum;
}

static void check_tall(uint64_t *random, bool by_row) {
    static double v[TALL * WIDE], squares[WIDE];
    static float merged[TALL * WIDE];
    weights_file *model = weights_make(random), *a = weights_make(random),
                 *b = weights_make(random);
    weights_add(model, LAYER ".weight", 2, (const int[2]){TALL, WIDE});
    weights_add(a, FILE_ ".hada_w1_a", 2, (const int[2]){TALL, RANK});
    weights_add(a, FILE_ ".hada_w1_b", 2, (const int[2]){RANK, WIDE});
    weights_add(a, FILE_ ".hada_w2_a", 2, (const int[2]){TALL, RANK});
    weights_add(a, FILE_ ".hada_w2_b", 2, (const int[2]){RANK, WIDE});
    weights_add(b, FILE_ ".lora_up.weight", 2, (const int[2]){TALL, RANK});
    weights_add(b, FILE_ ".lora_down.weight", 2, (const int[2]){RANK, WIDE});
    weights_add(b, FILE_ ".dora_scale", 2,
                by_row ? (const int[2]){TALL, 1} : (const int[2]){1, WIDE});
    const limn_lora both[] = {{.path = weights_save(a), .scale = 0.5},
                              {.path = weights_save(b), .scale = 1}};
    limn_loras *l = open_loras(both, 2, model);
    merge(limn_kernels_pick(), l, model, merged);
    const float *of[] = {
        weights_of(model, LAYER ".weight"),       weights_of(a, FILE_ ".hada_w1_a"),
        weights_of(a, FILE_ ".hada_w1_b"),        weights_of(a, FILE_ ".hada_w2_a"),
        weights_of(a, FILE_ ".hada_w2_b"),        weights_of(b, FILE_ ".lora_up.weight"),
        weights_of(b, FILE_ ".lora_down.weight"), weights_of(b, FILE_ ".dora_scale")};
    memset(squares, 0, sizeof squares);
    for (int i = 0; i < TALL * WIDE; i++) {
        int n = i / WIDE, c = i % WIDE;
        v[i] = (double)of[0][i] + 0.5 * product(of[1], of[2], n, c) * product(of[3], of[4], n, c) +
               product(of[5], of[6], n, c);
        squares[by_row ? n : c] += v[i] * v[i];
    }
    for (int i = 0; i < TALL * WIDE; i++) {
        int which = by_row ? i / WIDE : i % WIDE;
        double want = (double)of[7][which] * v[i] / sqrt(squares[which]);
        if (!(fabs((double)merged[i] - want) <= 1e-5))
            fail_msg("entry %d is %.9g, expected %.9g", i, (double)merged[i], want);
    }
    limn_loras_close(l);
    weights_free(model);
    weights_free(a);
    weights_free(b);
}

static void a_tall_matrix_is_merged_in_pieces(void **state) {
    (void)state;
    uint64_t random = 6;
    check_tall(&random, true);
    check_tall(&random, false);
}

/* DoRA with an alpha of 0 only brings W to the magnitudes; and a row of zeros has none to be
 * brought to. */
static void test_dora_of_nothing(void **state) {
    (void)state;
    uint64_t random = 7;
    weights_file *model = make_model(&random, 1, WIDER),
                 *lora = make_lora(&random, &forms[0], true);
    weights_add(lora, FILE_ ".dora_scale", 1, &(const int){N});
    memset((float *)weights_of(lora, FILE_ ".alpha"), 0, sizeof(float));
    memset((float *)weights_of(model, LAYER ".weight"), 0, C * sizeof(float));
    const limn_lora asked = {.path = weights_save(lora), .scale = 1};
    limn_loras *l = open_loras(&asked, 1, model);
    float merged[N * C];
    merge(limn_kernels_pick(), l, model, merged);
    for (int n = 0; n < N; n++) {
        const float *w = weights_of(model, LAYER ".weight") + n * C;
        double squares = 0;
        for (int c = 0; c < C; c++) squares += (double)w[c] * (double)w[c];
        for (int c = 0; c < C; c++) {
            double want = n ? part(lora, ".dora_scale", n) * (double)w[c] / sqrt(squares) : 0;
            assert_true(fabs((double)merged[n * C + c] - want) <= 1e-5);
        }
    }
    limn_loras_close(l);
    weights_free(model);
    weights_free(lora);
}

/* float16 is rounded to the nearest, ties to even, at every size; the other way is exact. */
static void float16_is_rounded_to_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        uint16_t bits[2] = {(uint16_t)h, (uint16_t)(h + 1)}, out[3];
        float two[2], three[3];
        limn_kernels_pick()->from_f16(bits, 2, two);
        if (h == 0x7bff) two[1] = 65536; /* what would be next */
        float middle = (two[0] + two[1]) / 2;
        three[0] = two[0];
        three[1] = middle;
        three[2] = -nextafterf(middle, 0);
        limn_f32_to_f16(three, 3, out);
        assert_int_equal(out[0], h);
        assert_int_equal(out[1], h % 2 ? h + 1 : h);
        assert_int_equal(out[2], h | 0x8000);
    }
    const float special[] = {INFINITY, -INFINITY, 65519.996f, 1e30f, NAN, -0.0f, 1e-30f};
    uint16_t out[7];
    limn_f32_to_f16(special, 7, out);
    const uint16_t want[] = {0x7c00, 0xfc00, 0x7bff, 0x7c00, 0x7e00, 0x8000, 0};
    assert_memory_equal(out, want, sizeof want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(what_is_merged_is_kept),
        cmocka_unit_test(test_dora),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_several),
        cmocka_unit_test(float16_is_rounded_to_even),
        cmocka_unit_test(a_tall_matrix_is_merged_in_pieces),
        cmocka_unit_test(test_dora_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
