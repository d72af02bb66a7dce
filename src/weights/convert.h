/* Inside limn_convert: a model, laid out for a file of another kind, and the writers of each kind.
 *
 *   convert.c            what goes into the output, and in which types
 *   store.c              one tensor's numbers, in another type, piece by piece
 *   safetensors_write.c  a safetensors file
 *   gguf_write.c         a GGUF file
 *
 * Memory: names and shapes, and one piece of numbers; never a whole tensor. */
#ifndef LIMN_WEIGHTS_CONVERT_H
#define LIMN_WEIGHTS_CONVERT_H

#include "weights/weights.h"

/* The longest name in an output, with its NUL. GGUF's own limit is 64 bytes, but the readers of
 * such models (stable-diffusion.cpp, ComfyUI-GGUF) take 127 and more, as their names need. */
#define LIMN_OUT_NAME_BYTES 320
#define LIMN_GGUF_NAME_MOST 128

/* One tensor of an output. */
typedef struct limn_out_tensor {
    char name[LIMN_OUT_NAME_BYTES];
    int part;                  /* which component it belongs to */
    const limn_tensor *tensor; /* NULL: `file` */
    bool int8, scale;          /* becomes int8 rows; is the scale of those rows */
    limn_bytes file;           /* a file's bytes, as a tensor of one dimension */
    limn_dtype dtype;          /* as it will be stored */
    int rank;
    uint64_t shape[8];
    uint64_t bytes;
} limn_out_tensor;

/* How a model becomes int8: which tensors (*list is the caller's, sorted by address), and a row of
 * numbers x[c, taps], lost -> out[c, taps], of which a 1 is then worth what it returns. */
typedef struct limn_quantiser {
    limn_status (*choose)(limn_folder *f, const limn_tensor ***list, size_t *count,
                          limn_error *err);
    float (*row)(float *x, size_t c, size_t taps, int8_t *out);
} limn_quantiser;

/* limn_convert, with the one part of it that needs the networks. */
limn_status limn_convert_model(const char *in, const char *out, const limn_convert_options *options,
                               const limn_quantiser *quantiser, limn_error *err);

/* Where an output goes, and who is told how far it is. */
typedef struct limn_out {
    const limn_convert_options *options; /* never NULL */
    const limn_quantiser *quantiser;
    uint64_t done, total; /* bytes of tensors */
    limn_writer *writer;
    float *numbers;  /* [LIMN_OUT_NUMBERS] */
    uint8_t *stored; /* [4 x LIMN_OUT_NUMBERS] */
} limn_out;

/* Numbers in a piece: whole blocks of every type, and the longest row that may become int8. */
#define LIMN_OUT_NUMBERS ((size_t)131072)

/* Writes a tensor's numbers in its type, and tells how far the output is. LIMN_E_INPUT where a
 * number does not fit into the type, LIMN_E_CANCELLED, and what reading and writing may fail with.
 */
limn_status limn_out_store(limn_out *o, const limn_out_tensor *t, limn_error *err);

/* Writes a whole safetensors file: header and tensors [count], in their order. */
limn_status limn_safetensors_write(limn_out *o, const limn_out_tensor *const *tensors, size_t count,
                                   limn_error *err);

/* What a GGUF file says of itself. */
typedef struct limn_gguf_facts {
    const char *name;         /* of the model */
    const char *architecture; /* "sd1" or "sdxl", as ComfyUI-GGUF knows them; "limn" for others */
    int file_type;            /* ggml's llama_ftype: 0 F32, 1 F16, 7 Q8_0, 32 BF16 */
    bool quantised;
} limn_gguf_facts;

/* Writes a whole GGUF file, version 3: metadata, descriptions, tensors [count], in their order.
 * Source: github.com/ggml-org/ggml, docs/gguf.md. */
limn_status limn_gguf_write(limn_out *o, const limn_gguf_facts *facts,
                            const limn_out_tensor *const *tensors, size_t count, limn_error *err);

#endif
