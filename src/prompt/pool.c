/* Memory that is freed all at once: what the lines of a prompt file point to. */
#include "base/checked.h"
#include "prompt/parts.h"

#include <stdlib.h>
#include <string.h>

/* One piece of memory, in a list; the caller's bytes come after it. */
struct limn_prompt_pool {
    limn_prompt_pool *next;
};

void *limn_prompt_take(limn_prompt_pool **pool, size_t size) {
    size_t whole = 0;
    if (!limn_add_ok(sizeof(limn_prompt_pool), size, &whole)) return NULL;
    limn_prompt_pool *piece = malloc(whole);
    if (!piece) return NULL;
    piece->next = *pool;
    *pool = piece;
    return piece + 1;
}

char *limn_prompt_keep(limn_prompt_pool **pool, const char *text, size_t size) {
    char *copy = size < SIZE_MAX ? limn_prompt_take(pool, size + 1) : NULL;
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

void limn_prompt_pool_free(limn_prompt_pool *pool) {
    while (pool) {
        limn_prompt_pool *next = pool->next;
        free(pool);
        pool = next;
    }
}
