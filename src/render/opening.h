/* Inside src/render: a model being opened, and the files that open it, in order:
 *
 *   open_files.c    the folder's configurations, tensors and tokenizers
 *   open_weights.c  two passes over the networks: measure and check, then pack
 *   open_cache.c    the weights out of a cache, or into one
 *   open_decoder.c  the VAE or a TAESD, for each of the passes
 *   open_control.c  a ControlNet beside the model
 *   open_fit.c      whether the parts fit each other, and what the model wants
 *   model.c         all of it, and the model's life */
#ifndef LIMN_RENDER_OPENING_H
#define LIMN_RENDER_OPENING_H

#include "render/model.h"

/* What limn knows about a pipeline's class. */
typedef struct limn_pipeline {
    const char *class_name; /* _class_name in model_index.json */
    bool joined;            /* two text encoders, as SDXL has them */
    bool corrects;          /* it sets steps_offset 1 and clip_sample false, whatever files say */
} limn_pipeline;

/* Opening, under way. */
typedef struct limn_opening {
    limn_model *m;
    limn_folder *folder;
    limn_loader loader;
    const limn_pipeline *pipeline;
    const limn_config *index, *text[LIMN_ENCODERS_MOST], *unet, *vae;
    const limn_tensors *text_tensors[LIMN_ENCODERS_MOST], *unet_tensors, *vae_tensors;
    limn_taesd_files taesd; /* zeroed where none was asked for */
    limn_folder *control;   /* a ControlNet's; NULL = none was asked for */
    const limn_config *control_config;
    const limn_tensors *control_tensors;
    const limn_lora *asked; /* [lora_count] */
    int lora_count;
    const char *embeddings; /* a folder; NULL = none */
    size_t max_memory;      /* bytes of a whole process; 0 = no limit */
    int threads, max_tokens;
    bool encoder;      /* the VAE's encoder is wanted too */
    const char *cache; /* the folder of caches; NULL = none */
    limn_error *err;
} limn_opening;

/* The folders of the text encoders and of their tokenizers, [LIMN_ENCODERS_MOST] each. */
extern const char *const limn_encoder_folders[];
extern const char *const limn_tokenizer_folders[]; /* see above */

/* Reads the configurations and the schedule; says how many encoders there are. */
limn_status limn_open_configs(limn_opening *o);

/* Finds the components' tensors. */
limn_status limn_open_tensors(limn_opening *o);

/* Opens the LoRA files that are asked for, and finds what they are for. */
limn_status limn_open_loras(limn_opening *o);

/* Opens the tokenizers; the encoders must have been measured. */
limn_status limn_open_tokenizers(limn_opening *o);

/* The first pass: every tensor is found and checked, and the memory counted. */
limn_status limn_open_measure(limn_opening *o, size_t *bytes);

/* Between the two, and instead of the second: which tensors become int8. *list is the caller's. */
limn_status limn_open_int8(limn_opening *o, const limn_tensor ***list, size_t *count);

/* The second pass: memory is handed out and filled. */
limn_status limn_open_weights(limn_opening *o, size_t bytes);

/* The second pass out of the cache that o->cache names, after the places were handed out: true
 * where it was good, and the weights and the model's hash are there. Else nothing may be relied on,
 * and m->cache says why. */
bool limn_open_cached(limn_opening *o);

/* Keeps packed weights for the next opening, and says in m->cache what became of that. */
void limn_open_keep(limn_opening *o);

/* What decodes, in a pass of open_weights.c. Faults stay in o->loader.status. */
void limn_open_decoder(limn_opening *o);

/* The decoder of a configuration, an AutoencoderKL's or an AutoencoderTiny's (TAESD), from
 * ld->tensors. Faults stay in ld->status. */
void limn_open_own_decoder(limn_loader *ld, const limn_config *config, limn_model *m);

/* Opens the ControlNet at `path`, into o->control. */
limn_status limn_open_control(limn_opening *o, const char *path);

/* Its network, in a pass of open_weights.c. Faults stay in o->loader.status. */
void limn_open_control_load(limn_opening *o);

/* Checks that it fits the model; LIMN_E_INPUT with what does not. Before the weights are packed. */
limn_status limn_open_control_check(const limn_opening *o);

/* Checks that the parts fit each other. LIMN_E_INPUT with the keys that do not. */
limn_status limn_open_check(const limn_opening *o);

/* The model's own wishes ("limn" in model_index.json), or what its kind is used with. */
limn_status limn_open_wishes(limn_opening *o);

#endif
