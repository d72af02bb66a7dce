/* CLIP text encoders: token ids -> the conditioning that the denoiser listens to.
 *
 * In: ids [n, positions]. Out: conditioning [n, positions, d] float32 and, for models that use it,
 * a pooled vector [n, pooled_d]. Loading fails with a sentence; running cannot fail. Source:
 * Radford et al. 2021, section 2.4; layer order and names as in transformers' CLIPTextModel and
 * CLIPTextModelWithProjection. */
#ifndef LIMN_TEXT_H
#define LIMN_TEXT_H

#include "layers/layers.h"

#define LIMN_TEXT_LAYERS_MOST    48
#define LIMN_TEXT_POSITIONS_MOST 4096

/* One layer: attention and a two-layer perceptron, each behind a layer norm and added. */
typedef struct limn_text_layer {
    limn_norm norm1, norm2;
    limn_matrix qkv, out, up, down;
} limn_text_layer;

/* A text encoder, loaded. */
typedef struct limn_text {
    int vocabulary, positions, d, heads, layers;
    int end_id; /* where the pooled vector is taken: the first such token; -1 = the first largest */
    limn_activation act;
    limn_table tokens, places; /* [vocabulary, d], [positions, d] */
    limn_text_layer layer[LIMN_TEXT_LAYERS_MOST];
    limn_norm last;
    bool projects; /* the pooled vector goes through `projection` */
    int pooled_d;  /* its width; d where nothing is projected */
    limn_matrix projection;
} limn_text;

/* Reads the configuration and the tensors (ld->tensors). part: the folder's name, "text_encoder",
 * for sentences. Faults stay in ld->status. */
void limn_text_load(limn_loader *ld, const limn_config *config, const char *part, limn_text *out);

/* What is asked of an encoder. */
typedef struct limn_text_task {
    const int32_t *ids;   /* [n, positions], each below vocabulary; below 0: a row of `vectors` */
    const float *vectors; /* [.., d]: id -1 is its first row; NULL where no id is below 0 */
    int n;
    int skip;      /* layers at the end that cond is taken before: 0 = the last layer's states */
    bool bare;     /* cond without the final norm */
    float *cond;   /* [n, positions, d], rows `stride` floats apart; written in full */
    size_t stride; /* at least d: encoders whose conditioning is joined write into the same rows */
    bool pools;    /* whether `pooled` is wanted */
    float *pooled; /* [n, pooled_d]: the last layer's state at the end token, normed and, where the
                    * encoder has a projection, projected */
} limn_text_task;

/* Turns ids into conditioning. */
void limn_text_run(limn_exec *e, const limn_text *m, const limn_text_task *task);

/* Emphasis, as A1111's "Original": each row of cond [positions, d], rows `stride` floats apart, is
 * multiplied by its weight, and then all of it so that its mean is what it was before. Means are
 * summed in double, in order. Weights that are all 1 change no bit. */
void limn_text_emphasize(float *cond, int positions, int d, size_t stride, const float *weights);

#endif
