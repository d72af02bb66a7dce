/* A model becomes a file or folder of another kind: what goes into it, under which names and in
 * which types. */
#include "weights/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "weights/family.h"
#include "weights/original.h"
#include "weights/tensors.h"

/* The kinds of output. */
typedef enum kind { FOLDER, SAFETENSORS, GGUF } kind;

/* The components that have tensors, and where they lie in a folder. */
static const struct {
    limn_part part;
    const char *component, *file;
} parts[] = {
    {LIMN_PART_TEXT, "text_encoder", "text_encoder/model.safetensors"},
    {LIMN_PART_TEXT_2, "text_encoder_2", "text_encoder_2/model.safetensors"},
    {LIMN_PART_UNET, "unet", "unet/diffusion_pytorch_model.safetensors"},
    {LIMN_PART_VAE, "vae", "vae/diffusion_pytorch_model.safetensors"},
};

enum { PARTS = sizeof parts / sizeof *parts, FILES_PART = PARTS };

/* The files beside the tensors. */
static const char *const files[] = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder_2/config.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/vocab.json",
    "unet/config.json",
    "vae/config.json",
    "LICENSE",
    "README.md",
};

/* A conversion under way. */
typedef struct conversion {
    limn_folder *folder;
    kind kind;
    bool original;            /* names are those of the original layout: GGUF, where they can be */
    const char *architecture; /* what a GGUF file calls the model */
    bool int8;                /* the U-Net's matrices become that */
    const limn_tensor **chosen; /* [chosen_count] those matrices */
    size_t chosen_count;
    bool keep;        /* types stay */
    limn_dtype dtype; /* else what they become */
    const char *path; /* of the output, without slashes at its end */
    limn_out out;
    limn_out_tensor *tensors; /* [count] */
    size_t count, room;
    limn_error *err;
} conversion;

/* ---- what is wanted -------------------------------------------------------------------------- */

/* Whether it does, in letters of either case. */
static bool ends_in(const char *text, const char *end) {
    const size_t length = strlen(text), n = strlen(end);
    return length > n && strcasecmp(text + length - n, end) == 0;
}

static limn_status read_type(conversion *c, const char *type) {
    static const struct {
        const char *name;
        limn_dtype dtype;
    } types[] = {{"f32", LIMN_F32}, {"f16", LIMN_F16}, {"bf16", LIMN_BF16}, {"q8_0", LIMN_Q8_0}};
    c->int8 = type && strcmp(type, "int8") == 0;
    c->keep = !type || c->int8 || strcmp(type, "keep") == 0;
    if (c->int8 && c->kind == GGUF)
        return limn_fail(c->err, LIMN_E_USAGE,
                         "%s: a .gguf file cannot hold limn's int8; it can hold q8_0", c->path);
    if (c->keep) return LIMN_OK;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].name) != 0) continue;
        c->dtype = types[i].dtype;
        if (c->dtype != LIMN_Q8_0 || c->kind == GGUF) return LIMN_OK;
        return limn_fail(c->err, LIMN_E_USAGE, "%s: only a .gguf file can hold q8_0", c->path);
    }
    return limn_fail(c->err, LIMN_E_USAGE,
                     "there is no type '%s'; there are keep, f32, f16, bf16, int8 and q8_0", type);
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* The type nearest to what is stored that the output can hold, without a loss. */
static limn_dtype kept_dtype(const conversion *c, const limn_tensor *t) {
    uint32_t type;
    const limn_dtype narrow = limn_dtype_narrow(t->dtype);
    if (t->scale && c->kind == GGUF) return LIMN_F32;
    if (t->transposed) return narrow == LIMN_Q8_0 ? LIMN_F32 : narrow;
    if (c->kind == GGUF && !limn_dtype_ggml(t->dtype, &type))
        return narrow == LIMN_F16 ? LIMN_F16 : LIMN_I8;
    if (c->kind != GGUF && limn_dtype_block(t->dtype) > 1) return LIMN_F32;
    return t->dtype;
}

/* The type that a tensor is stored in. Q8_0 is for matrices whose rows are whole blocks; other
 * matrices become float16 beside it, and what has one dimension stays as it is. */
static limn_dtype dtype_for(const conversion *c, const limn_tensor *t) {
    if (c->keep || !limn_tensor_is_weight(t)) return kept_dtype(c, t);
    if (c->dtype != LIMN_Q8_0) return c->dtype;
    if (t->rank < 2) return kept_dtype(c, t);
    return t->shape[t->rank - 1] % limn_dtype_block(LIMN_Q8_0) == 0 ? LIMN_Q8_0 : LIMN_F16;
}

static limn_out_tensor *add(conversion *c) {
    if (c->count == c->room) {
        const size_t room = 2 * c->room + 256;
        limn_out_tensor *tensors = realloc(c->tensors, room * sizeof *tensors);
        if (!tensors) return NULL;
        c->tensors = tensors;
        c->room = room;
    }
    limn_out_tensor *t = &c->tensors[c->count++];
    *t = (limn_out_tensor){0};
    return t;
}

static limn_status no_memory(const conversion *c) {
    return limn_fail(c->err, LIMN_E_MEMORY, "%s: no memory to convert it", c->path);
}

/* A tensor's name in the output. */
static void name_tensor(const conversion *c, int part, const limn_tensors *all, const char *name,
                        limn_out_tensor *to) {
    char original[LIMN_ORIGINAL_BYTES];
    if (c->original) limn_original_whole_name(parts[part].part, all, name, original);
    if (c->original)
        snprintf(to->name, sizeof to->name, "%s", original);
    else if (c->kind == FOLDER)
        snprintf(to->name, sizeof to->name, "%s", name);
    else
        snprintf(to->name, sizeof to->name, "%s.%s", parts[part].component, name);
}

static int by_address(const void *a, const void *b) {
    const limn_tensor *x = *(const limn_tensor *const *)a, *y = *(const limn_tensor *const *)b;
    return (x > y) - (x < y);
}

/* Whether a tensor is to become int8; one that is so already is not. */
static bool is_chosen(const conversion *c, const limn_tensor *t) {
    return c->chosen && !t->scale &&
           bsearch(&t, c->chosen, c->chosen_count, sizeof t, by_address) != NULL;
}

/* Behind a tensor that becomes int8, its scales. */
static limn_status add_scale(conversion *c) {
    limn_out_tensor *to = add(c);
    if (!to) return no_memory(c);
    const limn_out_tensor *of = to - 1;
    *to = (limn_out_tensor){.part = of->part,
                            .tensor = of->tensor,
                            .scale = true,
                            .dtype = LIMN_F32,
                            .rank = 1,
                            .shape = {of->shape[0]},
                            .bytes = of->shape[0] * sizeof(float)};
    memcpy(to->name, of->name, sizeof to->name);
    strcat(to->name, LIMN_SCALE_END);
    return LIMN_OK;
}

/* Whether a tensor is the scales of another that is int8 no more. */
static bool is_spent(const conversion *c, const limn_tensors *all, const limn_tensor *t) {
    char of[LIMN_OUT_NAME_BYTES];
    const size_t stem = limn_scale_stem(t->name);
    if ((c->keep && c->kind != GGUF) || stem == 0) return false;
    snprintf(of, sizeof of, "%.*s", (int)stem, t->name);
    const limn_tensor *numbers = limn_tensors_find(all, of);
    return numbers && numbers->scale;
}

static limn_status add_tensor(conversion *c, int part, const limn_tensors *all,
                              const limn_tensor *t) {
    if (is_spent(c, all, t)) return LIMN_OK;
    limn_out_tensor *to = add(c);
    if (!to) return no_memory(c);
    if (strlen(t->name) >= sizeof to->name - 48)
        return limn_fail(c->err, LIMN_E_INPUT, "tensor %.200s...: its name is too long", t->name);
    to->part = part;
    to->tensor = t;
    to->int8 = is_chosen(c, t);
    to->dtype = to->int8 ? LIMN_I8 : dtype_for(c, t);
    to->rank = t->rank;
    memcpy(to->shape, t->shape, sizeof to->shape);
    to->bytes = t->count / limn_dtype_block(to->dtype) * limn_dtype_bytes(to->dtype);
    name_tensor(c, part, all, t->name, to);
    return to->int8 ? add_scale(c) : LIMN_OK;
}

/* The tensors of a component; NULL where the model does not have it, which its configurations tell.
 */
static limn_status find_part(conversion *c, int part, const limn_tensors **all) {
    char config[80];
    snprintf(config, sizeof config, "%s/config.json", parts[part].component);
    *all = NULL;
    if (!limn_folder_has(c->folder, config)) return LIMN_OK;
    return limn_folder_tensors(c->folder, parts[part].component, all, c->err);
}

/* Whether the model is one that the original layout has names for, and what it is called there. */
static limn_status choose_names(conversion *c) {
    limn_status status = LIMN_OK;
    c->original = c->kind == GGUF;
    c->architecture = "limn";
    for (int part = 0; part < PARTS && status == LIMN_OK && c->original; part++) {
        const limn_tensors *all;
        status = find_part(c, part, &all);
        if (status != LIMN_OK || !all) continue;
        status = limn_original_returns(parts[part].part, all, &c->original, c->err);
        if (parts[part].part != LIMN_PART_UNET) continue;
        const limn_traits traits = limn_family_traits(all);
        c->architecture = traits.text_time ? "sdxl" : "sd1";
    }
    if (!c->original) c->architecture = "limn";
    return status;
}

static limn_status add_parts(conversion *c) {
    limn_status status = LIMN_OK;
    for (int part = 0; part < PARTS && status == LIMN_OK; part++) {
        const limn_tensors *all;
        status = find_part(c, part, &all);
        for (size_t i = 0; status == LIMN_OK && all && i < limn_tensors_count(all); i++)
            status = add_tensor(c, part, all, limn_tensors_at(all, i));
    }
    return status;
}

/* The other files, each a tensor of bytes; of a second tokenizer only beside a second encoder. */
static limn_status add_files(conversion *c) {
    limn_status status = LIMN_OK;
    const bool second = limn_folder_has(c->folder, "text_encoder_2/config.json");
    for (size_t i = 0; i < sizeof files / sizeof *files && status == LIMN_OK; i++) {
        if (!limn_folder_has(c->folder, files[i])) continue;
        if (!second && strncmp(files[i], "tokenizer_2/", 12) == 0) continue;
        limn_out_tensor *to = add(c);
        if (!to) return no_memory(c);
        status = limn_folder_bytes(c->folder, files[i], &to->file, c->err);
        to->part = FILES_PART;
        to->dtype = c->kind == GGUF ? LIMN_I8 : LIMN_U8;
        to->rank = 1;
        to->shape[0] = to->bytes = to->file.size;
        snprintf(to->name, sizeof to->name, "%s%s", c->kind == FOLDER ? "" : "limn.file/",
                 files[i]);
    }
    return status;
}

/* In the order of the output: wide numbers first, so that each is aligned, then by name. */
static int by_width(const void *a, const void *b) {
    const limn_out_tensor *x = *(limn_out_tensor *const *)a, *y = *(limn_out_tensor *const *)b;
    const size_t wide = limn_dtype_bytes(x->dtype), other = limn_dtype_bytes(y->dtype);
    if (wide != other) return wide > other ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors of one part, or of all (part -1), in their order; *list is the caller's. */
static limn_status sort_tensors(const conversion *c, int part, const limn_out_tensor ***list,
                                size_t *count) {
    *list = calloc(c->count + 1, sizeof **list);
    *count = 0;
    if (!*list) return no_memory(c);
    for (size_t i = 0; i < c->count; i++)
        if (part < 0 || c->tensors[i].part == part) (*list)[(*count)++] = &c->tensors[i];
    qsort(*list, *count, sizeof **list, by_width);
    return LIMN_OK;
}

/* ---- one file -------------------------------------------------------------------------------- */

/* ggml's number for what most of a file is. */
static limn_gguf_facts gguf_facts(const conversion *c) {
    static const struct {
        limn_dtype dtype;
        int type;
    } types[] = {{LIMN_F32, 0}, {LIMN_F16, 1}, {LIMN_Q8_0, 7}, {LIMN_BF16, 32}};
    limn_gguf_facts facts = {.name = limn_folder_name(c->folder), .architecture = c->architecture};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint64_t bytes = 0;
        for (size_t k = 0; k < c->count; k++)
            bytes += c->tensors[k].dtype == types[i].dtype ? c->tensors[k].bytes : 0;
        if (bytes > most) facts.file_type = types[i].type;
        most = bytes > most ? bytes : most;
    }
    for (size_t i = 0; i < c->count; i++)
        facts.quantised = facts.quantised || limn_dtype_block(c->tensors[i].dtype) > 1;
    return facts;
}

/* Writes part of the conversion (-1: all) as one file. */
static limn_status write_file(conversion *c, const char *path, int part) {
    const limn_out_tensor **list;
    size_t count;
    limn_status status = sort_tensors(c, part, &list, &count);
    if (status == LIMN_OK)
        status = limn_writer_open(path, c->out.options->force, &c->out.writer, c->err);
    if (status == LIMN_OK && c->kind == GGUF) {
        const limn_gguf_facts facts = gguf_facts(c);
        status = limn_gguf_write(&c->out, &facts, list, count, c->err);
    } else if (status == LIMN_OK) {
        status = limn_safetensors_write(&c->out, list, count, c->err);
    }
    free(list);
    /* The input's files must be what they were, or the output is half of one and half of another.
     */
    if (status == LIMN_OK) status = limn_folder_check(c->folder, c->err);
    limn_status closed =
        limn_writer_close(c->out.writer, status == LIMN_OK, status == LIMN_OK ? c->err : NULL);
    c->out.writer = NULL;
    return status == LIMN_OK ? closed : status;
}

/* ---- a folder -------------------------------------------------------------------------------- */

/* Calls with each folder and file of the output's folder `root`, folders before what is in them. */
static limn_status each_place(conversion *c, const char *root,
                              limn_status (*place)(conversion *c, const char *path, int part,
                                                   const limn_out_tensor *file)) {
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < c->count && status == LIMN_OK; i++) {
        const limn_out_tensor *t = &c->tensors[i];
        const bool tensors = t->part != FILES_PART;
        if (tensors && i > 0 && c->tensors[i - 1].part == t->part) continue;
        char *path = limn_path_join(root, tensors ? parts[t->part].file : t->name);
        status = path ? place(c, path, t->part, tensors ? NULL : t) : no_memory(c);
        free(path);
    }
    return status;
}

static limn_status write_place(conversion *c, const char *path, int part,
                               const limn_out_tensor *file) {
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    limn_status status = folder ? limn_file_make_folder(folder, c->err) : no_memory(c);
    free(folder);
    if (status != LIMN_OK) return status;
    if (!file) return write_file(c, path, part);
    c->out.done += file->bytes;
    return limn_file_write(path, file->file.data, file->file.size, false, c->err);
}

/* Removes what write_place may have written; a folder goes with its last file. */
static limn_status remove_place(conversion *c, const char *path, int part,
                                const limn_out_tensor *file) {
    (void)c, (void)part, (void)file;
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    limn_file_remove(path);
    if (folder) limn_file_remove(folder);
    free(folder);
    return LIMN_OK;
}

static limn_status write_folder(conversion *c) {
    char *temp;
    limn_status status = limn_file_begin_folder(c->path, &temp, c->err);
    if (status != LIMN_OK) return status;
    status = each_place(c, temp, write_place);
    if (status == LIMN_OK) status = limn_file_end_folder(temp, c->path, c->err);
    if (status != LIMN_OK) {
        each_place(c, temp, remove_place);
        limn_file_remove(temp);
    }
    free(temp);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static limn_status convert(conversion *c, const char *in) {
    limn_status status = read_type(c, c->out.options->type);
    const limn_convert_options *how = c->out.options;
    const limn_folder_asides asides = {.vae = how->vae,
                                       .text_encoder = how->text_encoder,
                                       .text_encoder_2 = how->text_encoder_2,
                                       .tokenizer = how->tokenizer};
    if (status == LIMN_OK) status = limn_folder_open_with(in, &asides, &c->folder, c->err);
    if (status == LIMN_OK && c->int8)
        status = c->out.quantiser->choose(c->folder, &c->chosen, &c->chosen_count, c->err);
    if (c->chosen) qsort(c->chosen, c->chosen_count, sizeof *c->chosen, by_address);
    if (status == LIMN_OK) status = choose_names(c);
    if (status == LIMN_OK) status = add_parts(c);
    if (status == LIMN_OK) status = add_files(c);
    for (size_t i = 0; i < c->count; i++) c->out.total += c->tensors[i].bytes;
    if (status != LIMN_OK) return status;
    return c->kind == FOLDER ? write_folder(c) : write_file(c, c->path, -1);
}

limn_status limn_convert_model(const char *in, const char *out, const limn_convert_options *options,
                               const limn_quantiser *quantiser, limn_error *error) {
    static const limn_convert_options plain = {0};
    size_t length = strlen(out);
    while (length > 1 && out[length - 1] == '/') length--;
    if (length == 0) return limn_fail(error, LIMN_E_USAGE, "the output's name is empty");
    char *path = strndup(out, length);
    conversion c = {.path = path ? path : out, .err = error};
    c.out = (limn_out){.options = options ? options : &plain,
                       .quantiser = quantiser,
                       .numbers = malloc(LIMN_OUT_NUMBERS * sizeof(float)),
                       .stored = malloc(LIMN_OUT_NUMBERS * sizeof(float))};
    if (out[length] != '/' && path)
        c.kind = ends_in(path, ".gguf")          ? GGUF
                 : ends_in(path, ".safetensors") ? SAFETENSORS
                                                 : FOLDER;
    limn_status status = path && c.out.numbers && c.out.stored ? convert(&c, in) : no_memory(&c);
    limn_folder_close(c.folder);
    free(c.tensors);
    free(c.chosen);
    free(c.out.numbers);
    free(c.out.stored);
    free(path);
    return status;
}
