/* Random weights in a safetensors file in memory, for tests of layers. */
#ifndef TESTS_SUPPORT_WEIGHTS_H
#define TESTS_SUPPORT_WEIGHTS_H

#include "weights/weights.h"

/* A file under construction; weights_tensors ends it. */
typedef struct weights_file weights_file;

/* An empty file. *random is drawn from by weights_add, and must live as long. */
weights_file *weights_make(uint64_t *random);

/* What is added from here on is stored as that: LIMN_F32, LIMN_F16 or LIMN_BF16. Before, they take
 * turns in this order. */
void weights_store(weights_file *f, limn_dtype type);

/* Adds a tensor of random numbers from -2 to 2 that its type can hold. rank 0 to 4. Fails the test
 * where there is no room. */
void weights_add(weights_file *f, const char *name, int rank, const int *shape);

/* What was added under that name, as float32. Fails the test where nothing was. */
const float *weights_of(const weights_file *f, const char *name);

/* The file as limn reads it; lives as long as f. Nothing may be added any more. */
const limn_tensors *weights_tensors(weights_file *f);

/* Writes the same file to a new temporary name, which lives as long as f, and is removed with it.
 */
const char *weights_save(weights_file *f);

/* Gives everything back. */
void weights_free(weights_file *f);

#endif
