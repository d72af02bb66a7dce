/* Linear layers and tables over GGUF's blocks of 32 integers with a scale, kept as they are or as
 * float32: the same bits, at every level, on any number of threads; and right. With a LoRA, and as
 * int8, they are not kept, but are right too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/product.h"
#include "support/gguf.h"
#include "support/guarded.h"
#include "support/layer_case.h"

/* Layers of one input, made one matrix; columns of a panel belong to two of them. */
enum { PARTS = 3, N = 21, ROWS = 7, K_MOST = 320, RANK = 2 };

/* int8's own error, relative to the largest result. */
#define INT8_TOLERANCE 1.5e-2

static const char *const parts[PARTS] = {"to_q", "to_k", "to_v"};

/* What the layers are stored in, by the names of limn and the numbers of ggml, and what becomes of
 * the matrix. */
typedef struct stored {
    const char *what;
    int k;
    limn_dtype type[PARTS], kept;
    bool lora, int8; /* how it is run: with corrections of the second part; as int8 */
} stored;

static const stored cases[] = {
    {.what = "Q8_0, one block",
     .k = 32,
     .type = {LIMN_Q8_0, LIMN_Q8_0, LIMN_Q8_0},
     .kept = LIMN_Q8_0},
    {.what = "Q8_0, more than a tile's depth",
     .k = 320,
     .type = {LIMN_Q8_0, LIMN_Q8_0, LIMN_Q8_0},
     .kept = LIMN_Q8_0},
    {.what = "Q4_0, Q5_0 and Q8_0",
     .k = 96,
     .type = {LIMN_Q4_0, LIMN_Q5_0, LIMN_Q8_0},
     .kept = LIMN_Q8_0},
    {.what = "Q8_0 beside float16",
     .k = 64,
     .type = {LIMN_Q8_0, LIMN_F16, LIMN_Q8_0},
     .kept = LIMN_F32},
    {.what = "Q4_1, which has minima",
     .k = 64,
     .type = {LIMN_Q4_1, LIMN_Q4_1, LIMN_Q4_1},
     .kept = LIMN_F32},
    {.what = "Q8_0 and a LoRA",
     .k = 64,
     .type = {LIMN_Q8_0, LIMN_Q8_0, LIMN_Q8_0},
     .kept = LIMN_F32,
     .lora = true},
    {.what = "Q4_0, Q5_0 and Q8_0 as int8",
     .k = 320,
     .type = {LIMN_Q4_0, LIMN_Q5_0, LIMN_Q8_0},
     .kept = LIMN_I8,
     .int8 = true},
};

/* A layer's case: its input, and its weights as limn reads them. */
typedef struct input {
    const stored *s;
    limn_loras *loras; /* or NULL */
    float x[ROWS * K_MOST], w[PARTS * N * K_MOST];
} input;

static void load(layer_case *c, limn_loader *ld) {
    const input *in = c->shape;
    limn_matrix *m = c->loaded;
    ld->loras = in->loras;
    ld->int8 = in->s->int8;
    *m = limn_load_linears(ld, "", parts, PARTS, N, in->s->k, false);
    assert_int_equal(m->numbers.type, ld->keep_narrow || ld->int8 ? in->s->kept : LIMN_F32);
}

/* Behind the last column of the last panel there are zeros. */
static void check_margin(const limn_kernels *k, const limn_matrix *m) {
    float room[LIMN_Q8_BLOCK * LIMN_PANEL_MOST];
    const int panel = k->panel, used = m->n % panel;
    for (int k0 = 0; k0 < m->k; k0 += LIMN_Q8_BLOCK) {
        const float *lines = limn_matrix_panel(k, m, m->n / panel, k0, LIMN_Q8_BLOCK, room);
        for (int i = 0; i < LIMN_Q8_BLOCK * panel; i++)
            if (i % panel >= used) assert_true(lines[i] == 0);
    }
}

static void run(layer_case *c, limn_exec *e, float *out) {
    const input *in = c->shape;
    if (!limn_exec_measuring(e) && !in->s->int8) check_margin(e->k, c->loaded);
    limn_linear_run(e, c->loaded, in->x, (size_t)in->s->k, ROWS, NULL, out);
}

/* A tensor of blocks, or of float16, of random bytes; every scale and number is in [2^-8, 1). */
static void add_tensor(gguf *g, uint64_t *random, const char *part, limn_dtype type, int k) {
    const uint64_t shape[2] = {N, (uint64_t)k};
    const size_t bytes = limn_dtype_bytes(type);
    const size_t size = (size_t)(N * k) / limn_dtype_block(type) * bytes;
    uint8_t *data = malloc(size);
    uint32_t number;
    char name[40];
    assert_non_null(data);
    assert_true(limn_dtype_ggml(type, &number));
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(random_bits(random) >> 24);
    for (size_t at = 0; at < size; at += bytes) {
        data[at + 1] = (uint8_t)(0x1c + data[at + 1] % 0x20);
        if (type == LIMN_Q4_1) data[at + 3] = data[at + 1];
    }
    snprintf(name, sizeof name, "%s.weight", part);
    gguf_tensor(g, name, 2, shape, number, data, size);
    free(data);
}

/* A GGUF file in memory, and its tensors. */
typedef struct blocks {
    uint8_t *bytes;
    limn_source source;
    limn_tensors *tensors;
} blocks;

/* The first `count` parts of a case. */
static void make_blocks(const stored *s, int count, uint64_t *random, blocks *out) {
    gguf g = {0};
    size_t size;
    limn_error err;
    for (int p = 0; p < count; p++) add_tensor(&g, random, parts[p], s->type[p], s->k);
    out->bytes = gguf_finish(&g, &size);
    out->source = limn_source_of("test", out->bytes, size);
    if (limn_gguf_read(&out->source, &out->tensors, &err) != LIMN_OK) fail_msg("%s", err.text);
}

/* A part's numbers as float32. */
static void read_part(const blocks *b, const char *part, float *out) {
    char name[40];
    limn_error err;
    snprintf(name, sizeof name, "%s.weight", part);
    const limn_tensor *t = limn_tensors_find(b->tensors, name);
    assert_int_equal(limn_tensor_read(t, 0, t->count, out, &err), LIMN_OK);
}

static void free_blocks(blocks *b) {
    limn_tensors_free(b->tensors);
    free(b->bytes);
}

/* Corrections of the second part, in the file and in the weights. */
static weights_file *add_lora(input *in, const limn_tensors *tensors, uint64_t *random) {
    const int k = in->s->k;
    weights_file *f = weights_make(random);
    weights_store(f, LIMN_F32);
    weights_add(f, "lora_unet_to_k.lora_up.weight", 2, (const int[]){N, RANK});
    weights_add(f, "lora_unet_to_k.lora_down.weight", 2, (const int[]){RANK, k});
    const limn_lora asked = {.path = weights_save(f), .scale = 0.5};
    const limn_lora_component unet = {"unet", tensors};
    limn_error err;
    if (limn_loras_open(&asked, 1, &in->loras, &err) != LIMN_OK) fail_msg("%s", err.text);
    if (limn_loras_bind(in->loras, &unet, 1, &err) != LIMN_OK) fail_msg("%s", err.text);
    const float *up = weights_of(f, "lora_unet_to_k.lora_up.weight");
    const float *down = weights_of(f, "lora_unet_to_k.lora_down.weight");
    for (int i = 0; i < N * k; i++)
        for (int r = 0; r < RANK; r++)
            in->w[N * k + i] += 0.5f * up[i / k * RANK + r] * down[r * k + i % k];
    return f;
}

static void check(const stored *s, uint64_t *random) {
    blocks b;
    limn_matrix m;
    input *in = calloc(1, sizeof *in);
    assert_non_null(in);
    in->s = s;
    make_blocks(s, PARTS, random, &b);
    random_fill(random, NUMBERS_PLAIN, in->x, (size_t)(ROWS * s->k));
    for (int p = 0; p < PARTS; p++) read_part(&b, parts[p], in->w + p * N * s->k);
    weights_file *lora = s->lora ? add_lora(in, b.tensors, random) : NULL;
    layer_case c = {.what = s->what,
                    .load = load,
                    .run = run,
                    .tensors = b.tensors,
                    .shape = in,
                    .loaded = &m,
                    .tolerance = s->int8 ? INT8_TOLERANCE : 0,
                    .count = (size_t)ROWS * PARTS * N};
    c.want = layer_doubles(c.count);
    for (size_t i = 0; i < c.count; i++)
        for (int j = 0; j < s->k; j++)
            c.want[i] += (double)in->x[i / (PARTS * N) * (size_t)s->k + (size_t)j] *
                         (double)in->w[i % (PARTS * N) * (size_t)s->k + (size_t)j];
    layer_case_check(&c);
    free(c.want);
    limn_loras_close(in->loras);
    if (lora) weights_free(lora);
    free_blocks(&b);
    free(in);
}

static void test_blocks(void **state) {
    (void)state;
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(&cases[i], &random);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* A table is the first part's tensor. */
static void load_table(layer_case *c, limn_loader *ld) {
    const stored *s = c->shape;
    limn_table *table = c->loaded;
    *table = limn_load_table(ld, "to_q.weight", N, s->k);
    assert_int_equal(table->numbers.type, ld->keep_narrow ? s->kept : LIMN_F32);
}

static void run_table(layer_case *c, limn_exec *e, float *out) {
    const stored *s = c->shape;
    if (limn_exec_measuring(e)) return;
    for (size_t i = 0; i < N; i++) limn_table_row(e->k, c->loaded, i, out + i * (size_t)s->k);
}

static void test_tables(void **state) {
    (void)state;
    uint64_t random = 12;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && !cases[i].lora; i++) {
        blocks b;
        limn_table table;
        float plain[N * K_MOST];
        make_blocks(&cases[i], 1, &random, &b);
        read_part(&b, parts[0], plain);
        stored s = cases[i];
        s.kept = limn_dtype_narrow(s.type[0]);
        layer_case c = {.what = s.what,
                        .load = load_table,
                        .run = run_table,
                        .tensors = b.tensors,
                        .shape = &s,
                        .loaded = &table,
                        .count = (size_t)(N * s.k)};
        c.want = layer_doubles(c.count);
        for (size_t k = 0; k < c.count; k++) c.want[k] = (double)plain[k];
        layer_case_check(&c);
        free(c.want);
        free_blocks(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
