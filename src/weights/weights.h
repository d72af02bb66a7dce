/* Model files: bytes -> named, checked, read-only tensors; JSON configurations; model folders.
 *
 * In: strangers' files. Out: things the other rooms can use without asking again: every size was
 * checked, every name is UTF-8 and ends in NUL, every tensor lies inside its file.
 *
 *     limn_folder *folder;
 *     limn_folder_open("weights/vignette", &folder, err);
 *     limn_folder_config(folder, "unet/config.json", &config, err);
 *     limn_config_int(config, "in_channels", 1, 1024, 4, &channels, err);
 *     limn_folder_tensors(folder, "unet", &tensors, err);
 *     limn_tensors_want(tensors, "conv_in.weight", 4, shape, &weight, err);
 *     limn_tensor_read(weight, 0, weight->count, floats, err);
 *     limn_folder_close(folder);               // and with it config, tensors and weight
 *
 * Who owns what: readers (limn_safetensors_read, limn_config_read) give an object to free, and keep
 * no state; a folder owns all that came out of it until it is closed. Tensors are places in a
 * source: their numbers are read when they are asked for, and never mapped.
 * What can fail: LIMN_E_INPUT for a damaged, wrong or hostile file, LIMN_E_MISSING for a file that
 * is not there, LIMN_E_IO where the system cannot read one, LIMN_E_MEMORY. Sentences name the file
 * and the tensor or key.
 * Threads: reading an object from several threads is fine; opening more from a folder is for one
 * thread at a time. */
#ifndef LIMN_WEIGHTS_WEIGHTS_H
#define LIMN_WEIGHTS_WEIGHTS_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/file.h"

/* ---- tensors --------------------------------------------------------------------------------- */

/* The types of numbers that a tensor may be stored in; all little-endian. */
typedef enum limn_dtype {
    LIMN_F32,
    LIMN_F16,
    LIMN_BF16,
    LIMN_F64,
    LIMN_I64,
    LIMN_I32,
    LIMN_I16,
    LIMN_I8,
    LIMN_U8,
    LIMN_BOOL,
    LIMN_F8_E4M3, /* 4 bits of exponent, 3 of mantissa, no infinities */
    LIMN_F8_E5M2, /* float16's upper byte */
    LIMN_Q4_0,    /* from here on GGUF's blocks of numbers that share a scale (weights/quant.h) */
    LIMN_Q4_1,
    LIMN_Q5_0,
    LIMN_Q5_1,
    LIMN_Q8_0,
    LIMN_Q2_K,
    LIMN_Q3_K,
    LIMN_Q4_K,
    LIMN_Q5_K,
    LIMN_Q6_K,
    LIMN_DTYPES /* how many there are */
} limn_dtype;

/* The type's name, as safetensors or GGUF writes it: "F32", "BOOL", "Q4_K". */
const char *limn_dtype_name(limn_dtype dtype);

/* Numbers that are stored together: 32 or 256 for GGUF's blocks, 1 for all others. */
size_t limn_dtype_block(limn_dtype dtype);

/* Bytes of one block; so of one number, 1 to 8, where the type has no blocks. */
size_t limn_dtype_bytes(limn_dtype dtype);

/* Whether the type is one for weights: F32, F16, BF16, F64, the F8 and all blocks. */
bool limn_dtype_is_float(limn_dtype dtype);

/* The narrowest of F16, BF16, Q8_0 and F32 that holds every number of the type as limn reads it:
 * F16 for itself and the F8, BF16 for itself, Q8_0 for itself, Q4_0 and Q5_0; else F32. */
limn_dtype limn_dtype_narrow(limn_dtype dtype);

struct limn_tensor;
/* Whether it can be a network's weight: a type that limn_dtype_is_float, or int8 with a scale. */
bool limn_tensor_is_weight(const struct limn_tensor *t);

/* The type of a name as safetensors writes it; false, and *out untouched, where limn has none. */
bool limn_dtype_find(const char *name, limn_dtype *out);

/* The type's number in GGUF files; false where they have no such type. */
bool limn_dtype_ggml(limn_dtype dtype, uint32_t *number);

/* The type of such a number; false, and *out untouched, where limn has none. */
bool limn_dtype_of_ggml(uint32_t number, limn_dtype *out);

/* One tensor: a place in a source. */
typedef struct limn_tensor {
    const char *name; /* lives as long as its limn_tensors */
    limn_dtype dtype;
    int rank;                  /* 0 (a single number) to 8 */
    uint64_t shape[8];         /* `rank` of them, outermost first; 0 beyond */
    const limn_source *source; /* where the numbers are, row-major */
    uint64_t offset;           /* of the first number, in bytes; aligned to nothing */
    uint64_t count;            /* product of shape; 0 is possible */
    size_t bytes;              /* count / numbers of a block x bytes of one */
    /* For I8 what a 1 is worth in each row, F32 [shape[0]]; NULL for all else: limn's int8, which
     * counts as numbers then (docs/formats.md). */
    const struct limn_tensor *scale;
    bool rotated;    /* the rows are (weights/rotate.h); limn_tensor_read rotates them back */
    bool transposed; /* rank 2, and the source has its columns one after the other, not its rows */
} limn_tensor;

/* Named tensors in a source, whose bytes must outlive it. */
typedef struct limn_tensors limn_tensors;

/* Reads a safetensors file: 8 bytes of header length, a JSON header, the data.
 *   source  the whole file, of which the header is read here; its bytes and name (what sentences
 *           call it) must outlive *out, the struct need not
 *   out     the caller's, for limn_tensors_free; NULL after a failure
 * Every tensor is checked to lie in the file, to have the size its shape and type say, and to touch
 * its neighbours without overlap or hole. LIMN_E_INPUT with a sentence otherwise, LIMN_E_MEMORY,
 * LIMN_E_IO. Memory is in proportion to the header that is there, never to a number in it.
 * Source: github.com/huggingface/safetensors, "Format". */
limn_status limn_safetensors_read(const limn_source *source, limn_tensors **out, limn_error *err);

/* Reads a GGUF file, version 2 or 3: counts, typed metadata, tensor descriptions, aligned data.
 * Shapes come out outermost first, where the file has them the other way round, and as
 * "comfy.gguf.orig_shape.NAME" says where that is there. All else as limn_safetensors_read.
 * Source: github.com/ggml-org/ggml, docs/gguf.md. */
limn_status limn_gguf_read(const limn_source *source, limn_tensors **out, limn_error *err);

/* Whether a file begins as GGUF does. */
bool limn_gguf_is(const uint8_t *bytes, size_t size);

/* Releases tensors, not the bytes they look into. NULL is fine. */
void limn_tensors_free(limn_tensors *t);

/* How many tensors there are. */
size_t limn_tensors_count(const limn_tensors *t);

/* The i-th tensor in the byte order of names; i must be below the count. */
const limn_tensor *limn_tensors_at(const limn_tensors *t, size_t i);

/* The tensor of that name, NULL where there is none. A binary search. */
const limn_tensor *limn_tensors_find(const limn_tensors *t, const char *name);

/* A text of the file's metadata ("modelspec.architecture", "general.architecture"), as it stands
 * there, of at most 511 bytes; NULL where there is none. A hint, never to be relied on. */
const char *limn_tensors_note(const limn_tensors *t, const char *key);

/* Finds a tensor that must be there, with exactly this shape [rank]. LIMN_E_INPUT where it is
 * missing or differs; the sentence names file, tensor, expected and found shape. The type is free:
 * limn_tensor_read takes any. */
limn_status limn_tensors_want(const limn_tensors *t, const char *name, int rank,
                              const uint64_t *shape, const limn_tensor **out, limn_error *err);

/* Reads numbers [first, first + count) of a tensor as float32. F8, F16, BF16 and F32 are exact,
 * subnormals and infinities too; a NaN stays one (F16's become quiet). Blocks are what ggml makes
 * of them, bit for bit. F64 and integers are rounded to nearest even; a boolean is 0 or 1. int8
 * with a scale is number x scale, rounded once. LIMN_E_INPUT where they are beyond its end, or its
 * file was shortened since it was opened; LIMN_E_IO. Any thread. Large pieces are much faster than
 * small ones. */
limn_status limn_tensor_read(const limn_tensor *t, uint64_t first, uint64_t count, float *out,
                             limn_error *err);

/* Likewise as the bits of its limn_dtype_narrow, where that is F16 or BF16; exact. */
limn_status limn_tensor_read_narrow(const limn_tensor *t, uint64_t first, uint64_t count,
                                    uint16_t *out, limn_error *err);

/* Likewise as Q8_0's integers and, for each 32 of them, a scale's float16 bits, where that is the
 * type's limn_dtype_narrow; first and count are multiples of 32. */
limn_status limn_tensor_read_q8(const limn_tensor *t, uint64_t first, uint64_t count, int8_t *out,
                                uint16_t *scale, limn_error *err);

/* Reads `bytes` bytes from byte `at` of a tensor on, as they are stored; fails likewise. */
limn_status limn_tensor_read_stored(const limn_tensor *t, uint64_t at, size_t bytes, void *out,
                                    limn_error *err);

/* float32 to float16's bits, to nearest, ties to even; too large becomes an infinity, a NaN a quiet
 * one. */
void limn_f32_to_f16(const float *x, size_t count, uint16_t *out);

/* ---- configurations -------------------------------------------------------------------------- */

/* One JSON object with typed, ranged access. In all of the functions below an absent key and a null
 * give the fallback; what is there is checked, and LIMN_E_INPUT's sentence names file, key, what
 * was expected and what was found. Results are untouched after a failure. */
typedef struct limn_config limn_config;

/* Reads a JSON object. `name` is what sentences call it; bytes are not kept; *out is the caller's,
 * for limn_config_free. LIMN_E_INPUT where it is no JSON object, names a key twice, is not UTF-8,
 * or nests too deep. */
limn_status limn_config_read(const uint8_t *bytes, size_t size, const char *name, limn_config **out,
                             limn_error *err);

/* What sentences call it; lives as long as c. */
const char *limn_config_name(const limn_config *c);

/* Releases what limn_config_read gave, its children too. NULL is fine. */
void limn_config_free(limn_config *c);

/* Whether the key is present and not null. */
bool limn_config_has(const limn_config *c, const char *key);

/* Whether the key is present and null, where that says something else than absence. */
bool limn_config_is_null(const limn_config *c, const char *key);

/* A whole number from min to max, both within int (8.0 is not one). The fallback need not be in the
 * range. */
limn_status limn_config_int(const limn_config *c, const char *key, long min, long max,
                            long fallback, int *out, limn_error *err);

/* A number from min to max, whole or not. */
limn_status limn_config_number(const limn_config *c, const char *key, double min, double max,
                               double fallback, double *out, limn_error *err);

/* true or false. */
limn_status limn_config_bool(const limn_config *c, const char *key, bool fallback, bool *out,
                             limn_error *err);

/* A text, which lives as long as c; `fallback` itself where there is none (NULL is fine). */
limn_status limn_config_text(const limn_config *c, const char *key, const char *fallback,
                             const char **out, limn_error *err);

/* An array of 1 to `most` whole numbers from min to max, into out[most].
 *   want  > 0: the array must have `want` entries, and one number alone stands for all of them
 *         (as diffusers' layers_per_block); 0: any length, and one number alone is one entry
 *   count becomes the number of entries; 0, and out untouched, where the key is absent or null */
limn_status limn_config_ints(const limn_config *c, const char *key, int want, long min, long max,
                             int *out, int most, int *count, limn_error *err);

/* A table of whole numbers from min to max (diffusers' transformer_layers_per_block), into
 * out[rows][stride]: an array of `rows` entries, each an array of columns[i] (1 to stride) numbers,
 * or one that stands for all of its row; or one number for the whole table.
 *   nested becomes whether there is an array in the array
 * out is untouched where the key is absent or null, and undefined after a failure. */
limn_status limn_config_table(const limn_config *c, const char *key, int rows, const int *columns,
                              long min, long max, int *out, int stride, bool *nested,
                              limn_error *err);

/* true or false, or an array of `want` of them, into out[want]; one alone stands for all. */
limn_status limn_config_bools(const limn_config *c, const char *key, int want, bool fallback,
                              bool *out, limn_error *err);

/* An array of 1 to `most` numbers from min to max, whole or not, into out[most]. *count as above.
 */
limn_status limn_config_numbers(const limn_config *c, const char *key, double min, double max,
                                double *out, int most, int *count, limn_error *err);

/* An array of 1 to `most` texts, into out[most]; they live as long as c. *count as above. */
limn_status limn_config_texts(const limn_config *c, const char *key, const char **out, int most,
                              int *count, limn_error *err);

/* The key that follows `key` in the file's order, the first one for NULL; NULL behind the last. It
 * lives as long as c. */
const char *limn_config_next(const limn_config *c, const char *key);

/* The object below `key`; NULL where there is none or it is no object. Lives as long as c, and is
 * not to be freed by itself. */
const limn_config *limn_config_child(const limn_config *c, const char *key);

/* ---- model folders --------------------------------------------------------------------------- */

/* An open model folder in diffusers' layout, or a single file (safetensors or GGUF) that is seen as
 * one: its tensors under diffusers' names, its configurations as the file has them or made from the
 * tensors' names and shapes (docs/formats.md). It keeps every file it opened open, and their
 * names, until it is closed. `relative` is a path below the folder with '/' between its parts. */
typedef struct limn_folder limn_folder;

/* Opens the folder and its model_index.json, or the file. *out is the caller's, for
 * limn_folder_close. LIMN_E_MISSING where there is no such thing, or no index in the folder,
 * LIMN_E_INPUT where the file is of another kind or has no U-Net, or the index is no JSON object;
 * LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_folder_open(const char *path, limn_folder **out, limn_error *err);

/* Components that come from elsewhere: each NULL, or the path of a file that holds it, of its own
 * folder, or of a whole model's folder. */
typedef struct limn_folder_asides {
    const char *vae, *text_encoder, *text_encoder_2, *tokenizer;
    bool any; /* the path itself may be a file that holds no U-Net */
} limn_folder_asides;

/* Likewise, with components from elsewhere, which then stand for the folder's own. asides may be
 * NULL. A tokenizer serves both encoders; text_encoder may bring text_encoder_2 along. */
limn_status limn_folder_open_with(const char *path, const limn_folder_asides *asides,
                                  limn_folder **out, limn_error *err);

/* Opens a ControlNet: a file that holds one, its own folder, or a folder that has one inside
 * ("controlnet"). *component becomes what limn_folder_tensors calls it, "" for the folder itself;
 * its configuration lies there. LIMN_E_INPUT where the path is something else: the sentence says
 * what; LIMN_E_MISSING, LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_folder_open_control(const char *path, limn_folder **out, const char **component,
                                     limn_error *err);

/* Closes it and gives back everything that came out of it. NULL is fine. */
void limn_folder_close(limn_folder *f);

/* The path's last component, trailing slashes, "." and a file's ending taken off: "vignette". Never
 * empty. */
const char *limn_folder_name(const limn_folder *f);

/* Whether there is a file or folder of that relative path. */
bool limn_folder_has(const limn_folder *f, const char *relative);

/* A file's bytes. The view stays the folder's: never to be given to limn_file_close. A second call
 * gives the same view. LIMN_E_MISSING, LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_folder_bytes(limn_folder *f, const char *relative, limn_bytes *view,
                              limn_error *err);

/* A file read as a configuration; owned by the folder. Fails as limn_folder_bytes and
 * limn_config_read do. */
limn_status limn_folder_config(limn_folder *f, const char *relative, const limn_config **out,
                               limn_error *err);

/* The tensors of a component ("unet"; "" is the folder or file itself): model.safetensors or
 * diffusion_pytorch_model.safetensors there, several files with an index of that name, or their
 * .fp16. variants. Owned by the folder.
 * LIMN_E_MISSING where there are none, LIMN_E_INPUT where there are only pickle files (.bin, .pt,
 * .ckpt; the sentence says why they are never read, and what to do), or a damaged file. */
limn_status limn_folder_tensors(limn_folder *f, const char *component, const limn_tensors **out,
                                limn_error *err);

/* The model's hash says which bytes made a picture. It is the SHA-256 of the text that
 *     sha256sum FILES        (the relative paths of all files that were opened, sorted as bytes)
 * prints in the folder: lines of "HASH  relative/path\n". First the files are hashed, then the
 * text. A file from elsewhere is called as if it lay where it stands for ("vae/config.json", or
 * "vae" where it is a single file), a model in a single file "model"; alone, its hash is that
 * file's own SHA-256. */

/* What it is: "folder", "safetensors" or "gguf". */
const char *limn_folder_container(const limn_folder *f);

/* The bytes of all files that were opened so far. */
uint64_t limn_folder_size(const limn_folder *f);

/* Tensors of a single file that belong to no part of a model. */
size_t limn_folder_unused(const limn_folder *f);

/* How many files were opened so far. */
int limn_folder_file_count(const limn_folder *f);

/* Hashes the i-th of them, in sorted order; different i may run on different threads. LIMN_E_INPUT
 * where the file was shortened since it was opened; LIMN_E_IO, LIMN_E_MEMORY; LIMN_E_CANCELLED soon
 * after *stop becomes true (stop may be NULL). */
limn_status limn_folder_hash_file(limn_folder *f, int i, const atomic_bool *stop, limn_error *err);

/* What had to be assumed of a single file, a sentence; "" = nothing. */
const char *limn_folder_note(const limn_folder *f);

/* The model's hash, as 64 hex digits. Call it after limn_folder_hash_file for every i and before
 * another file is opened; a file that was not hashed is hashed here, which only costs its time.
 * Fails as limn_folder_hash_file does. */
limn_status limn_folder_hash(limn_folder *f, char hex[65], limn_error *err);

/* A hash of which files were opened and of the state that each is in (limn_source_state), without
 * reading them: the same as long as nobody has written to one, moved or replaced it. *settled says
 * whether a write after this could not go unseen. LIMN_E_IO. */
limn_status limn_folder_state(const limn_folder *f, char hex[65], bool *settled, limn_error *err);

/* LIMN_E_INPUT where a file was written to since it was opened: then what was read may be half of
 * one model and half of another, and the hash of neither. LIMN_E_IO. */
limn_status limn_folder_check(const limn_folder *f, limn_error *err);

/* Forgets all that was read of it, so that it takes little memory, and can do no more than what is
 * said above of hashes: limn_folder_hash_file, limn_folder_hash, limn_folder_check. What it gave
 * before (configurations, tensors, bytes) is gone. */
void limn_folder_forget(limn_folder *f);

/* How many numbers there are in the components whose tensors were asked for so far, integers left
 * out. */
uint64_t limn_folder_parameters(const limn_folder *f);

/* ---- precision ------------------------------------------------------------------------------- */

/* What products are computed in, by name: "float32" or "int8". LIMN_E_USAGE for anything else. */
limn_status limn_precision_find(const char *name, bool *int8, limn_error *err);

/* The name of a precision. */
const char *limn_precision_name(bool int8);

#endif
