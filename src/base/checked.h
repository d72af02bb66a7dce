/* Arithmetic on sizes that come from files: every result says whether it fits. */
#ifndef LIMN_BASE_CHECKED_H
#define LIMN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a + b; false, and *out undefined, where the sum does not fit. */
static inline bool limn_add_ok(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* *out = a x b; false, and *out undefined, where the product does not fit. */
static inline bool limn_mul_ok(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

/* *out = a rounded up to a multiple of step (a power of two); false where it does not fit. */
static inline bool limn_round_up_ok(size_t a, size_t step, size_t *out) {
    if (!limn_add_ok(a, step - 1, out)) return false;
    *out &= ~(step - 1);
    return true;
}

/* The smaller of two numbers. */
static inline int limn_least(int a, int b) {
    return a < b ? a : b;
}

/* How many parts of size b cover a: a / b rounded up. a + b must fit into an int. */
static inline int limn_parts(int a, int b) {
    return (a + b - 1) / b;
}

#endif
