/* One layer, its weights and input, and what double makes of them: run at every level of kernels
 * and with several teams, which must all give the same bits. */
#ifndef TESTS_SUPPORT_LAYER_CASE_H
#define TESTS_SUPPORT_LAYER_CASE_H

#include "layers/layers.h"
#include "support/weights.h"

/* Relative to the largest value. Winograd's transforms cost the better part of a digit. */
#define LAYER_TOLERANCE          1e-5
#define LAYER_WINOGRAD_TOLERANCE 4e-5

/* A case. `load` finds its weights in `file` and puts what it loaded into `loaded`; `run` computes
 * out[count]. Both are called twice in a row: measuring, and for real. */
typedef struct layer_case layer_case;
struct layer_case {
    const char *what; /* for messages */
    void (*load)(layer_case *c, limn_loader *ld);
    void (*run)(layer_case *c, limn_exec *e, float *out);
    weights_file *file;
    const limn_tensors *tensors; /* instead of the file's, where not NULL */
    const void *shape;           /* the test's own */
    void *loaded;                /* the test's own */
    double *want;                /* [count] what is right */
    size_t count;
    double tolerance; /* 0: LAYER_TOLERANCE */
};

/* Runs the case at every level, with teams of 1, 2, 3 and 5. Fails the test where the result is not
 * `want` within the tolerance, where any two differ in a bit, or where a pass takes another amount
 * of memory than was measured. */
void layer_case_check(layer_case *c);

/* Room for `count` numbers, zeros; to be freed. */
double *layer_doubles(size_t count);

/* The activation in double. */
double layer_activated(limn_activation act, double x);

#endif
