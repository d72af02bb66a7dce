/* One block of memory, handed out from its start and taken back from its end.
 *
 * limn plans, allocates once, then never again: a pass over the same code with a *measuring* arena
 * (no block, it only counts) gives the exact size; the real pass then cannot run out. So the peak
 * is known before the work starts, and the loop that draws calls malloc for nothing.
 *
 *     limn_arena plan = limn_arena_measure();
 *     draw(&plan, ...);                       // hands out NULL, counts
 *     limn_arena ws;
 *     limn_arena_open(&ws, plan.peak, err);   // the one allocation
 *     draw(&ws, ...);
 *     limn_arena_close(&ws);
 *
 * Not for two threads at once. Blocks are aligned to 64 bytes, a cache line and the widest vector,
 * and their contents are undefined. */
#ifndef LIMN_BASE_ARENA_H
#define LIMN_BASE_ARENA_H

#include "base/error.h"

#define LIMN_ALIGN 64u

typedef struct limn_arena {
    uint8_t *block; /* NULL while measuring */
    size_t size;    /* of block; SIZE_MAX while measuring */
    size_t used;
    size_t peak; /* the most that was ever used; SIZE_MAX once a request overflowed */
} limn_arena;

/* An arena that only counts. */
limn_arena limn_arena_measure(void);

/* Whether blocks from this arena must not be touched. */
static inline bool limn_arena_measuring(const limn_arena *a) {
    return a->block == NULL;
}

/* Takes one block of `size` bytes from the system. LIMN_E_MEMORY, with the size in the sentence. */
limn_status limn_arena_open(limn_arena *a, size_t size, limn_error *err);

/* Gives the block back. An arena that was never opened is fine if zeroed. */
void limn_arena_close(limn_arena *a);

/* `count` items of `size` bytes each, aligned to LIMN_ALIGN. NULL while measuring, and where count
 * x size overflows or the arena is full (then a->peak is SIZE_MAX, which the plan reports). */
void *limn_arena_take(limn_arena *a, size_t count, size_t size);

/* Room for `count` float32 values. */
static inline float *limn_arena_floats(limn_arena *a, size_t count) {
    return (float *)limn_arena_take(a, count, sizeof(float));
}

/* The level to return to, and the return: everything taken since the mark is given back. */
static inline size_t limn_arena_mark(const limn_arena *a) {
    return a->used;
}
static inline void limn_arena_release(limn_arena *a, size_t mark) {
    a->used = mark;
}

#endif
