#include "support/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void bytes_add(byte_list *b, const void *data, size_t size) {
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size) + 64;
        b->data = realloc(b->data, b->room);
        assert_non_null(b->data);
    }
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_add_number(byte_list *b, uint64_t value, int width) {
    for (int i = 0; i < width; i++) bytes_add(b, &(uint8_t){(uint8_t)(value >> (8 * i))}, 1);
}

void bytes_add_zeros(byte_list *b, size_t count) {
    for (size_t i = 0; i < count; i++) bytes_add_number(b, 0, 1);
}

void gguf_text(byte_list *b, const char *text) {
    bytes_add_number(b, strlen(text), 8);
    bytes_add(b, text, strlen(text));
}

void gguf_key_text(gguf *g, const char *key, const char *value) {
    gguf_text(&g->keys, key);
    bytes_add_number(&g->keys, 8, 4);
    gguf_text(&g->keys, value);
    g->key_count++;
}

void gguf_key_number(gguf *g, const char *key, uint32_t type, uint64_t value, int width) {
    gguf_text(&g->keys, key);
    bytes_add_number(&g->keys, type, 4);
    bytes_add_number(&g->keys, value, width);
    g->key_count++;
}

void gguf_key_ints(gguf *g, const char *key, const int32_t *values, size_t count) {
    gguf_text(&g->keys, key);
    bytes_add_number(&g->keys, 9, 4);
    bytes_add_number(&g->keys, 5, 4);
    bytes_add_number(&g->keys, count, 8);
    for (size_t i = 0; i < count; i++) bytes_add_number(&g->keys, (uint32_t)values[i], 4);
    g->key_count++;
}

void gguf_tensor(gguf *g, const char *name, int rank, const uint64_t *shape, uint32_t type,
                 const void *data, size_t size) {
    gguf_text(&g->descriptions, name);
    bytes_add_number(&g->descriptions, (uint64_t)rank, 4);
    for (int i = rank; i-- > 0;) bytes_add_number(&g->descriptions, shape[i], 8);
    bytes_add_number(&g->descriptions, type, 4);
    bytes_add_number(&g->descriptions, g->data.size, 8);
    bytes_add(&g->data, data, size);
    bytes_add_zeros(&g->data, (32 - size % 32) % 32);
    g->tensor_count++;
}

uint8_t *gguf_finish(gguf *g, size_t *size) {
    byte_list all = {0};
    bytes_add(&all, "GGUF", 4);
    bytes_add_number(&all, g->version ? g->version : 3, 4);
    bytes_add_number(&all, g->tensor_count, 8);
    bytes_add_number(&all, g->key_count, 8);
    bytes_add(&all, g->keys.data, g->keys.size);
    bytes_add(&all, g->descriptions.data, g->descriptions.size);
    if (g->tensor_count > 0) bytes_add_zeros(&all, (32 - all.size % 32) % 32);
    bytes_add(&all, g->data.data, g->data.size);
    uint8_t *exact = malloc(all.size);
    assert_non_null(exact);
    memcpy(exact, all.data, all.size);
    *size = all.size;
    free(all.data);
    free(g->keys.data);
    free(g->descriptions.data);
    free(g->data.data);
    *g = (gguf){0};
    return exact;
}
