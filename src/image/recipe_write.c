/* A recipe as text, in its two forms. Both are functions of the facts alone. */
#include "image/image.h"

#include "image/buffer.h"
#include "text/embeddings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static limn_status check_numbers(const limn_request *q, limn_error *err) {
    if (isfinite(q->guidance) && isfinite(q->eta)) return LIMN_OK;
    return limn_fail(err, LIMN_E_USAGE, "guidance and eta have to be finite numbers");
}

/* ---- limn's JSON ----------------------------------------------------------------------------- */

/* Adds the comma before it, the key and its colon. */
static void add_key(limn_image_buffer *b, const char *key) {
    bool first = b->size == 0 || b->data[b->size - 1] == '{';
    limn_image_add_format(b, "%s\"%s\":", first ? "" : ",", key);
}

static void add_text(limn_image_buffer *b, const char *key, const char *text) {
    add_key(b, key);
    limn_image_add_json(b, text ? text : "");
}

static void add_whole(limn_image_buffer *b, const char *key, int value) {
    add_key(b, key);
    limn_image_add_format(b, "%d", value);
}

static void add_number(limn_image_buffer *b, const char *key, double value) {
    add_key(b, key);
    limn_image_add_number(b, value);
}

/* A seed is a number where every JSON reader with 64-bit integers can take it, else a string. */
static void add_seed(limn_image_buffer *b, uint64_t seed) {
    const char *quote = seed > INT64_MAX ? "\"" : "";
    add_key(b, "seed");
    limn_image_add_format(b, "%s%llu%s", quote, (unsigned long long)seed, quote);
}

/* The settings that are used. */
static void add_settings(limn_image_buffer *b, const limn_request *q) {
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count; i++) {
        double value = limn_setting_get(q, &all[i]);
        if (value != 0) add_number(b, all[i].name, value);
    }
    const limn_text_setting *texts = limn_text_settings(&count);
    for (int i = 0; i < count; i++) {
        const char *text = limn_text_setting_get(q, &texts[i]);
        if (text) add_text(b, texts[i].name, text);
    }
}

/* The LoRAs, where there are some. */
static void add_loras(limn_image_buffer *b, const limn_recipe_facts *f) {
    if (f->lora_count == 0) return;
    add_key(b, "loras");
    for (int i = 0; i < f->lora_count; i++) {
        limn_image_add_text(b, i ? ",{" : "[{");
        add_text(b, "name", f->loras[i].name);
        add_text(b, "sha256", f->loras[i].sha256);
        add_number(b, "scale", f->loras[i].scale);
        limn_image_add_text(b, "}");
    }
    limn_image_add_text(b, "]");
}

/* The embeddings that the prompts name, where there are some. */
static void add_embeddings(limn_image_buffer *b, const limn_recipe_facts *f) {
    bool any = false;
    for (int i = 0; f->embeddings_used && i < f->embeddings->count; i++) {
        if (!f->embeddings_used[i]) continue;
        if (!any) add_key(b, "embeddings");
        limn_image_add_text(b, any ? ",{" : "[{");
        add_text(b, "name", f->embeddings->list[i].name);
        add_text(b, "sha256", f->embeddings->list[i].sha256);
        limn_image_add_text(b, "}");
        any = true;
    }
    if (any) limn_image_add_text(b, "]");
}

/* A picture that this one is drawn from: the name of its file and the hash of its pixels. Nothing
 * where there is none. */
static void add_source(limn_image_buffer *b, const char *key, const limn_input *s) {
    char hex[65] = "";
    if (s->picture)
        limn_picture_sha256(s->picture, hex);
    else if (s->sha256)
        snprintf(hex, sizeof hex, "%s", s->sha256);
    if (!*hex) return;
    add_key(b, key);
    limn_image_add_text(b, "{");
    add_text(b, "file", s->name);
    add_text(b, "pixels_sha256", hex);
    limn_image_add_text(b, "}");
}

/* A network beside the model, by its name and hash. Nothing where there is none. */
static void add_network(limn_image_buffer *b, const char *key, const char *name,
                        const char *sha256) {
    if (!name || !*name) return;
    add_key(b, key);
    limn_image_add_text(b, "{");
    add_text(b, "name", name);
    add_text(b, "sha256", sha256);
    limn_image_add_text(b, "}");
}

/* Whether the prompt is more than plain text: then the recipe says so. */
static bool reads_syntax(const limn_request *q) {
    return q->prompt_syntax && strcmp(q->prompt_syntax, "plain") != 0;
}

limn_status limn_recipe_json(const limn_recipe_facts *f, char **json, limn_error *err) {
    const limn_request *q = f->request;
    limn_image_buffer b = {0};
    limn_status status = check_numbers(q, err);
    if (status) return status;
    limn_image_add_text(&b, "{");
    add_text(&b, "prompt", q->prompt);
    add_text(&b, "negative_prompt", q->negative);
    add_seed(&b, q->seed);
    add_whole(&b, "steps", q->steps);
    add_number(&b, "guidance_scale", q->guidance);
    add_whole(&b, "width", q->width);
    add_whole(&b, "height", q->height);
    add_text(&b, "sampler", q->sampler);
    add_text(&b, "schedule", q->schedule);
    add_text(&b, "rng", q->rng);
    add_number(&b, "eta", q->eta);
    add_settings(&b, q);
    add_source(&b, "init", &q->init);
    add_source(&b, "mask", &q->mask);
    add_source(&b, "control_image", &q->control);
    if (reads_syntax(q)) add_text(&b, "prompt_syntax", q->prompt_syntax);
    add_text(&b, "precision", f->precision);
    add_loras(&b, f);
    add_embeddings(&b, f);
    add_key(&b, "model");
    limn_image_add_text(&b, "{");
    add_text(&b, "name", f->model_name);
    add_text(&b, "sha256", f->model_sha256);
    limn_image_add_text(&b, "}");
    add_network(&b, "taesd", f->taesd_name, f->taesd_sha256);
    add_network(&b, "control", f->control_name, f->control_sha256);
    add_whole(&b, "contract", f->contract);
    add_text(&b, "version", f->version);
    limn_image_add_text(&b, "}");
    return limn_image_take(&b, json, err);
}

/* ---- A1111's text ---------------------------------------------------------------------------- */

/* What A1111 calls a sampler, schedule or generator; the name itself where it has no label. */
static const char *label_of(const limn_choice *choices, int count, const char *name) {
    for (int i = 0; name && i < count; i++) {
        if (strcmp(choices[i].name, name) == 0 && choices[i].label && *choices[i].label)
            return choices[i].label;
    }
    return name ? name : "";
}

/* Adds "Key: value, " with the value in JSON's quotes where it would break the grammar. */
static void add_pair(limn_image_buffer *b, const char *key, const char *value) {
    if (!value || !*value) return;
    limn_image_add_format(b, "%s: ", key);
    if (strpbrk(value, ",:\n")) {
        limn_image_add_json(b, value);
    } else {
        limn_image_add_utf8(b, value, strlen(value), false);
    }
    limn_image_add_text(b, ", ");
}

static void add_choices(limn_image_buffer *b, const limn_request *q) {
    int count;
    const limn_choice *choices = limn_samplers(&count);
    add_pair(b, "Sampler", label_of(choices, count, q->sampler));
    choices = limn_schedules(&count);
    add_pair(b, "Schedule type", label_of(choices, count, q->schedule));
}

static void add_prompts(limn_image_buffer *b, const limn_request *q) {
    const char *prompt = q->prompt ? q->prompt : "", *negative = q->negative ? q->negative : "";
    prompt += strspn(prompt, " \t\n\v\f\r"); /* A1111 strips the whole text */
    if (*prompt) {
        limn_image_add_utf8(b, prompt, strlen(prompt), false);
        limn_image_add_text(b, "\n");
    }
    if (*negative) {
        limn_image_add_text(b, "Negative prompt: ");
        limn_image_add_utf8(b, negative, strlen(negative), false);
        limn_image_add_text(b, "\n");
    }
}

/* The settings that are used and that A1111 has a name for. */
static void add_labelled(limn_image_buffer *b, const limn_request *q) {
    int count;
    const limn_setting *all = limn_settings(&count);
    for (int i = 0; i < count; i++) {
        double value = limn_setting_get(q, &all[i]);
        if (value == 0 || !all[i].label) continue;
        limn_image_add_format(b, "%s: ", all[i].label);
        limn_image_add_number(b, value);
        limn_image_add_text(b, ", ");
    }
}

/* What is lost of a picture to begin with, or of the first of two passes: A1111 has one name. */
static void add_denoising(limn_image_buffer *b, const limn_request *q) {
    double strength = q->upscale > 0 ? q->upscale_strength : q->strength;
    if (q->upscale > 0) add_pair(b, "Hires upscaler", "Latent");
    if (strength == 0) return;
    limn_image_add_text(b, "Denoising strength: ");
    limn_image_add_number(b, strength);
    limn_image_add_text(b, ", ");
}

/* "ControlNet 0", as A1111's extension writes it: pairs in quotes, the hash's first eight digits.
 */
static void add_control(limn_image_buffer *b, const limn_recipe_facts *f) {
    const limn_request *q = f->request;
    limn_image_buffer list = {0};
    if (!f->control_name || !*f->control_name) return;
    limn_image_add_text(&list, "Module: none, Model: ");
    limn_image_add_utf8(&list, f->control_name, strlen(f->control_name), true);
    limn_image_add_format(&list, " [%.8s], Weight: ", f->control_sha256);
    limn_image_add_number(&list, q->control_strength);
    limn_image_add_text(&list, ", Guidance Start: ");
    limn_image_add_number(&list, q->control_from);
    limn_image_add_text(&list, ", Guidance End: ");
    limn_image_add_number(&list, q->control_to > 0 ? q->control_to : 1);
    b->failed = b->failed || list.failed;
    if (!list.failed) add_pair(b, "ControlNet 0", list.data);
    limn_image_drop(&list);
}

/* "Lora hashes", whose value is "name: hash, name: hash" in quotes; names without their ending. */
static void add_lora_hashes(limn_image_buffer *b, const limn_recipe_facts *f) {
    limn_image_buffer list = {0};
    for (int i = 0; i < f->lora_count; i++) {
        const char *name = f->loras[i].name, *dot = strrchr(name, '.');
        if (i) limn_image_add_text(&list, ", ");
        limn_image_add_utf8(&list, name, dot ? (size_t)(dot - name) : strlen(name), true);
        limn_image_add_text(&list, ": ");
        limn_image_add_text(&list, f->loras[i].short_hash);
    }
    b->failed = b->failed || list.failed;
    if (!list.failed) add_pair(b, "Lora hashes", list.data);
    limn_image_drop(&list);
}

/* "TI hashes": "name: first ten digits, name: ...", in quotes as A1111 has it. */
static void add_hashes(limn_image_buffer *b, const limn_recipe_facts *f) {
    limn_image_buffer text = {0};
    char *line = NULL;
    for (int i = 0; f->embeddings_used && i < f->embeddings->count; i++) {
        if (!f->embeddings_used[i]) continue;
        const char *name = f->embeddings->list[i].name;
        if (text.size) limn_image_add_text(&text, ", ");
        limn_image_add_utf8(&text, name, strlen(name), true);
        limn_image_add_format(&text, ": %.10s", f->embeddings->list[i].sha256);
    }
    if (text.size == 0) return;
    if (limn_image_take(&text, &line, NULL) != LIMN_OK)
        b->failed = true;
    else
        add_pair(b, "TI hashes", line);
    free(line);
}

limn_status limn_recipe_parameters(const limn_recipe_facts *f, char **text, limn_error *err) {
    const limn_request *q = f->request;
    limn_image_buffer b = {0};
    char hash[11] = "";
    int count;
    limn_status status = check_numbers(q, err);
    if (status) return status;
    add_prompts(&b, q);
    limn_image_add_format(&b, "Steps: %d, ", q->steps);
    add_choices(&b, q);
    limn_image_add_text(&b, "CFG scale: ");
    limn_image_add_number(&b, q->guidance);
    limn_image_add_format(&b, ", Seed: %llu, ", (unsigned long long)q->seed);
    limn_image_add_format(&b, "Size: %dx%d, ", q->width, q->height);
    if (f->model_sha256 && strlen(f->model_sha256) >= 10) memcpy(hash, f->model_sha256, 10);
    add_pair(&b, "Model hash", hash);
    add_pair(&b, "Model", f->model_name);
    /* Philox without a GPU is "NV" to A1111, whose "GPU" is whatever its own machine has. */
    const limn_choice *rngs = limn_rngs(&count);
    bool philox = q->rng && strcmp(q->rng, "philox") == 0;
    add_pair(&b, "RNG", philox ? "NV" : label_of(rngs, count, q->rng));
    if (q->eta != 0) {
        limn_image_add_text(&b, "Eta DDIM: ");
        limn_image_add_number(&b, q->eta);
        limn_image_add_text(&b, ", ");
    }
    add_labelled(&b, q);
    add_denoising(&b, q);
    add_hashes(&b, f);
    if (reads_syntax(q)) add_pair(&b, "Prompt syntax", q->prompt_syntax);
    if (f->taesd_name && *f->taesd_name) add_pair(&b, "VAE Decoder", "TAESD");
    add_control(&b, f);
    add_lora_hashes(&b, f);
    limn_image_add_text(&b, "Version: limn ");
    limn_image_add_text(&b, f->version ? f->version : "");
    return limn_image_take(&b, text, err);
}
