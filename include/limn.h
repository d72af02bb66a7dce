/* limn: one line of text to a picture, with a latent diffusion model, on an ordinary processor.
 *
 *     limn_model *model;
 *     limn_error error;
 *     if (limn_model_open("weights/vignette", NULL, &model, &error) != LIMN_OK) ...
 *
 *     limn_request request;
 *     limn_request_defaults(model, &request);          // the model's own size, steps, guidance
 *     request.prompt = "a panda on a yellow background";
 *     request.seed = 7;
 *
 *     limn_picture *picture;
 *     if (limn_render(model, &request, NULL, &picture, &error) != LIMN_OK) ...
 *     limn_picture_save(picture, "panda.png", 0, &error);
 *     limn_picture_free(picture);
 *     limn_model_close(model);
 *
 * What holds everywhere:
 *   - A function that can fail returns a limn_status. On failure it has written one sentence into
 *     *error (which may be NULL), left its results untouched or NULL, and released what it took.
 *   - The library never prints, exits, aborts or installs a signal handler.
 *   - A model is immutable: any number of threads may render with one model at the same time.
 *   - The same model and request give the same pixels and the same file, bit for bit, on any number
 *     of threads, at any SIMD level, with any compiler, on any machine (docs/numerics.md).
 *   - Strings are UTF-8 and end in NUL. Strings in a limn_request stay the caller's.
 */
#ifndef LIMN_H
#define LIMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LIMN_API
#else
#define LIMN_API __attribute__((visibility("default")))
#endif

#define LIMN_VERSION_MAJOR 0
#define LIMN_VERSION_MINOR 1
#define LIMN_VERSION_PATCH 0

/* The version of the numeric contract. It goes up whenever a bit of any pixel changes, and it is
 * written into every picture: two pictures of the same recipe and contract have the same pixels. */
#define LIMN_CONTRACT 1

/* ---- errors ---------------------------------------------------------------------------------- */

/* What went wrong. The values are the exit statuses of BSD's sysexits.h, and the tool's. */
typedef enum limn_status {
    LIMN_OK = 0,
    LIMN_E_USAGE = 64,     /* a value out of range, a name that does not exist */
    LIMN_E_INPUT = 65,     /* a bad model, prompt file or picture */
    LIMN_E_MISSING = 66,   /* a file or folder that is not there */
    LIMN_E_MEMORY = 71,    /* the system gave no more memory */
    LIMN_E_CREATE = 73,    /* a file that cannot be created, or that would be overwritten */
    LIMN_E_IO = 74,        /* reading or writing failed: a full disk, a broken device */
    LIMN_E_CANCELLED = 75, /* the caller's callback asked to stop */
} limn_status;

/* One sentence about a failure: what, where, what was expected and what was found. It holds no
 * control characters, whatever the file or prompt it speaks of holds. */
typedef struct limn_error {
    limn_status status;
    char text[1000];
} limn_error;

/* The library's version, "0.1.0". */
LIMN_API const char *limn_version(void);

/* The SIMD level that kernels run at on this machine: "c", "avx2", "avx512" or "neon". The
 * environment's LIMN_ISA can only lower it. Bits do not depend on it. */
LIMN_API const char *limn_simd_level(void);

/* ---- models ---------------------------------------------------------------------------------- */

/* A loaded model: tokenizer, text encoder, U-Net, schedule and decoder. Immutable. */
typedef struct limn_model limn_model;

/* What a model is and what it wants. Strings live as long as the model. */
typedef struct limn_model_info {
    const char *name;         /* the folder's last component, or the model's own name */
    const char *sha256;       /* 64 hex digits over every file that was read (docs/formats.md) */
    int width, height;        /* its preferred size, px */
    int size_step_px;         /* width and height must be multiples of this */
    int steps;                /* its preferred number of steps */
    double guidance;          /* its preferred guidance scale */
    const char *sampler;      /* its preferred sampler, by name */
    int max_tokens;           /* tokens of a prompt that it can take, without begin and end */
    uint64_t parameters;      /* numbers in all its tensors */
    size_t resident_bytes;    /* memory it holds */
    const char *prediction;   /* "epsilon", "v_prediction" or "sample" */
    const char *precision;    /* what the U-Net's products are computed in: "float32" or "int8" */
    const char *taesd_name;   /* the TAESD that decodes in the VAE's place; "" where none does */
    const char *taesd_sha256; /* of its file, 64 hex digits; "" where none does */
    int lora_count;           /* LoRA files that were merged into it; see limn_model_lora */
    const char *family; /* "Stable Diffusion 1.x", by shapes and, where those do not tell, name */
    const char *cache;  /* "used", "made", "made anew: WHY", "not used: WHY"; "" = none asked for */
    const char *control_name;   /* the ControlNet beside it; "" where there is none */
    const char *control_sha256; /* of its files, told as the model's: 64 hex digits; "" */
} limn_model_info;

/* A LoRA file to be merged into a model. */
typedef struct limn_lora {
    const char *path;
    double scale;     /* -100 to 100; 1 = as it was trained, 0 = not at all */
    const char *name; /* what recipes call it; NULL = the file's name, without its folder */
} limn_lora;

/* What became of a LoRA file, or what a recipe says of one. */
typedef struct limn_lora_info {
    const char *name;       /* the file's name, without its folder, or limn_lora.name */
    const char *sha256;     /* of the file, 64 hex digits */
    const char *short_hash; /* A1111's, 12 hex digits; "" in a recipe */
    double scale;           /* as it was asked for */
    int matrices;           /* how many of the model's it changed */
    int unknown;            /* how many of its tensors belong to nothing in the model */
    const char *unknowns;   /* the names of the first of these, with commas between them; or "" */
} limn_lora_info;

/* How a model is opened. Zeroed = as it is usually done. Strings are read during the call only. */
typedef struct limn_open_options {
    int threads; /* how many to load with, 0 = one per processor */
    /* What the U-Net's products are computed in: NULL or "float32", or "int8", with which its
     * weights take a quarter of the memory and pictures are near to those of float32 but not the
     * same (docs/numerics.md). The recipe says which. */
    const char *precision;
    /* A TAESD that decodes in the VAE's place: a safetensors file, or a folder as diffusers'
     * AutoencoderTiny is saved; NULL: none. It takes a fraction of the time and memory, and its
     * pictures are near to the VAE's but not the same. The recipe has its name and hash. */
    const char *taesd;
    /* LoRA files that are merged into the U-Net and the text encoders, one after the other; a
     * picture's recipe names them. NULL where there are none. */
    const limn_lora *loras;
    int lora_count;
    bool encoder; /* with the VAE's encoder, which pictures drawn from pictures need */
    /* Parts from elsewhere, which stand for the model's own; NULL = the model's. Each is a file
     * that holds the part (safetensors or GGUF, of any naming that limn reads), the part's folder,
     * or a whole model's folder. */
    const char *vae;
    const char *text_encoder; /* from a model of two, both, unless text_encoder_2 says otherwise */
    const char *text_encoder_2; /* the second of SDXL's */
    const char *tokenizer;      /* CLIP's vocab.json and merges.txt */
    /* A folder of textual inversions (safetensors): a file's name without its ending is the word
     * that stands for it in prompts of the syntax "a1111". NULL: none. A recipe names those used.
     */
    const char *embeddings;
    /* Bytes that a process with the model may take, 0: what there is. A model that takes more is
     * refused with both figures before its memory is taken; see limn_request_fit. */
    size_t max_memory;
    /* A folder for weights in the form that they have in memory, made where it is missing; NULL:
     * none. Opening the same model again, on a processor of the same kind and by the same version,
     * then neither packs nor hashes the model's files. A cache that was made for other weights or
     * another version, or is damaged, is not used but made anew; one that cannot be written is no
     * fault. limn_model_info.cache says what became of it (docs/formats.md, "Cache"). */
    const char *cache;
    /* A ControlNet (Zhang et al. 2023) that lets pictures follow limn_request.control: a
     * safetensors file, under diffusers' names or the original ones ("control_model."), or
     * a folder as diffusers' ControlNetModel is saved; NULL: none. It must have been trained for
     * models of this U-Net's shape. The recipe has its name and hash. */
    const char *control;
} limn_open_options;

/* Loads the model at `path`: a folder in diffusers' layout, or one file, safetensors or GGUF, in
 * the naming of diffusers, of the original code, of stable-diffusion.cpp or of ComfyUI-GGUF
 * (docs/formats.md). options may be NULL. *out is the caller's, to be closed with limn_model_close.
 * With more than one thread, the files are still being hashed, on a thread of its own, when this
 * returns: limn_model_describe and the end of limn_render wait for that, and the latter fails with
 * LIMN_E_INPUT where somebody wrote to a file meanwhile. A child made by fork() meanwhile gets no
 * hash: there limn_render fails with LIMN_E_USAGE. (OpenMP, too, may not survive fork(): a child
 * draws on one thread, or opens the model itself.)
 * Fails with LIMN_E_MISSING where a file is absent, LIMN_E_INPUT where one is damaged, of the wrong
 * shape or of a kind that limn does not know, or where int8 suits no layer of the U-Net,
 * LIMN_E_USAGE where there is no such precision or the model takes more than max_memory,
 * LIMN_E_MEMORY. */
LIMN_API limn_status limn_model_open(const char *path, const limn_open_options *options,
                                     limn_model **out, limn_error *error);

/* Releases a model that no thread uses any more. NULL is fine. */
LIMN_API void limn_model_close(limn_model *model);

/* Describes a model. Cannot fail, but waits for the hash where that is still being found (see
 * limn_model_open), and where it cannot be found leaves it "". */
LIMN_API limn_model_info limn_model_describe(const limn_model *model);

/* What limn had to assume of a model, a sentence a line; "" = nothing. Lives as long as the model.
 * Cannot fail, and waits for nothing. */
LIMN_API const char *limn_model_notes(const limn_model *model);

/* Describes the i-th of a model's LoRA files; i is below limn_model_info.lora_count. Strings live
 * as long as the model. Cannot fail. */
LIMN_API limn_lora_info limn_model_lora(const limn_model *model, int i);

/* How a model is converted. Zeroed = as it is. */
typedef struct limn_convert_options {
    /* What its numbers are stored in: NULL or "keep", "f32", "f16", "bf16", "q8_0" (GGUF only), or
     * "int8" (all but GGUF): what loading with the precision "int8" would make of the U-Net, so
     * that loading it so gives the same bits. */
    const char *type;
    bool force; /* replace a file that is there; a folder is never replaced */
    /* Parts from elsewhere, as in limn_open_options; each may be NULL. */
    const char *vae, *text_encoder, *text_encoder_2, *tokenizer;
    void *user; /* handed to the callback, which runs on the calling thread */
    /* Now and then, with the bytes written and all there will be; returning false stops with
     * LIMN_E_CANCELLED and leaves nothing. May be NULL. */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
} limn_convert_options;

/* Writes the model at `in`, which is anything that limn_model_open takes, as a model of another
 * kind, told by the name's ending: .safetensors or .gguf, one file with the configurations and
 * tokenizers inside; else a folder in diffusers' layout. options may be NULL. The output appears
 * whole or not at all. Fails as opening does, with LIMN_E_USAGE for a type that the output cannot
 * have, LIMN_E_INPUT where a number does not fit into the type, LIMN_E_CREATE, LIMN_E_IO (a full
 * disk), LIMN_E_CANCELLED. */
LIMN_API limn_status limn_convert(const char *in, const char *out,
                                  const limn_convert_options *options, limn_error *error);

/* ---- looking at a model ---------------------------------------------------------------------- */

/* One part of a model that was looked at. Strings live as long as the report. */
typedef struct limn_part_info {
    const char *name;  /* "unet", "vae", "text_encoder", "text_encoder_2" */
    const char *types; /* what its numbers are stored as, and how many tensors: "F16 684, F32 2" */
    uint64_t parameters; /* numbers; integers, but for limn's int8, and scales left out */
    uint64_t bytes;      /* as stored */
    int tensors;
} limn_part_info;

/* One tensor. Strings live as long as the report. */
typedef struct limn_tensor_info {
    const char *part, *name, *type; /* the name as diffusers has it */
    int rank;
    uint64_t shape[8]; /* [rank], outermost first */
} limn_tensor_info;

/* What a model's files are, without its weights being read. */
typedef struct limn_report {
    const char *name;         /* the file's or folder's */
    const char *container;    /* "folder", "safetensors" or "gguf" */
    const char *kind;         /* "LoRA", "VAE" ... where it is no model by itself; else "" */
    const char *family;       /* "sd1"; "" where there is no U-Net to tell it by */
    const char *family_label; /* "Stable Diffusion 1.x" */
    uint64_t bytes;           /* of all files that were looked at */
    /* The hash that a picture's recipe would have, and of a single file A1111's short one (its
     * first ten digits); "" where it was not asked for, or a folder is not complete. */
    char sha256[65], short_hash[11];
    const limn_part_info *parts; /* [part_count] */
    int part_count;
    size_t unused;                   /* tensors of a single file that belong to no part */
    const limn_tensor_info *tensors; /* [tensor_count], part by part */
    size_t tensor_count;
    bool has_tokenizer;
    bool complete; /* it can be opened, and drawn with */
    /* What is missing or wrong, a sentence each, [fault_count]; `more` are not listed. */
    const char *const *faults;
    int fault_count, more;
    int width, height, steps; /* what it is drawn with where nobody says otherwise */
    double guidance;
    const char *sampler, *prediction;
    bool zero_snr;     /* its schedule ends in pure noise */
    const char *notes; /* what limn had to assume, a sentence a line; "" = nothing */
} limn_report;

/* Looks at a model, or at a part of one, at `path`.
 *   options  parts from elsewhere, and threads; NULL is fine
 *   hash     whether to hash the files, which means reading them
 * *out is the caller's, for limn_report_free. What a file lacks is in the report; LIMN_E_INPUT only
 * where it cannot be read at all, LIMN_E_MISSING, LIMN_E_IO, LIMN_E_MEMORY. */
LIMN_API limn_status limn_inspect(const char *path, const limn_open_options *options, bool hash,
                                  limn_report **out, limn_error *error);

/* Releases a report. NULL is fine. */
LIMN_API void limn_report_free(limn_report *report);

/* ---- what can be asked for ------------------------------------------------------------------- */

/* A sampler or a schedule: the name one types, A1111's name, and a line about it. */
typedef struct limn_choice {
    const char *name;  /* "euler_a" */
    const char *label; /* "Euler a", as A1111 writes it */
    const char *about; /* one line */
} limn_choice;

/* The samplers, the schedules and the random generators that there are; *count is how many. */
LIMN_API const limn_choice *limn_samplers(int *count);
LIMN_API const limn_choice *limn_schedules(int *count); /* see limn_samplers */
LIMN_API const limn_choice *limn_rngs(int *count);      /* see limn_samplers */

/* Finds a sampler by any spelling ("euler_a", "Euler a", "DPM++ 2M Karras"; case, spaces, '-' and
 * '_' do not matter). *schedule becomes the schedule that the spelling names too, or stays as it
 * is. Returns the sampler's own name, or NULL where there is none. */
LIMN_API const char *limn_sampler_find(const char *spelling, const char **schedule);

/* Finds a schedule by any spelling; NULL where there is none. */
LIMN_API const char *limn_schedule_find(const char *spelling);

/* Finds a generator by any spelling ("torch", "CPU", "philox", "GPU"); NULL where there is none. */
LIMN_API const char *limn_rng_find(const char *spelling);

/* A picture of any size. */
typedef struct limn_picture limn_picture;

/* A picture that another one is drawn from. Zeroed = none. */
typedef struct limn_input {
    const limn_picture *picture; /* its pixels; the caller's */
    const char *name;            /* its file's name, for the recipe; NULL is "" */
    /* The SHA-256 that its pixels must have (limn_picture_sha256); NULL or "" = whatever they are.
     * Where it is given and `picture` is not, as in a request that was read from a recipe, the
     * request cannot be drawn. */
    const char *sha256;
} limn_input;

/* One picture, asked for. Every field that touches a pixel is here, and goes into the recipe. */
typedef struct limn_request {
    const char *prompt;   /* what to draw; "" is fine */
    const char *negative; /* what to stay away from; "" is fine */
    uint64_t seed;        /* as the generator `rng` takes it */
    int steps;            /* 1 to 1000 */
    double guidance;      /* guidance scale, 0 to 100; up to 1: the prompt alone */
    int width, height;    /* px, multiples of the model's size_step_px */
    const char *sampler;  /* a name from limn_samplers */
    const char *schedule; /* a name from limn_schedules; "model" = as the model was trained */
    const char *rng;      /* "torch" or "philox" */
    double eta;           /* the noise of DDIM and TCD, 0 to 1; other samplers do not read it */

    /* From here on 0 and NULL = not used. Numbers of this kind are listed by limn_settings. */
    int cache_interval; /* above 1: the whole U-Net only every so many evaluations, between them
                         * its outermost layers (Ma et al. 2024, "DeepCache") */
    int cache_branch;   /* how many layers more than one those are, each way */
    /* What SDXL is told of the picture it draws (Podell et al. 2023, section 2.2), px; other models
     * take none of it. 0 of a size = the picture's own. */
    int original_width, original_height; /* of the picture that it was cut from */
    int crop_x, crop_y;                  /* where in that it begins: from the left, from the top */
    int target_width, target_height;     /* what it was then brought to */
    double guidance_rescale; /* 0 to 1: how far guided predictions are brought back to the deviation
                              * of the prompt's own (Lin et al. 2023, section 3.4) */
    double guidance_from;    /* guidance is on from this share of the steps ... */
    double guidance_to;      /* ... to this one, 0 = the end; else the prompt is evaluated alone */
    int clip_skip; /* the text is read from this layer of the encoder, counted from the end: 1 = the
                    * last, as A1111 counts; of SDXL's encoders 1 = the last but one */

    /* Picture to picture, for which the model must have been opened with its encoder. A source of
     * another size is brought to width x height: cut at the centre to their ratio, then by
     * Lanczos' filter (docs/formats.md). */
    limn_input init; /* what to begin with */
    limn_input mask; /* with init: white = draw anew, black = keep (grey from 128 on is white) */
    double strength; /* with init: how much of it is lost, up to 1: the last (int)(steps x
                      * strength) steps are made; 0 = 0.75, for an inpainting model 1 */
    double image_guidance; /* how closely a model that edits (instruct-pix2pix) keeps to init; 0 =
                            * 1.5; others do not read it */
    /* How prompts are read: "a1111" (also NULL) or "plain" (docs/formats.md, "Prompt syntax"). A
     * recipe says "a1111" only where that changes anything, and is read as "plain" where it says
     * nothing. */
    const char *prompt_syntax;

    /* A second pass at a larger size (A1111's "Hires. fix" with the upscaler "Latent"): the latents
     * of the first are made larger, and drawn again from there. width and height are the first's.
     */
    double upscale;          /* the second size over the first, above 1 */
    double upscale_strength; /* how much of the first is lost; 0 = 0.7 */
    int upscale_steps;       /* steps that the second makes; 0 = as many as the first has */
    int vae_tile; /* px: the picture is decoded in tiles of this side, which takes less memory and
                   * gives nearly the same pixels; a multiple of size_step_px, of at least eight */

    /* Texts that limn_text_settings lists. Two for SDXL's second text encoder, which otherwise
     * reads the same as the first (diffusers' prompt_2; AND in it is text); then what the model is
     * taken for where its files are wrong or do not say. */
    const char *prompt_2, *negative_2;
    const char *prediction; /* "epsilon", "v_prediction" or "sample" */
    const char *zero_snr;   /* "on": the schedule ends in pure noise (Lin et al. 2023); "off" */

    /* What the ControlNet sees that the model was opened with: edges, depth or a pose, ready made,
     * as it was trained on. Brought to the picture's size as init is, of each pass. The settings
     * below are read with it alone. */
    limn_input control;
    double control_strength; /* how much the ControlNet has to say, up to 10; 0 = 1 */
    double control_from;     /* it takes part from this share of the steps that are made ... */
    double control_to;       /* ... to this one, 0 = the end */
} limn_request;

/* Fills a request with the model's preferences (its own "limn" key's, else what its family is used
 * with: docs/formats.md), an empty prompt and seed 0. */
LIMN_API void limn_request_defaults(const limn_model *model, limn_request *request);

/* Brings a request to the form that its recipe has: fills in what it leaves open (the strength of a
 * picture to begin with), and makes settings that make no difference what they are where nothing is
 * said. Cannot fail; what is out of range stays so. */
LIMN_API void limn_request_settle(const limn_model *model, limn_request *request);

/* A number in a request that is 0 where it is not used: recipes, prompt files, limn_recipe_set and
 * the command line all know it by its row here. */
typedef struct limn_setting {
    const char *name;   /* in recipes, prompt files and limn_recipe_set: "cache_interval" */
    const char *option; /* on the command line: "cache-interval" */
    const char *label;  /* in A1111's text: "Clip skip"; NULL where A1111 has none */
    const char *about;  /* one line */
    size_t offset;      /* of the field in limn_request */
    bool whole;         /* whether the field is an int; else it is a double */
    double least, most; /* where it is used; 0 is fine besides */
} limn_setting;

/* The settings that there are; *count is how many. */
LIMN_API const limn_setting *limn_settings(int *count);

/* The setting of that name, or NULL. */
LIMN_API const limn_setting *limn_setting_find(const char *name);

/* What a request says of a setting. */
LIMN_API double limn_setting_get(const limn_request *request, const limn_setting *setting);

/* Writes a setting into a request; LIMN_E_USAGE where the value is out of its range. */
LIMN_API limn_status limn_setting_put(limn_request *request, const limn_setting *setting,
                                      double value, limn_error *error);

/* A text in a request that is NULL or "" where it is not used; known everywhere by its row here, as
 * those of limn_settings are. */
typedef struct limn_text_setting {
    const char *name;           /* in recipes, prompt files and limn_recipe_set: "prompt_2" */
    const char *option;         /* on the command line: "prompt-2" */
    const char *about;          /* one line */
    size_t offset;              /* of the field in limn_request */
    const char *const *choices; /* what it may be, NULL last; NULL = any text */
} limn_text_setting;

/* The text settings that there are; *count is how many. */
LIMN_API const limn_text_setting *limn_text_settings(int *count);

/* The text setting of that name, or NULL. */
LIMN_API const limn_text_setting *limn_text_setting_find(const char *name);

/* What a request says of a text setting; NULL where it is not used. */
LIMN_API const char *limn_text_setting_get(const limn_request *request,
                                           const limn_text_setting *setting);

/* Writes a text setting into a request, which keeps the pointer; of choices any beginning that only
 * one has will do ("v"), and "model" is none of them. LIMN_E_USAGE where it is no choice. */
LIMN_API limn_status limn_text_setting_put(limn_request *request, const limn_text_setting *setting,
                                           const char *value, limn_error *error);

/* How much memory a picture takes, known before any work. */
typedef struct limn_plan {
    size_t model_bytes;     /* weights, resident once however many pictures are rendered */
    size_t workspace_bytes; /* one picture's workspace, pixels and file */
    size_t peak_bytes;      /* the process's peak with one picture at a time, init and mask too */
    int evaluations;        /* of the U-Net (a guided one counts once) */
    double gflop;           /* multiplications and additions, in thousands of millions */
    int width, height;      /* of the finished picture, px; with upscale more than the request's */
} limn_plan;

/* Checks a request against the model and says what it will take, without doing it. Fails with
 * LIMN_E_USAGE where limn_render would. */
LIMN_API limn_status limn_request_plan(const limn_model *model, const limn_request *request,
                                       limn_plan *plan, limn_error *error);

/* Makes a request fit into `max_memory` bytes, of which a whole process with this model is meant
 * (limn_plan.peak_bytes); 0: no limit. Where decoding in tiles makes it fit, and request->vae_tile
 * is 0, that becomes the largest tile that does, in steps of eight latents; else the request is not
 * changed. Fails with LIMN_E_USAGE and both figures where it does not fit, and where limn_render
 * would fail so. */
LIMN_API limn_status limn_request_fit(const limn_model *model, limn_request *request,
                                      size_t max_memory, limn_error *error);

/* What becomes of a prompt: how many tokens it has, and what did not fit.
 *   dropped  receives the text past the model's limit, "" where everything fits
 *   repaired whether invalid UTF-8 was replaced by U+FFFD */
typedef struct limn_prompt_check {
    int tokens;
    int max_tokens;
    char dropped[400];
    bool repaired;
    int chunks; /* that the text encoder reads one after another; limn_request_inspect sets it */
} limn_prompt_check;

/* Tokenizes a prompt to see what the model will read of it as plain text. */
LIMN_API limn_status limn_prompt_inspect(const limn_model *model, const char *prompt,
                                         limn_prompt_check *check, limn_error *error);

/* The same for the prompt or the negative prompt of a request, read by its prompt_syntax: with
 * "a1111" nothing is dropped, but there are more chunks. max_tokens is what those have room for.
 * LIMN_E_USAGE where there is no such syntax or the prompt passes its limits. */
LIMN_API limn_status limn_request_inspect(const limn_model *model, const limn_request *request,
                                          bool negative, limn_prompt_check *check,
                                          limn_error *error);

/* What is set in a request and has no say in its picture, such as an eta for a sampler that has
 * none: a sentence for each into notes[size], a line feed between them; "" where there is none. */
LIMN_API void limn_request_notes(const limn_model *model, const limn_request *request, char *notes,
                                 size_t size);

/* Bytes of a slug with its NUL. */
#define LIMN_SLUG_BYTES 41

/* Makes of a prompt what can stand in a file name: a to z, 0 to 9 and single '-', "picture" where
 * nothing is left. "A red Apple!" gives "a-red-apple"; it ends at a word where it can. Cannot fail.
 */
LIMN_API void limn_prompt_slug(const char *prompt, char slug[LIMN_SLUG_BYTES]);

/* ---- rendering ------------------------------------------------------------------------------- */

/* Where a rendering stands. */
typedef struct limn_progress {
    int step;          /* steps done, 1 to steps */
    int steps;         /* steps in all */
    double step_ms;    /* the last step's time */
    double elapsed_ms; /* since the rendering began */
} limn_progress;

/* How to render, as opposed to what. Nothing in here changes a bit of the picture, but where
 * max_memory makes limn_request_fit decode in tiles: then the recipe says so. */
typedef struct limn_options {
    int threads; /* 0 = one per processor */
    void *user;  /* handed to the callbacks, which run on the calling thread */
    /* After each step; returning false stops the rendering with LIMN_E_CANCELLED. May be NULL. */
    bool (*progress)(void *user, const limn_progress *progress);
    /* After each step, a rough picture of the state, one pixel for each latent, [h, w, 3] u8, valid
     * during the call only. May be NULL. */
    void (*preview)(void *user, int width, int height, const uint8_t *rgb);
    size_t max_memory; /* bytes, see limn_request_fit; 0 = what the machine has */
    /* Asked many times in a step and while decoding; returning true stops the rendering with
     * LIMN_E_CANCELLED at once, where progress would wait for the step. It is to be quick. May be
     * NULL. */
    bool (*stop)(void *user);
} limn_options;

/* A picture and how it came about. Freed with limn_picture_free. Read only. */
struct limn_picture {
    int width, height;      /* px */
    const uint8_t *rgb;     /* [height, width, 3] u8 */
    const char *recipe;     /* limn's canonical JSON (docs/formats.md); NULL if it carries none */
    const char *parameters; /* A1111's text; NULL if it carries none */
    double elapsed_ms;      /* what rendering took; 0 for a picture that was read */
};

/* Draws a picture. options may be NULL. *out is the caller's.
 * Fails with LIMN_E_USAGE (a value out of range), LIMN_E_MEMORY, LIMN_E_CANCELLED, and LIMN_E_INPUT
 * where the model's result is not a number. */
LIMN_API limn_status limn_render(const limn_model *model, const limn_request *request,
                                 const limn_options *options, limn_picture **out,
                                 limn_error *error);

/* Releases a picture. NULL is fine. */
LIMN_API void limn_picture_free(limn_picture *picture);

/* ---- files ----------------------------------------------------------------------------------- */

/* Flag for limn_picture_save: replace a file that is there. */
#define LIMN_OVERWRITE 1u

/* Writes a picture, whole or not at all; the format is told by the name's ending: .png (with the
 * recipe), .jpg, .bmp, .tga. Fails with LIMN_E_USAGE (unknown ending), LIMN_E_CREATE, LIMN_E_IO. */
LIMN_API limn_status limn_picture_save(const limn_picture *picture, const char *path,
                                       unsigned flags, limn_error *error);

/* The bytes that limn_picture_save would write to a .png; *bytes is the caller's, for free(). */
LIMN_API limn_status limn_picture_png(const limn_picture *picture, uint8_t **bytes, size_t *size,
                                      limn_error *error);

/* The SHA-256 of some bytes, 64 hex digits, as a batch's manifest gives it of each file. */
LIMN_API void limn_sha256_hex(const void *bytes, size_t size, char hex[65]);

/* The same of a file of any size. LIMN_E_MISSING where it is not there, LIMN_E_IO. */
LIMN_API limn_status limn_sha256_file(const char *path, char hex[65], limn_error *error);

/* Reads a PNG: its pixels, its recipe and its A1111 text where it carries them; or a JPEG: its
 * pixels, turned as its EXIF data says. The bytes tell which of the two a file is. */
LIMN_API limn_status limn_picture_load(const char *path, limn_picture **out, limn_error *error);

/* The SHA-256 of a picture's pixels, 64 hex digits: of the bytes that it has as a binary PPM file
 * ("P6\n640 480\n255\n" and the pixels), whatever file it came from. */
LIMN_API void limn_picture_sha256(const limn_picture *picture, char hex[65]);

/* ---- again ----------------------------------------------------------------------------------- */

/* A request whose strings it owns, with what a recipe says beside it. */
typedef struct limn_recipe limn_recipe;

/* Reads the recipe out of a picture (limn's JSON, else A1111's text) or fails with LIMN_E_INPUT. */
LIMN_API limn_status limn_recipe_read(const limn_picture *picture, limn_recipe **out,
                                      limn_error *error);

/* Changes one setting, e.g. "seed", "8". Names are those of the recipe. LIMN_E_USAGE where the name
 * or the value is none. */
LIMN_API limn_status limn_recipe_set(limn_recipe *recipe, const char *name, const char *value,
                                     limn_error *error);

/* The request in a recipe; valid until the recipe is changed or freed. */
LIMN_API const limn_request *limn_recipe_request(const limn_recipe *recipe);

/* The sha256 of the recipe's model ("" where unknown, its first 10 digits where A1111's text alone
 * tells it), its name, and its numeric contract (0 where unknown). */
LIMN_API const char *limn_recipe_model_sha256(const limn_recipe *recipe);
LIMN_API const char *limn_recipe_model_name(const limn_recipe *recipe); /* see above */
LIMN_API int limn_recipe_contract(const limn_recipe *recipe);           /* see above */

/* The precision of a recipe, for limn_open_options: "float32" where it says nothing. */
LIMN_API const char *limn_recipe_precision(const limn_recipe *recipe);

/* The TAESD of a recipe, which limn_open_options.taesd has to name again: the name of its file and
 * the file's sha256; "" where the model's own decoder drew the picture. */
LIMN_API const char *limn_recipe_taesd_name(const limn_recipe *recipe);
LIMN_API const char *limn_recipe_taesd_sha256(const limn_recipe *recipe); /* see above */

/* The ControlNet of a recipe, which limn_open_options.control has to name again: its name and its
 * files' sha256; "" where none took part. */
LIMN_API const char *limn_recipe_control_name(const limn_recipe *recipe);
LIMN_API const char *limn_recipe_control_sha256(const limn_recipe *recipe); /* see above */

/* How many LoRA files a recipe names, and what it says of the i-th: name, hash and scale. */
LIMN_API int limn_recipe_lora_count(const limn_recipe *recipe);
LIMN_API limn_lora_info limn_recipe_lora(const limn_recipe *recipe, int i); /* see above */

/* The textual inversions that a recipe's prompts named: "NAME (first digits of its hash...), ...",
 * "" where there were none. */
LIMN_API const char *limn_recipe_embeddings(const limn_recipe *recipe);

/* The same of what a model would draw from a request. *out is the caller's, for free().
 * LIMN_E_USAGE where the request cannot be drawn, LIMN_E_MEMORY. */
LIMN_API limn_status limn_request_embeddings(const limn_model *model, const limn_request *request,
                                             char **out, limn_error *error);

/* Releases a recipe. NULL is fine. */
LIMN_API void limn_recipe_free(limn_recipe *recipe);

/* ---- batches --------------------------------------------------------------------------------- */

/* What became of one line of a prompt file. */
typedef enum limn_batch_event {
    LIMN_BATCH_STARTED, /* its rendering begins */
    LIMN_BATCH_DONE,    /* its file is written */
    LIMN_BATCH_SKIPPED, /* the file was there already, made from the same request */
    LIMN_BATCH_FAILED,  /* `error` says why; the batch goes on */
} limn_batch_event;

/* One line of a batch, handed to the callback; valid during the call only. */
typedef struct limn_batch_item {
    limn_batch_event event;
    int index, count;            /* this picture and how many there are, from 1 */
    int line;                    /* in the prompt file, from 1 */
    const char *file;            /* the picture's path; NULL where the line has no request */
    const limn_request *request; /* NULL where the line could not be read */
    const limn_picture *picture; /* the picture just made; only with LIMN_BATCH_DONE */
    const limn_error *error;     /* only with LIMN_BATCH_FAILED */
    bool repaired;               /* invalid UTF-8 in the line was replaced by U+FFFD */
} limn_batch_item;

/* How a batch is run. */
typedef struct limn_batch_options {
    limn_request base;   /* what a line does not say; its strings stay the caller's */
    limn_options render; /* threads, progress, preview */
    const char *folder;  /* where pictures and manifest.jsonl go; NULL = the current folder */
    int count;           /* pictures for each line, seeds rising; 0 = 1 */
    bool has_seed;       /* base.seed was asked for; else seeds come from text and place */
    bool force;          /* render again what is there, and replace files of other requests */
    bool dry_run;        /* check every line and report what would be done; write nothing */
    void *user;          /* handed to `item` */
    void (*item)(void *user, const limn_batch_item *item); /* may be NULL */
} limn_batch_options;

/* How a batch ended. */
typedef struct limn_batch_result {
    int done, skipped, failed;
} limn_batch_result;

/* Renders every line of a prompt file (docs/formats.md) and keeps folder/manifest.jsonl.
 *   name   what to call the file in sentences, e.g. "prompts.txt"
 *   text   its bytes, which need not end in NUL
 * A bad line is reported through `item`, counted in result->failed, and does not stop the others.
 * Fails with LIMN_E_CANCELLED (what is done stays done), LIMN_E_INPUT (the file is no text, or asks
 * for too many pictures), LIMN_E_CREATE, LIMN_E_IO, LIMN_E_MEMORY. */
LIMN_API limn_status limn_batch_run(const limn_model *model, const char *name, const char *text,
                                    size_t size, const limn_batch_options *options,
                                    limn_batch_result *result, limn_error *error);

/* ---- measuring ------------------------------------------------------------------------------- */

/* What to measure: an architecture, with weights that the library makes up. */
typedef struct limn_bench_options {
    const char *arch;  /* "sd15", "sd15-taesd", "sd21", "sdxl" or "vignette" */
    int width, height; /* px; 0 = what the architecture is used with */
    int threads;       /* 0 = one per processor */
    int runs;          /* 1 to 1000 behind each median; 0 = 5 */
    void *user;        /* handed to the callback, which runs on the calling thread */
    /* Before each piece of work, with its name; returning false stops with LIMN_E_CANCELLED. May be
     * NULL. */
    bool (*watch)(void *user, const char *work);
    const char *precision; /* as in limn_open_options: NULL, "float32" or "int8" */
} limn_bench_options;

/* One stage of a picture. */
typedef struct limn_bench_stage {
    double seconds;      /* the median; see limn_bench_report.wall */
    double direct_gflop; /* multiplications and additions as if none were saved, 10^9 */
    double share;        /* direct_gflop / seconds / f32_gflops; above 1 where some are saved */
} limn_bench_stage;

/* What was measured. Strings are constants. */
typedef struct limn_bench_report {
    const char *arch, *simd; /* simd: the level that kernels ran at */
    int width, height;       /* px */
    int threads, runs;       /* never 0 */
    bool wall;               /* seconds on the wall's clock; with one thread, the processor's */
    double f32_gflops;       /* the level's float32 multiply-adds at best, 10^9 operations/s */
    double int8_gops;        /* products of bytes summed as int32, likewise */
    const char *int8_with;   /* the instruction that gave int8_gops */
    double read_gbs;         /* reading memory at best, 10^9 bytes/s */
    limn_bench_stage text;   /* one prompt */
    limn_bench_stage unet;   /* one guided step: both halves as one batch */
    limn_bench_stage decode; /* the VAE's decoder, or the TAESD's */
    uint64_t parameters;     /* of the text encoder, the U-Net and the decoder together */
    size_t weights_bytes;    /* memory that the weights took */
    size_t peak_bytes;       /* the process's peak of resident memory after the stages */
    const char *precision;   /* "float32" or "int8"; the float32 peak is behind either's shares */
} limn_bench_report;

/* Measures an architecture on this machine; needs no file. Each stage runs once to warm up, then
 * options->runs times, on the code that draws pictures. Fails with LIMN_E_USAGE (an architecture,
 * precision or size that is none, or more memory than the machine has), LIMN_E_MEMORY,
 * LIMN_E_CANCELLED. */
LIMN_API limn_status limn_bench_run(const limn_bench_options *options, limn_bench_report *report,
                                    limn_error *error);

#ifdef __cplusplus
}
#endif

#endif
