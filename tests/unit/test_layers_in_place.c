/* Layers that are run in a small space give bit by bit what they give in a large one: norm and
 * convolution in one, the residual block, the 1x1 convolution and the one that enlarges in the
 * place of their input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layers/resnet.h"
#include "support/guarded.h"
#include "support/weights.h"

#define WORK_BYTES ((size_t)64 << 20)

typedef struct shape {
    int n, h, w, in_c, out_c;
} shape;

/* Large and small U, blocks of one row of tiles and of several, sides that no tile divides, more
 * than one image, and maps too small or too thin for Winograd's method. */
static const shape shapes[] = {
    {1, 40, 72, 64, 32},  {1, 61, 33, 32, 32},   {2, 37, 50, 48, 32},   {1, 9, 530, 32, 32},
    {1, 44, 47, 288, 96}, {1, 26, 90, 256, 256}, {2, 24, 20, 288, 144}, {1, 5, 7, 32, 32},
    {1, 30, 30, 16, 16},  {3, 8, 8, 32, 16},
};

/* A residual block with random weights. */
typedef struct block {
    weights_file *file;
    limn_arena weights, ws;
    limn_resnet resnet;
} block;

static limn_resnet load(const shape *s, limn_loader *ld) {
    const limn_resnet_form form = {.groups = 8, .eps = 1e-6, .act = LIMN_ACT_SILU};
    return limn_load_resnet(ld, "r", &form, s->in_c, s->out_c);
}

static void block_open(const shape *s, uint64_t *random, block *b) {
    b->file = weights_make(random);
    weights_add(b->file, "r.norm1.weight", 1, &s->in_c);
    weights_add(b->file, "r.norm1.bias", 1, &s->in_c);
    weights_add(b->file, "r.conv1.weight", 4, (int[]){s->out_c, s->in_c, 3, 3});
    weights_add(b->file, "r.conv1.bias", 1, &s->out_c);
    weights_add(b->file, "r.norm2.weight", 1, &s->out_c);
    weights_add(b->file, "r.norm2.bias", 1, &s->out_c);
    weights_add(b->file, "r.conv2.weight", 4, (int[]){s->out_c, s->out_c, 3, 3});
    weights_add(b->file, "r.conv2.bias", 1, &s->out_c);
    weights_add(b->file, "r.conv_shortcut.weight", 4, (int[]){s->out_c, s->in_c, 1, 1});
    weights_add(b->file, "r.conv_shortcut.bias", 1, &s->out_c);
    limn_arena plan = limn_arena_measure();
    limn_error err;
    limn_loader ld = {.k = limn_kernels_pick(), .arena = &plan, .err = &err};
    ld.tensors = weights_tensors(b->file);
    load(s, &ld);
    assert_int_equal(ld.status, LIMN_OK);
    assert_int_equal(limn_arena_open(&b->weights, plan.peak, NULL), LIMN_OK);
    assert_int_equal(limn_arena_open(&b->ws, WORK_BYTES, NULL), LIMN_OK);
    ld.jobs_room = ld.job_count;
    ld.jobs = calloc((size_t)ld.jobs_room, sizeof *ld.jobs);
    ld.job_count = 0;
    ld.arena = &b->weights;
    b->resnet = load(s, &ld);
    limn_load_pack(&ld, 1);
    free(ld.jobs);
}

static void block_close(block *b) {
    limn_arena_close(&b->ws);
    limn_arena_close(&b->weights);
    weights_free(b->file);
}

/* One block, once each way, on one team. */
typedef struct both {
    block *b;
    const shape *s;
    uint64_t *random;
} both;

static void run_both(void *ctx, limn_team *team) {
    const both *t = ctx;
    const shape *s = t->s;
    limn_exec e = {.k = limn_kernels_pick(), .ws = &t->b->ws, .team = team};
    limn_map x = limn_map_take(&e, s->n, s->h, s->w, s->in_c);
    limn_map want = limn_map_take(&e, s->n, s->h, s->w, s->out_c);
    random_fill(t->random, NUMBERS_PLAIN, x.v, limn_map_count(&x));
    limn_resnet_run(&e, &t->b->resnet, &x, NULL, &want);
    double flop = e.flop;
    limn_resnet_run_in_place(&e, &t->b->resnet, &x);
    assert_true(e.flop == 2 * flop);
    assert_int_equal(x.c, s->out_c);
    if (memcmp(x.v, want.v, limn_map_count(&want) * sizeof *x.v) != 0)
        fail_msg("%d images %d x %d, %d to %d channels: other bits", s->n, s->h, s->w, s->in_c,
                 s->out_c);
    limn_arena_release(e.ws, 0);
}

static void test_resnet(void **state) {
    (void)state;
    uint64_t random = 5;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        block b;
        block_open(&shapes[i], &random, &b);
        for (int threads = 1; threads <= 3; threads += 2)
            limn_team_run(threads, run_both, &(both){&b, &shapes[i], &random});
        block_close(&b);
    }
}

/* The bytes of a map, of which `plan` may have seen 1/8 more. */
static void check_peak(const limn_arena *plan, const shape *s, int c) {
    size_t map = (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)c * sizeof(float);
    assert_in_range(plan->peak, map, map + map / 8);
}

/* What a place costs: x itself where that has room for both halves, else one map beside it. */
static void what_a_place_costs(void **state) {
    (void)state;
    const shape narrow = {1, 512, 512, 256, 128}, even = {1, 512, 512, 128, 128};
    uint64_t random = 6;
    for (int i = 0; i < 2; i++) {
        const shape *s = i == 0 ? &narrow : &even;
        block b;
        block_open(s, &random, &b);
        limn_arena plan = limn_arena_measure();
        limn_exec e = {.k = limn_kernels_pick(), .ws = &plan};
        limn_map x = limn_map_take(&e, s->n, s->h, s->w, s->in_c);
        limn_resnet_replace(&e, &b.resnet, 0, &x);
        check_peak(&plan, s, 256);
        block_close(&b);
    }
}

/* ---- enlarging ---------------------------------------------------------------------------------
 */

static void run_enlarging(void *ctx, limn_team *team) {
    const both *t = ctx;
    const shape *s = t->s;
    limn_exec e = {.k = limn_kernels_pick(), .ws = &t->b->ws, .team = team};
    const limn_conv *conv = &t->b->resnet.conv1;
    limn_map want = limn_map_take(&e, s->n, 2 * s->h, 2 * s->w, s->out_c);
    size_t mark = limn_arena_mark(e.ws);
    limn_map x = limn_map_take(&e, s->n, s->h, s->w, s->in_c);
    random_fill(t->random, NUMBERS_PLAIN, x.v, limn_map_count(&x));
    limn_conv_run(&e, conv, &x, want.h, want.w, NULL, &want);
    limn_conv_enlarge(&e, conv, mark, &x);
    assert_true(x.h == want.h && x.w == want.w && x.c == want.c);
    if (memcmp(x.v, want.v, limn_map_count(&want) * sizeof *x.v) != 0)
        fail_msg("%d images %d x %d enlarged, %d to %d channels: other bits", s->n, s->h, s->w,
                 s->in_c, s->out_c);
    limn_arena_release(e.ws, 0);
}

/* One block and many, sides of 4, 6 and 2 more than multiples of tiles, more than one image, other
 * channels, and what does not suit Winograd's method. */
static void test_enlarging(void **state) {
    (void)state;
    static const shape some[] = {
        {1, 4, 4, 32, 32},   {1, 61, 33, 32, 32}, {2, 37, 50, 32, 32}, {3, 5, 7, 32, 32},
        {1, 9, 540, 32, 32}, {1, 31, 20, 64, 32}, {1, 3, 3, 32, 32},   {2, 12, 12, 16, 16},
    };
    uint64_t random = 7;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        block b;
        block_open(&some[i], &random, &b);
        for (int threads = 1; threads <= 3; threads += 2)
            limn_team_run(threads, run_enlarging, &(both){&b, &some[i], &random});
        block_close(&b);
    }
}

/* What it costs: the result. */
static void test_enlarging_memory(void **state) {
    (void)state;
    const shape s = {1, 256, 256, 256, 256}, large = {1, 512, 512, 256, 256};
    uint64_t random = 8;
    block b;
    block_open(&s, &random, &b);
    limn_arena plan = limn_arena_measure();
    limn_exec e = {.k = limn_kernels_pick(), .ws = &plan};
    limn_map x = limn_map_take(&e, s.n, s.h, s.w, s.in_c);
    limn_conv_enlarge(&e, &b.resnet.conv1, 0, &x);
    check_peak(&plan, &large, 256);
    block_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resnet),
        cmocka_unit_test(what_a_place_costs),
        cmocka_unit_test(test_enlarging),
        cmocka_unit_test(test_enlarging_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
