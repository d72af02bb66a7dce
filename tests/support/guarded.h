/* Memory with guards round it, numbers of every kind to fill it with, and comparison bit for bit:
 * for tests that hold one way of computing something against another. */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A block of numbers, deliberately aligned to no more than its items need, between guard bytes. */
typedef struct guarded {
    union {
        float *f;
        double *d;
        uint16_t *h;
        int8_t *b;
    };
    size_t count, size; /* items, and bytes of one */
    uint8_t *block;
} guarded;

/* `count` (0 is fine) items of `size` bytes, 1, 2, 4 or 8, filled with bytes that are no number
 * anyone computes. Fails the test where there is no memory. */
guarded guarded_take(size_t count, size_t size);

/* Checks that nothing was written outside, and gives the memory back. Fails the test otherwise. */
void guarded_free(guarded *g);

/* The kinds of numbers that arithmetic may meet. */
typedef enum numbers {
    NUMBERS_PLAIN,     /* -2 to 2 */
    NUMBERS_ANY,       /* any finite float, exponents alike likely */
    NUMBERS_SUBNORMAL, /* below 2^-126, and zeros */
    NUMBERS_HUGE,      /* 1e30 to the largest: sums and products overflow */
    NUMBERS_ZERO,      /* 0 and -0 */
    NUMBERS_EQUAL,     /* one number, again and again */
    NUMBERS_INFINITE,  /* plain, with infinities among them */
    NUMBERS_NAN,       /* plain, with NaN among them */
    NUMBERS_KINDS
} numbers;

/* A stream of random bits; start it at any value. */
uint64_t random_bits(uint64_t *state);

/* A whole number from `least` to `most`. */
int random_int(uint64_t *state, int least, int most);

/* Fills x[count] with numbers of that kind. */
void random_fill(uint64_t *state, numbers kind, float *x, size_t count);

/* The first index at which the two differ in a bit, or `count`. Two NaN are the same, whatever
 * their bits: the contract has none. */
size_t floats_differ(const float *a, const float *b, size_t count);
size_t doubles_differ(const double *a, const double *b, size_t count);

#endif
