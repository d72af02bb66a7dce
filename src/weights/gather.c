/* Sets of tensors that are views into another set, under names of their own. */
#include <stdlib.h>
#include <string.h>

#include "weights/tensors.h"

/* Makes room for one more tensor and `bytes` more of names. */
static bool grow(limn_gather *g, size_t bytes) {
    if (g->count == g->room) {
        const size_t room = 2 * g->room + 64;
        limn_tensor *items = realloc(g->items, room * sizeof *items);
        if (items != NULL) g->items = items;
        size_t *name_at = realloc(g->name_at, room * sizeof *name_at);
        if (name_at != NULL) g->name_at = name_at;
        if (items == NULL || name_at == NULL) return false;
        g->room = room;
    }
    if (bytes > g->name_room - g->name_bytes) {
        const size_t room = 2 * g->name_room + bytes + 4096;
        char *names = realloc(g->names, room);
        if (names == NULL) return false;
        g->names = names;
        g->name_room = room;
    }
    return true;
}

limn_status limn_gather_add(limn_gather *g, const limn_tensor *t, const char *name,
                            limn_error *err) {
    const size_t bytes = strlen(name) + 1;
    if (!grow(g, bytes)) {
        return limn_fail(err, LIMN_E_MEMORY, "no memory for the names of the tensors");
    }
    memcpy(g->names + g->name_bytes, name, bytes);
    g->items[g->count] = *t;
    g->name_at[g->count++] = g->name_bytes;
    g->name_bytes += bytes;
    return LIMN_OK;
}

limn_status limn_gather_finish(limn_gather *g, const char *file, limn_tensors **out,
                               limn_error *err) {
    const limn_source none = limn_source_of(file, NULL, 0); /* each tensor has its own */
    limn_status status = limn_tensors_make(&none, g->count, g->name_bytes, out, err);
    if (status != LIMN_OK) return status;
    limn_tensors *set = *out;
    if (g->count > 0) memcpy(set->names, g->names, g->name_bytes);
    for (size_t i = 0; i < g->count; i++) {
        set->items[i] = g->items[i];
        set->items[i].name = set->names + g->name_at[i];
    }
    limn_tensors_sort(set);
    for (size_t i = 1; i < set->count; i++) {
        if (strcmp(set->items[i - 1].name, set->items[i].name) != 0) continue;
        status = limn_fail(err, LIMN_E_INPUT, "%s: two tensors of this file are both \"%.200s\"",
                           file, set->items[i].name);
        limn_tensors_free(set);
        *out = NULL;
        return status;
    }
    return LIMN_OK;
}

void limn_gather_free(limn_gather *g) {
    free(g->items);
    free(g->name_at);
    free(g->names);
    *g = (limn_gather){0};
}
