#include "support/published.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/gguf.h"

/* A walk through one model. */
typedef struct walk {
    published_visit *visit;
    void *ctx;
    char prefix[200];
} walk;

static void tensor(const walk *w, const char *name, int rank, uint64_t a, uint64_t b, uint64_t c) {
    char full[400];
    snprintf(full, sizeof full, "%s%s", w->prefix, name);
    w->visit(w->ctx, full, rank, (const uint64_t[4]){a, b, c, c});
}

/* NAME.weight [n, k, kernel, kernel] and NAME.bias [n]; kernel 0: a linear layer; k 0: a norm. */
static void layer(const walk *w, const char *name, uint64_t n, uint64_t k, uint64_t kernel,
                  int biased) {
    char part[200];
    snprintf(part, sizeof part, "%s.weight", name);
    tensor(w, part, k == 0 ? 1 : kernel == 0 ? 2 : 4, n, k, kernel);
    snprintf(part, sizeof part, "%s.bias", name);
    if (biased) tensor(w, part, 1, n, 0, 0);
}

static void set_prefix(walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_prefix(walk *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(w->prefix, sizeof w->prefix, format, args);
    va_end(args);
}

/* ---- the U-Net ------------------------------------------------------------------------------- */

static void resnet(walk *w, uint64_t in, uint64_t out) {
    layer(w, "in_layers.0", in, 0, 0, 1);
    layer(w, "in_layers.2", out, in, 3, 1);
    layer(w, "emb_layers.1", out, 1280, 0, 1);
    layer(w, "out_layers.0", out, 0, 0, 1);
    layer(w, "out_layers.3", out, out, 3, 1);
    if (in != out) layer(w, "skip_connection", out, in, 1, 1);
}

static void attention(walk *w, uint64_t c, uint64_t context, int depth, int linear) {
    static const char *const own[] = {"to_q", "to_k", "to_v"};
    char root[200], name[80];
    snprintf(root, sizeof root, "%s", w->prefix);
    layer(w, "norm", c, 0, 0, 1);
    layer(w, "proj_in", c, c, linear ? 0 : 1, 1);
    layer(w, "proj_out", c, c, linear ? 0 : 1, 1);
    for (int i = 0; i < depth; i++) {
        set_prefix(w, "%.150stransformer_blocks.%d.", root, i);
        for (int k = 0; k < 6; k++) {
            snprintf(name, sizeof name, "attn%d.%s", 1 + k / 3, own[k % 3]);
            layer(w, name, c, k > 3 ? context : c, 0, 0);
        }
        layer(w, "attn1.to_out.0", c, c, 0, 1);
        layer(w, "attn2.to_out.0", c, c, 0, 1);
        layer(w, "ff.net.0.proj", 8 * c, c, 0, 1);
        layer(w, "ff.net.2", c, 4 * c, 0, 1);
        layer(w, "norm1", c, 0, 0, 1);
        layer(w, "norm2", c, 0, 0, 1);
        layer(w, "norm3", c, 0, 0, 1);
    }
}

static void unet(walk *w, published which, int in_c) {
    static const uint64_t widths[] = {320, 640, 1280, 1280};
    static const int sd_depth[] = {1, 1, 1, 0}, xl_depth[] = {0, 2, 10};
    const int xl = which == PUBLISHED_SDXL, levels = xl ? 3 : 4, linear = which != PUBLISHED_SD15;
    const int *depth = xl ? xl_depth : sd_depth;
    const uint64_t context = xl ? 2048 : linear ? 1024 : 768;
    const char *root = "model.diffusion_model.";
    uint64_t skips[16], c = 320;
    int skip = 0, block = 1;
    set_prefix(w, "%s", root);
    layer(w, "time_embed.0", 1280, 320, 0, 1);
    layer(w, "time_embed.2", 1280, 1280, 0, 1);
    if (xl) layer(w, "label_emb.0.0", 1280, 2816, 0, 1);
    if (xl) layer(w, "label_emb.0.2", 1280, 1280, 0, 1);
    layer(w, "input_blocks.0.0", 320, (uint64_t)in_c, 3, 1);
    layer(w, "out.0", 320, 0, 0, 1);
    layer(w, "out.2", 4, 320, 3, 1);
    skips[skip++] = 320;
    for (int i = 0; i < levels; i++) {
        for (int k = 0; k < 2; k++, block++) {
            set_prefix(w, "%sinput_blocks.%d.0.", root, block);
            resnet(w, c, widths[i]);
            skips[skip++] = c = widths[i];
            set_prefix(w, "%sinput_blocks.%d.1.", root, block);
            if (depth[i] > 0) attention(w, c, context, depth[i], linear);
        }
        if (i + 1 == levels) break;
        set_prefix(w, "%sinput_blocks.%d.0.", root, block++);
        layer(w, "op", c, c, 3, 1);
        skips[skip++] = c;
    }
    set_prefix(w, "%smiddle_block.0.", root);
    resnet(w, c, c);
    set_prefix(w, "%smiddle_block.1.", root);
    attention(w, c, context, depth[levels - 1] > 0 ? depth[levels - 1] : 1, linear);
    set_prefix(w, "%smiddle_block.2.", root);
    resnet(w, c, c);
    for (int i = levels - 1, out = 0; i >= 0; i--) {
        for (int k = 0; k < 3; k++, out++) {
            set_prefix(w, "%soutput_blocks.%d.0.", root, out);
            resnet(w, c + skips[--skip], widths[i]);
            c = widths[i];
            set_prefix(w, "%soutput_blocks.%d.1.", root, out);
            if (depth[i] > 0) attention(w, c, context, depth[i], linear);
        }
        set_prefix(w, "%soutput_blocks.%d.%d.", root, out - 1, depth[i] > 0 ? 2 : 1);
        if (i > 0) layer(w, "conv", c, c, 3, 1);
    }
}

/* ---- the VAE --------------------------------------------------------------------------------- */

static void vae_block(walk *w, const char *name, uint64_t in, uint64_t out) {
    char root[200];
    snprintf(root, sizeof root, "%s", w->prefix);
    set_prefix(w, "%.100s%s.", root, name);
    layer(w, "norm1", in, 0, 0, 1);
    layer(w, "conv1", out, in, 3, 1);
    layer(w, "norm2", out, 0, 0, 1);
    layer(w, "conv2", out, out, 3, 1);
    if (in != out) layer(w, "nin_shortcut", out, in, 1, 1);
    set_prefix(w, "%s", root);
}

static void vae_half(walk *w, int decoder) {
    static const uint64_t widths[] = {128, 256, 512, 512};
    static const char *const attn[] = {"q", "k", "v", "proj_out"};
    char name[60];
    uint64_t c = decoder ? 512 : 128;
    set_prefix(w, "first_stage_model.%s.", decoder ? "decoder" : "encoder");
    layer(w, "conv_in", c, decoder ? 4 : 3, 3, 1);
    layer(w, "norm_out", decoder ? 128 : 512, 0, 0, 1);
    layer(w, "conv_out", decoder ? 3 : 8, decoder ? 128 : 512, 3, 1);
    vae_block(w, "mid.block_1", 512, 512);
    vae_block(w, "mid.block_2", 512, 512);
    layer(w, "mid.attn_1.norm", 512, 0, 0, 1);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "mid.attn_1.%s", attn[i]);
        layer(w, name, 512, 512, 1, 1);
    }
    for (int k = 0; k < 4; k++) {
        const int i = decoder ? 3 - k : k;
        for (int block = 0; block < (decoder ? 3 : 2); block++) {
            snprintf(name, sizeof name, "%s.%d.block.%d", decoder ? "up" : "down", i, block);
            vae_block(w, name, c, widths[i]);
            c = widths[i];
        }
        snprintf(name, sizeof name, "%s.%d.%s.conv", decoder ? "up" : "down", i,
                 decoder ? "upsample" : "downsample");
        if (k < 3) layer(w, name, c, c, 3, 1);
    }
}

/* ---- the text encoders ----------------------------------------------------------------------- */

static void clip(walk *w, const char *root, uint64_t d, int layers) {
    static const char *const own[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    char name[80];
    set_prefix(w, "%s.transformer.text_model.", root);
    tensor(w, "embeddings.token_embedding.weight", 2, 49408, d, 0);
    tensor(w, "embeddings.position_embedding.weight", 2, 77, d, 0);
    layer(w, "final_layer_norm", d, 0, 0, 1);
    for (int i = 0; i < layers; i++) {
        set_prefix(w, "%s.transformer.text_model.encoder.layers.%d.", root, i);
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "self_attn.%s", own[k]);
            layer(w, name, d, d, 0, 1);
        }
        layer(w, "layer_norm1", d, 0, 0, 1);
        layer(w, "layer_norm2", d, 0, 0, 1);
        layer(w, "mlp.fc1", 4 * d, d, 0, 1);
        layer(w, "mlp.fc2", d, 4 * d, 0, 1);
    }
}

static void open_clip(walk *w, const char *root, uint64_t d, int layers) {
    set_prefix(w, "%s.model.", root);
    tensor(w, "token_embedding.weight", 2, 49408, d, 0);
    tensor(w, "positional_embedding", 2, 77, d, 0);
    tensor(w, "text_projection", 2, d, d, 0);
    tensor(w, "logit_scale", 0, 0, 0, 0);
    layer(w, "ln_final", d, 0, 0, 1);
    for (int i = 0; i < layers; i++) {
        set_prefix(w, "%s.model.transformer.resblocks.%d.", root, i);
        tensor(w, "attn.in_proj_weight", 2, 3 * d, d, 0);
        tensor(w, "attn.in_proj_bias", 1, 3 * d, 0, 0);
        layer(w, "attn.out_proj", d, d, 0, 1);
        layer(w, "ln_1", d, 0, 0, 1);
        layer(w, "ln_2", d, 0, 0, 1);
        layer(w, "mlp.c_fc", 4 * d, d, 0, 1);
        layer(w, "mlp.c_proj", d, 4 * d, 0, 1);
    }
}

void published_tensors(published which, int in_c, published_visit *visit, void *ctx) {
    walk w = {.visit = visit, .ctx = ctx};
    unet(&w, which, in_c);
    vae_half(&w, 0);
    vae_half(&w, 1);
    set_prefix(&w, "first_stage_model.");
    layer(&w, "quant_conv", 8, 8, 1, 1);
    layer(&w, "post_quant_conv", 4, 4, 1, 1);
    if (which == PUBLISHED_SD15) clip(&w, "cond_stage_model", 768, 12);
    if (which == PUBLISHED_SD21) open_clip(&w, "cond_stage_model", 1024, 24);
    if (which == PUBLISHED_SDXL) clip(&w, "conditioner.embedders.0", 768, 12);
    if (which == PUBLISHED_SDXL) open_clip(&w, "conditioner.embedders.1", 1280, 32);
    set_prefix(&w, "%s", "");
    tensor(&w, "alphas_cumprod", 1, 1000, 0, 0);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* A header under way. */
typedef struct header {
    byte_list text;
    uint64_t at;
    const published_told *told;
    uint64_t spread_at, spread_count; /* of told->spread: from where in the data, how many */
} header;

static bool is(const char *name, const char *wanted) {
    return wanted != NULL && strcmp(name, wanted) == 0;
}

static void add(void *ctx, const char *name, int rank, const uint64_t *shape) {
    header *h = ctx;
    uint64_t count = 1;
    char line[600];
    if (is(name, h->told->missing)) return;
    int n = snprintf(line, sizeof line, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[",
                     h->text.size > 1 ? "," : "", name);
    for (int i = 0; i < rank; i++) {
        count *= shape[i];
        n += snprintf(line + n, sizeof line - (size_t)n, "%s%" PRIu64, i ? "," : "", shape[i]);
    }
    n += snprintf(line + n, sizeof line - (size_t)n,
                  "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", h->at, h->at + 2 * count);
    if (is(name, h->told->spread)) {
        h->spread_at = h->at;
        h->spread_count = count;
    }
    h->at += 2 * count;
    bytes_add(&h->text, line, (size_t)n);
}

static void add_metadata(header *h) {
    char line[200];
    if (h->told->prediction == NULL) return;
    const int n =
        snprintf(line, sizeof line, "\"__metadata__\":{\"modelspec.prediction_type\":\"%s\"}",
                 h->told->prediction);
    bytes_add(&h->text, line, (size_t)n);
}

/* Writes told->spread's numbers into the file, whose header is there. */
static void write_spread(const header *h, const char *path) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)(8 + h->text.size + h->spread_at), SEEK_SET), 0);
    for (uint64_t i = 0; i < h->spread_count; i++) {
        const uint16_t half = (uint16_t)(h->told->spread_half | (i % 2) << 15);
        const uint8_t bytes[] = {(uint8_t)half, (uint8_t)(half >> 8)};
        assert_int_equal(fwrite(bytes, 1, 2, f), 2);
    }
    assert_int_equal(fclose(f), 0);
}

void published_write(published which, int in_c, const char *path) {
    published_write_told(which, in_c, &(published_told){0}, path);
}

void published_write_marked(published which, int in_c, const char *const *marks, const char *path) {
    published_write_told(which, in_c, &(published_told){.marks = marks}, path);
}

void published_write_told(published which, int in_c, const published_told *told, const char *path) {
    header h = {.told = told};
    byte_list length = {0};
    bytes_add(&h.text, "{", 1);
    add_metadata(&h);
    published_tensors(which, in_c, add, &h);
    for (const char *const *mark = told->marks; mark && *mark; mark++)
        add(&h, *mark, 1, (const uint64_t[]){0});
    bytes_add(&h.text, "}", 1);
    bytes_add_number(&length, h.text.size, 8);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(length.data, 1, 8, f), 8);
    assert_int_equal(fwrite(h.text.data, 1, h.text.size, f), h.text.size);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)(8 + h.text.size + h.at)), 0);
    if (told->spread != NULL) assert_true(h.spread_count > 0);
    if (told->spread != NULL) write_spread(&h, path);
    free(length.data);
    free(h.text.data);
}
