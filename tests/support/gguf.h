/* A GGUF file put together byte by byte, as docs/gguf.md of ggml describes it: version, counts,
 * keys, tensor descriptions, padding, data. Numbers can be given that a good file would not have.
 */
#ifndef TESTS_SUPPORT_GGUF_H
#define TESTS_SUPPORT_GGUF_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that grow. Zeroed = empty; free(data). */
typedef struct byte_list {
    uint8_t *data;
    size_t size, room;
} byte_list;

/* Appends. */
void bytes_add(byte_list *b, const void *data, size_t size);
void bytes_add_number(byte_list *b, uint64_t value,
                      int width);                 /* little-endian, 1 to 8 bytes wide */
void bytes_add_zeros(byte_list *b, size_t count); /* zeros */

/* A file under way: its keys, its descriptions and its data, joined by gguf_finish. */
typedef struct gguf {
    byte_list keys, descriptions, data;
    uint64_t key_count, tensor_count;
    uint32_t version; /* 0 = 3 */
} gguf;

/* A text as GGUF writes it: its length as 64 bits, its bytes. */
void gguf_text(byte_list *b, const char *text);

/* A key with a text, or with a number of that type (by GGUF's number) that is `width` bytes wide.
 */
void gguf_key_text(gguf *g, const char *key, const char *value);
void gguf_key_number(gguf *g, const char *key, uint32_t type, uint64_t value, int width);

/* A key with an array of int32. */
void gguf_key_ints(gguf *g, const char *key, const int32_t *values, size_t count);

/* A tensor: its shape outermost first (it is written the other way round), ggml's number of its
 * type, and its data, which are padded to 32 bytes. */
void gguf_tensor(gguf *g, const char *name, int rank, const uint64_t *shape, uint32_t type,
                 const void *data, size_t size);

/* The file's bytes, in a block of exactly their size that the caller frees. The parts are freed. */
uint8_t *gguf_finish(gguf *g, size_t *size);

#endif
