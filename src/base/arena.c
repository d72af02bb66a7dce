#include "base/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/checked.h"

limn_arena limn_arena_measure(void) {
    return (limn_arena){.block = NULL, .size = SIZE_MAX, .used = 0, .peak = 0};
}

/* Where the system has large pages to give, a large block takes them: a page is then touched for
 * the first time once in 2 MB, not once in 4 KB. */
#define LARGE_PAGE ((size_t)2 << 20)

/* A block of `bytes`, a multiple of LIMN_ALIGN; NULL where there is none. For free(). */
static uint8_t *take_block(size_t bytes) {
#ifdef MADV_HUGEPAGE
    void *block = NULL;
    if (bytes >= 2 * LARGE_PAGE && posix_memalign(&block, LARGE_PAGE, bytes) == 0) {
        (void)madvise(block, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* advice only */
        return block;
    }
#endif
    return aligned_alloc(LIMN_ALIGN, bytes);
}

limn_status limn_arena_open(limn_arena *a, size_t size, limn_error *err) {
    *a = (limn_arena){0};
    /* Never empty: a block that is NULL would mean a measuring arena. */
    size_t bytes = 0;
    if (limn_round_up_ok(size ? size : 1, LIMN_ALIGN, &bytes) && bytes <= PTRDIFF_MAX)
        a->block = take_block(bytes);
    if (!a->block)
        return limn_fail(err, LIMN_E_MEMORY, "the system has no %.1f MB of memory to give",
                         (double)size / 1e6);
    a->size = bytes;
    return LIMN_OK;
}

void limn_arena_close(limn_arena *a) {
    free(a->block);
    *a = (limn_arena){0};
}

void *limn_arena_take(limn_arena *a, size_t count, size_t size) {
    size_t bytes, end;
    if (!limn_mul_ok(count, size, &bytes) || !limn_round_up_ok(bytes, LIMN_ALIGN, &bytes) ||
        !limn_add_ok(a->used, bytes, &end) || end > a->size) {
        a->peak = SIZE_MAX;
        return NULL;
    }
    void *out = a->block ? a->block + a->used : NULL;
    a->used = end;
    if (end > a->peak) a->peak = end;
    return out;
}
