#include "support/single.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/gguf.h"
#include "weights/weights.h"

/* A file under way: a safetensors header and data, or a GGUF file. */
typedef struct writer {
    const single_form *form;
    byte_list header, data;
    gguf g;
    bool two; /* two text encoders */
} writer;

/* ---- writing --------------------------------------------------------------------------------- */

static void put(writer *w, const char *name, const char *type, uint32_t ggml, int rank,
                const uint64_t *shape, const void *data, size_t size) {
    char line[600];
    if (w->form->gguf) {
        gguf_tensor(&w->g, name, rank, shape, ggml, data, size);
        return;
    }
    int n = snprintf(line, sizeof line, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                     w->header.size > 0 ? "," : "{", name, type);
    for (int i = 0; i < rank; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%s%" PRIu64, i ? "," : "", shape[i]);
    n += snprintf(line + n, sizeof line - (size_t)n, "],\"data_offsets\":[%zu,%zu]}", w->data.size,
                  w->data.size + size);
    bytes_add(&w->header, line, (size_t)n);
    bytes_add(&w->data, data, size);
}

/* A tensor's bytes as they are stored; the caller frees them. */
static uint8_t *stored(const limn_tensor *t) {
    limn_error err;
    uint8_t *data = malloc(t->bytes + 1);
    assert_non_null(data);
    if (limn_tensor_read_stored(t, 0, t->bytes, data, &err) != LIMN_OK) fail_msg("%s", err.text);
    return data;
}

/* Puts a tensor of a shape of its own, whose numbers are `data` in t's type. */
static void put_numbers(writer *w, const char *name, const limn_tensor *t, const uint8_t *data,
                        uint64_t count, int rank, const uint64_t *shape) {
    static const struct {
        limn_dtype dtype;
        uint32_t ggml;
    } numbers[] = {{LIMN_F32, 0}, {LIMN_F16, 1}, {LIMN_I64, 27}, {LIMN_I32, 26}};
    const limn_source source = limn_source_of("data", data, count * limn_dtype_bytes(t->dtype));
    limn_tensor part = *t;
    part.source = &source;
    part.offset = 0;
    part.count = count;
    part.bytes = source.size;
    if (w->form->as_f32 && limn_dtype_is_float(t->dtype)) {
        float *floats = malloc(count * sizeof *floats);
        assert_int_equal(limn_tensor_read(&part, 0, count, floats, NULL), LIMN_OK);
        put(w, name, "F32", 0, rank, shape, floats, count * sizeof *floats);
        free(floats);
        return;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].dtype == t->dtype)
            put(w, name, limn_dtype_name(t->dtype), numbers[i].ggml, rank, shape, data,
                count * limn_dtype_bytes(t->dtype));
}

/* Puts a tensor as it is. */
static void put_whole(writer *w, const char *name, const limn_tensor *t) {
    uint8_t *data = stored(t);
    put_numbers(w, name, t, data, t->count, t->rank, t->shape);
    free(data);
}

static void finish(writer *w, const char *path) {
    size_t size;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (w->form->gguf) {
        uint8_t *all = gguf_finish(&w->g, &size);
        assert_int_equal(fwrite(all, 1, size, f), size);
        free(all);
    } else {
        byte_list length = {0};
        bytes_add(&w->header, "}", 1);
        bytes_add_number(&length, w->header.size, 8);
        assert_int_equal(fwrite(length.data, 1, 8, f), 8);
        assert_int_equal(fwrite(w->header.data, 1, w->header.size, f), w->header.size);
        assert_int_equal(fwrite(w->data.data, 1, w->data.size, f), w->data.size);
        free(length.data);
    }
    assert_int_equal(fclose(f), 0);
    free(w->header.data);
    free(w->data.data);
}

/* ---- LDM's names ----------------------------------------------------------------------------- */

#define LAYERS 2 /* of a level, in all the tiny models as in the real ones */

/* Replaces the first `from` in name[300] by `to`. */
static bool swap(char *name, const char *from, const char *to) {
    char *at = strstr(name, from), rest[300];
    if (at == NULL) return false;
    snprintf(rest, sizeof rest, "%s", at + strlen(from));
    snprintf(at, 300 - (size_t)(at - name), "%s%s", to, rest);
    return true;
}

/* Replaces the `from` that the name begins with. */
static bool swap_start(char *name, const char *from, const char *to) {
    return strncmp(name, from, strlen(from)) == 0 && swap(name, from, to);
}

static void swap_resnet(char *name) {
    swap(name, ".norm1.", ".in_layers.0.");
    swap(name, ".conv1.", ".in_layers.2.");
    swap(name, ".time_emb_proj.", ".emb_layers.1.");
    swap(name, ".norm2.", ".out_layers.0.");
    swap(name, ".conv2.", ".out_layers.3.");
    swap(name, ".conv_shortcut.", ".skip_connection.");
}

void single_unet_name(const limn_tensors *unet, char name[300]) {
    int i, k;
    char from[80], to[80];
    swap_start(name, "conv_in.", "input_blocks.0.0.");
    swap_start(name, "conv_norm_out.", "out.0.");
    swap_start(name, "conv_out.", "out.2.");
    swap_start(name, "time_embedding.linear_1.", "time_embed.0.");
    swap_start(name, "time_embedding.linear_2.", "time_embed.2.");
    swap_start(name, "add_embedding.linear_1.", "label_emb.0.0.");
    swap_start(name, "add_embedding.linear_2.", "label_emb.0.2.");
    if (strstr(name, ".resnets.")) swap_resnet(name);
    swap_start(name, "mid_block.resnets.0.", "middle_block.0.");
    swap_start(name, "mid_block.attentions.0.", "middle_block.1.");
    swap_start(name, "mid_block.resnets.1.", "middle_block.2.");
    for (i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "down_blocks.%d.downsamplers.0.conv.", i);
        snprintf(to, sizeof to, "input_blocks.%d.0.op.", (i + 1) * (LAYERS + 1));
        swap_start(name, from, to);
        snprintf(from, sizeof from, "up_blocks.%d.attentions.0.norm.weight", i);
        const bool attends = limn_tensors_find(unet, from) != NULL;
        snprintf(from, sizeof from, "up_blocks.%d.upsamplers.0.", i);
        snprintf(to, sizeof to, "output_blocks.%d.%d.", i * (LAYERS + 1) + LAYERS, attends ? 2 : 1);
        swap_start(name, from, to);
        for (k = 0; k <= LAYERS; k++) {
            for (int part = 0; part < 2; part++) {
                const char *kind = part ? "attentions" : "resnets";
                snprintf(from, sizeof from, "down_blocks.%d.%s.%d.", i, kind, k);
                snprintf(to, sizeof to, "input_blocks.%d.%d.", 1 + i * (LAYERS + 1) + k, part);
                swap_start(name, from, to);
                snprintf(from, sizeof from, "up_blocks.%d.%s.%d.", i, kind, k);
                snprintf(to, sizeof to, "output_blocks.%d.%d.", i * (LAYERS + 1) + k, part);
                swap_start(name, from, to);
            }
        }
    }
}

static void vae_name(char *name) {
    char from[40], to[40];
    swap(name, "mid_block.attentions.0.group_norm.", "mid.attn_1.norm.");
    swap(name, "mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out.");
    swap(name, "mid_block.attentions.0.to_", "mid.attn_1.");
    swap(name, "mid_block.resnets.0.", "mid.block_1.");
    swap(name, "mid_block.resnets.1.", "mid.block_2.");
    swap(name, "conv_norm_out.", "norm_out.");
    swap(name, "conv_shortcut.", "nin_shortcut.");
    swap(name, "downsamplers.0.", "downsample.");
    swap(name, "upsamplers.0.", "upsample.");
    swap(name, ".resnets.", ".block.");
    for (int i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "up_blocks.%d.", i);
        snprintf(to, sizeof to, "up.%d.", 3 - i);
        if (swap(name, from, to)) return;
        snprintf(from, sizeof from, "down_blocks.%d.", i);
        snprintf(to, sizeof to, "down.%d.", i);
        swap(name, from, to);
    }
}

static void open_clip_name(char *name) {
    swap_start(name, "text_model.embeddings.token_embedding.", "token_embedding.");
    swap_start(name, "text_model.embeddings.position_embedding.weight", "positional_embedding");
    swap_start(name, "text_model.final_layer_norm.", "ln_final.");
    swap_start(name, "text_model.encoder.layers.", "transformer.resblocks.");
    swap(name, ".layer_norm1.", ".ln_1.");
    swap(name, ".layer_norm2.", ".ln_2.");
    swap(name, ".self_attn.out_proj.", ".attn.out_proj.");
    swap(name, ".mlp.fc1.", ".mlp.c_fc.");
    swap(name, ".mlp.fc2.", ".mlp.c_proj.");
}

/* Q, K and V of a layer become one tensor; called with Q's. */
static void put_fused(writer *w, const limn_tensors *set, const limn_tensor *q,
                      const char *prefix) {
    static const char *const letters[] = {"q", "k", "v"};
    byte_list all = {0};
    char name[300], own[300];
    uint64_t shape[2] = {3 * q->shape[0], q->shape[1]};
    for (int i = 0; i < 3; i++) {
        char proj[8];
        snprintf(own, sizeof own, "%s", q->name);
        snprintf(proj, sizeof proj, ".%s_proj", letters[i]);
        swap(own, ".q_proj", proj);
        const limn_tensor *t = limn_tensors_find(set, own);
        assert_non_null(t);
        uint8_t *data = stored(t);
        bytes_add(&all, data, t->bytes);
        free(data);
    }
    snprintf(own, sizeof own, "%s", q->name);
    open_clip_name(own);
    swap(own, ".self_attn.q_proj.", ".attn.in_proj_");
    snprintf(name, sizeof name, "%s%.250s", prefix, own);
    put_numbers(w, name, q, all.data, 3 * q->count, q->rank, shape);
    free(all.data);
}

/* The projection as OpenCLIP has it: the other way round. */
static void put_projection(writer *w, const limn_tensor *t, const char *prefix) {
    char name[300];
    const size_t size = limn_dtype_bytes(t->dtype);
    const uint64_t rows = t->shape[0], columns = t->shape[1], shape[2] = {columns, rows};
    uint8_t *turned = malloc(t->bytes), *data = stored(t);
    for (uint64_t i = 0; i < t->count; i++)
        memcpy(turned + (i % columns * rows + i / columns) * size, data + i * size, size);
    snprintf(name, sizeof name, "%stext_projection", prefix);
    put_numbers(w, name, t, turned, t->count, 2, shape);
    free(turned);
    free(data);
}

static void put_open_clip(writer *w, const limn_tensors *set, const limn_tensor *t,
                          const char *prefix) {
    char name[300], own[256];
    if (strstr(t->name, ".k_proj.") || strstr(t->name, ".v_proj.")) return;
    if (strstr(t->name, ".q_proj.")) {
        put_fused(w, set, t, prefix);
    } else if (strcmp(t->name, "text_projection.weight") == 0) {
        put_projection(w, t, prefix);
    } else {
        snprintf(own, sizeof own, "%s", t->name);
        open_clip_name(own);
        snprintf(name, sizeof name, "%s%s", prefix, own);
        put_whole(w, name, t);
    }
}

/* ---- components ------------------------------------------------------------------------------ */

static void put_tensor(writer *w, const char *component, const limn_tensors *set,
                       const limn_tensor *t) {
    const bool text = strncmp(component, "text", 4) == 0, second = text && component[12] == '_';
    const limn_tensor *up = limn_tensors_find(set, "text_model.encoder.layers.0.mlp.fc1.weight");
    char name[600], own[300];
    /* The tiny models' OpenCLIPs are the ones of width 24. */
    const bool open_clip = text && up != NULL && up->shape[1] == 24;
    const bool prefixed = !w->form->bare && w->form->only == NULL;
    const char *prefix = "";
    if (prefixed && strcmp(component, "unet") == 0) prefix = "model.diffusion_model.";
    if (prefixed && strcmp(component, "vae") == 0) prefix = "first_stage_model.";
    if (prefixed && text)
        prefix = open_clip ? "cond_stage_model.model." : "cond_stage_model.transformer.";
    if (prefixed && text && w->two)
        prefix = second ? "conditioner.embedders.1.model." : "conditioner.embedders.0.transformer.";
    if (open_clip && w->form->ldm) {
        put_open_clip(w, set, t, prefix);
        return;
    }
    snprintf(own, sizeof own, "%s", t->name);
    if (w->form->ldm && strcmp(component, "unet") == 0) single_unet_name(set, own);
    if (w->form->ldm && strcmp(component, "vae") == 0) vae_name(own);
    if (w->form->ldm || !prefixed)
        snprintf(name, sizeof name, "%s%s", prefix, own);
    else
        snprintf(name, sizeof name, "%s.%s", component, own);
    put_whole(w, name, t);
}

static void put_file(writer *w, limn_folder *f, const char *relative) {
    char name[200];
    limn_bytes view;
    if (!limn_folder_has(f, relative)) return;
    assert_int_equal(limn_folder_bytes(f, relative, &view, NULL), LIMN_OK);
    snprintf(name, sizeof name, "limn.file/%s", relative);
    put(w, name, "U8", 24, 1, &(uint64_t){view.size}, view.data, view.size);
}

void single_write(const char *folder, const single_form *form, const char *path) {
    static const char *const components[] = {"unet", "vae", "text_encoder", "text_encoder_2"};
    static const char *const files[] = {"model_index.json",
                                        "unet/config.json",
                                        "vae/config.json",
                                        "text_encoder/config.json",
                                        "text_encoder_2/config.json",
                                        "scheduler/scheduler_config.json",
                                        "tokenizer/vocab.json",
                                        "tokenizer/merges.txt",
                                        "tokenizer/tokenizer_config.json",
                                        "tokenizer/special_tokens_map.json",
                                        "tokenizer_2/vocab.json",
                                        "tokenizer_2/merges.txt",
                                        "tokenizer_2/tokenizer_config.json",
                                        "tokenizer_2/special_tokens_map.json"};
    limn_error err;
    limn_folder *f;
    if (limn_folder_open(folder, &f, &err) != LIMN_OK) fail_msg("%s", err.text);
    writer w = {.form = form, .two = limn_folder_has(f, "text_encoder_2/config.json")};
    if (form->bare) gguf_key_text(&w.g, "general.architecture", w.two ? "sdxl" : "sd1");
    for (int i = 0; i < (w.two ? 4 : 3); i++) {
        const limn_tensors *t;
        if (form->bare && i > 0) continue;
        if (form->only != NULL && strcmp(form->only, components[i]) != 0) continue;
        if (limn_folder_tensors(f, components[i], &t, &err) != LIMN_OK) fail_msg("%s", err.text);
        for (size_t k = 0; k < limn_tensors_count(t); k++)
            put_tensor(&w, components[i], t, limn_tensors_at(t, k));
    }
    for (size_t i = 0; i < sizeof files / sizeof *files && !form->no_files; i++)
        put_file(&w, f, files[i]);
    finish(&w, path);
    limn_folder_close(f);
}
