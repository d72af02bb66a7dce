/* Reference data for the tests: safetensors files and JSON under tests/golden (see the README
 * there). Paths are relative to the repository's root, where tests run. Whatever is wrong with a
 * file fails the test with a sentence, so no caller checks. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An open safetensors file, with its data in aligned memory. */
typedef struct golden golden;

/* Reads a whole safetensors file. Fails the test where it cannot. Close it with golden_close. */
golden *golden_open(const char *path);

/* Gives the file's memory back; pointers into it end here. NULL is fine. */
void golden_close(golden *g);

/* A tensor's data, row-major, as stored, and how many items it has; NULL where there is none. */
const void *golden_find(const golden *g, const char *name, size_t *count);

/* Whether there is a tensor of that name. */
bool golden_has(const golden *g, const char *name);

/* The same for a tensor that must be there and of that type; fails the test otherwise. */
const float *golden_f32(const golden *g, const char *name, size_t *count);
const double *golden_f64(const golden *g, const char *name, size_t *count);   /* F64 */
const int64_t *golden_i64(const golden *g, const char *name, size_t *count);  /* I64 */
const int32_t *golden_i32(const golden *g, const char *name, size_t *count);  /* I32 */
const uint16_t *golden_f16(const golden *g, const char *name, size_t *count); /* F16, bits */
const uint8_t *golden_u8(const golden *g, const char *name, size_t *count);   /* U8 */

/* The type as safetensors writes it ("F32"); NULL where there is no such tensor. */
const char *golden_type(const golden *g, const char *name);

/* The number of dimensions, and the first 8 of them in shape[8] (1 where there are fewer). Fails
 * the test where there is no such tensor. */
int golden_shape(const golden *g, const char *name, int shape[8]);

/* How many tensors there are, and the name of one; names live as long as g. */
size_t golden_count(const golden *g);
const char *golden_name(const golden *g, size_t i); /* see above; NULL past the end */

/* Reads a JSON file; the caller drops it with json_decref. Fails the test where it cannot. */
json_t *golden_json(const char *path);

/* Turns a map between torch's layout and limn's: [n, c, h, w] -> [n, h, w, c] where `inside`, else
 * back. shape is torch's. */
void golden_turn(const float *x, const int shape[4], bool inside, float *out);

/* The largest |got - want| over the largest |want|: the measure of tests/golden/README.md. Infinity
 * where one of the two is not a number. */
double golden_relative_error(const float *got, const float *want, size_t count);

#endif
