#include <stdlib.h>

#include "base/sha256.h"

/* Bytes that are read and hashed in one go: they stay in the processor's cache. */
#define CHUNK_BYTES ((size_t)256 << 10)

limn_status limn_sha256_source(const limn_source *s, uint64_t from, char hex[65], limn_error *err) {
    return limn_sha256_source_unless(NULL, s, from, hex, err);
}

limn_status limn_sha256_source_unless(const atomic_bool *stop, const limn_source *s, uint64_t from,
                                      char hex[65], limn_error *err) {
    limn_sha256 hash;
    limn_status status = LIMN_OK;
    uint8_t *chunk = malloc(CHUNK_BYTES);
    if (!chunk) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to hash it", s->name);
    limn_sha256_start(&hash);
    for (uint64_t at = from; at < s->size && status == LIMN_OK; at += CHUNK_BYTES) {
        const uint64_t left = s->size - at;
        const size_t count = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
        status = limn_source_read(s, at, count, chunk, err);
        if (stop && atomic_load(stop))
            status = limn_fail(err, LIMN_E_CANCELLED, "%s: was not hashed to its end", s->name);
        if (status == LIMN_OK) limn_sha256_add(&hash, chunk, count);
    }
    free(chunk);
    if (status == LIMN_OK) limn_sha256_end(&hash, hex);
    return status;
}
