/* SHA-256 (FIPS 180-4), with the processor's own instructions where it has them. */
#ifndef LIMN_BASE_SHA256_H
#define LIMN_BASE_SHA256_H

#include <stdatomic.h>

#include "base/file.h"

/* A hash under way; plain data. */
typedef struct limn_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
    bool native; /* whether the processor has instructions of its own for this */
} limn_sha256;

void limn_sha256_start(limn_sha256 *h);                              /* begins a hash */
void limn_sha256_add(limn_sha256 *h, const void *data, size_t size); /* adds bytes to it */
void limn_sha256_end(limn_sha256 *h, char hex[65]); /* ends it: 64 hex digits and a NUL */

/* The hash of a source from byte `from` on. Fails as limn_source_read does, and LIMN_E_MEMORY. */
limn_status limn_sha256_source(const limn_source *s, uint64_t from, char hex[65], limn_error *err);

/* The same, and LIMN_E_CANCELLED soon after *stop becomes true. stop may be NULL. */
limn_status limn_sha256_source_unless(const atomic_bool *stop, const limn_source *s, uint64_t from,
                                      char hex[65], limn_error *err);

/* The hash of one run of bytes. */
void limn_sha256_of(const void *data, size_t size, char hex[65]);

#endif
