/* Whole pictures by U-Nets that are given more than latents: the inpainting and the editing kind,
 * made of the tiny models by more channels into their first convolution. Expected: an evaluation of
 * the networks and pipelines in torch, float64, by hand (tests/golden/README.md, "sources"); of
 * XL's editing kind, which has nothing else that is new, what must hold whatever the numbers are.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/file.h"
#include "limn.h"
#include "support/golden.h"

#define SD   "tests/golden/tiny-sd15"
#define XL   "tests/golden/tiny-sdxl"
#define CONV "conv_in.weight"
#define TAPS 9

/* The most outputs of a first convolution, and channels into it. */
enum { OUTPUTS = 32, CHANNELS = 9 };

/* What a model is made of, and how. */
typedef struct recipe {
    const char *model, *pipeline; /* pipeline: NULL = as it is */
    int outputs, channels;
    bool deaf; /* the added channels' weights are zeros */
} recipe;

/* float16 bits of n / 128, n from -8 to 8: exact. */
static uint16_t half_of(int n) {
    static const uint16_t magnitude[9] = {0,      0x2000, 0x2400, 0x2600, 0x2800,
                                          0x2900, 0x2A00, 0x2B00, 0x2C00};
    return (uint16_t)(magnitude[abs(n)] | (n < 0 ? 0x8000 : 0));
}

/* conv_in.weight with more channels in: the added ones hold ((7 o + 5 c + 3 k) mod 17 - 8) / 128
 * for output o, channel c from 4 on, tap k. */
static void widen(const uint16_t *old, const recipe *r, uint16_t *out) {
    for (int o = 0; o < r->outputs; o++)
        for (int c = 0; c < r->channels; c++)
            for (int k = 0; k < TAPS; k++)
                *out++ = c < 4     ? old[(o * 4 + c) * TAPS + k]
                         : r->deaf ? 0
                                   : half_of((7 * o + 5 * c + 3 * k) % 17 - 8);
}

/* Moves the header's offsets by `more` bytes behind `from`, and gives conv_in its new shape. */
static char *new_header(json_t *header, size_t from, size_t more, int channels) {
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        json_t *offsets = json_object_get(entry, "data_offsets");
        if (!offsets) continue;
        bool grows = strcmp(name, CONV) == 0;
        for (size_t i = 0; i < 2; i++) {
            json_int_t at = json_integer_value(json_array_get(offsets, i));
            if ((size_t)at > from || (grows && i == 1))
                json_array_set_new(offsets, i, json_integer(at + (json_int_t)more));
        }
        if (grows) json_array_set_new(json_object_get(entry, "shape"), 1, json_integer(channels));
    }
    return json_dumps(header, JSON_COMPACT);
}

/* Writes the U-Net's tensors with a wider conv_in. */
static void write_unet(const char *path, const recipe *r) {
    limn_bytes b;
    uint64_t length;
    char from[200];
    snprintf(from, sizeof from, "%s/unet/diffusion_pytorch_model.safetensors", r->model);
    assert_int_equal(limn_file_open(from, &b, NULL), LIMN_OK);
    memcpy(&length, b.data, 8);
    json_t *header = json_loadb((const char *)b.data + 8, length, 0, NULL);
    json_t *offsets = json_object_get(json_object_get(header, CONV), "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    const uint8_t *data = b.data + 8 + length;
    size_t rest = b.size - 8 - length - end;
    uint16_t old[OUTPUTS * 4 * TAPS], new[OUTPUTS * CHANNELS * TAPS];
    size_t channel = sizeof(uint16_t) * TAPS * (size_t)r->outputs;
    size_t wide = channel * (size_t)r->channels;
    assert_int_equal(end - begin, 4 * channel);
    memcpy(old, data + begin, 4 * channel);
    widen(old, r, new);
    char *text = new_header(header, begin, wide - 4 * channel, r->channels);
    uint64_t size = strlen(text);
    uint8_t *out = malloc(8 + size + begin + wide + rest);
    memcpy(out, &size, 8);
    memcpy(out + 8, text, size);
    memcpy(out + 8 + size, data, begin);
    memcpy(out + 8 + size + begin, new, wide);
    memcpy(out + 8 + size + begin + wide, data + end, rest);
    assert_int_equal(limn_file_write(path, out, 8 + size + begin + wide + rest, false, NULL),
                     LIMN_OK);
    free(out);
    free(text);
    json_decref(header);
    limn_file_close(&b);
}

/* The model's configuration goes to the folder, with one member of another value. */
static void copy_config(const recipe *r, const char *folder, const char *file, const char *key,
                        json_t *value) {
    char from[200], to[1200];
    snprintf(from, sizeof from, "%s/%s", r->model, file);
    snprintf(to, sizeof to, "%s/%s", folder, file);
    json_t *config = golden_json(from);
    if (value) json_object_set_new(config, key, value);
    assert_int_equal(json_dump_file(config, to, 0), 0);
    json_decref(config);
}

/* A folder of links to the tiny model, but for the U-Net. */
static void make_model(char *folder, const recipe *r) {
    static const char *const parts[] = {"scheduler", "text_encoder", "text_encoder_2",
                                        "tokenizer", "tokenizer_2",  "vae"};
    char here[1000], from[1300], to[1200];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(from, sizeof from, "%s/%s/%s", here, r->model, parts[i]);
        snprintf(to, sizeof to, "%s/%s", folder, parts[i]);
        if (access(from, F_OK) == 0) assert_int_equal(symlink(from, to), 0);
    }
    snprintf(to, sizeof to, "%s/unet", folder);
    assert_int_equal(mkdir(to, 0777), 0);
    copy_config(r, folder, "model_index.json", "_class_name",
                r->pipeline ? json_string(r->pipeline) : NULL);
    copy_config(r, folder, "unet/config.json", "in_channels", json_integer(r->channels));
    snprintf(to, sizeof to, "%s/unet/diffusion_pytorch_model.safetensors", folder);
    write_unet(to, r);
}

static void remove_model(const char *folder) {
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static limn_model *open_made(const recipe *r) {
    char folder[] = "/tmp/limn-sources-XXXXXX";
    limn_model *m = NULL;
    limn_error err;
    make_model(folder, r);
    const limn_open_options how = {.threads = 2, .encoder = true};
    if (limn_model_open(folder, &how, &m, &err) != LIMN_OK) fail_msg("%s", err.text);
    remove_model(folder);
    return m;
}

/* Draws with a tiny-sd15 of that many channels and compares with each expected picture. */
static void draw_all(int channels, const char *const *names, const double *strengths,
                     size_t count) {
    limn_error err;
    limn_picture *init = NULL, *mask = NULL;
    limn_model *m = open_made(&(recipe){.model = SD, .outputs = OUTPUTS, .channels = channels});
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &init, &err), LIMN_OK);
    assert_int_equal(limn_picture_load("tests/golden/pipelines/mask.png", &mask, &err), LIMN_OK);
    golden *g = golden_open("tests/golden/sources.safetensors");
    for (size_t i = 0; i < count; i++) {
        limn_request r;
        limn_picture *p = NULL;
        limn_request_defaults(m, &r);
        r.prompt = "a photograph of an astronaut riding a horse!";
        r.seed = 42;
        r.steps = 6;
        r.guidance = 7.5;
        r.width = r.height = 64;
        r.sampler = "euler";
        r.init.picture = init;
        if (channels == 9) r.mask.picture = mask;
        r.strength = strengths[i];
        if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
        size_t values = 0, off = 0;
        const uint8_t *want = golden_u8(g, names[i], &values);
        assert_int_equal(values, 64 * 64 * 3);
        for (size_t k = 0; k < values; k++) {
            int difference = abs(p->rgb[k] - want[k]);
            if (difference > 1) fail_msg("%s: value %zu differs by %d", names[i], k, difference);
            off += difference > 0;
        }
        assert_true(off * 50 < values);
        limn_picture_free(p);
        r.init.picture = NULL;
        assert_int_equal(limn_render(m, &r, NULL, &p, &err), LIMN_E_USAGE);
    }
    golden_close(g);
    limn_picture_free(init);
    limn_picture_free(mask);
    limn_model_close(m);
}

static void an_inpainting_model(void **state) {
    static const char *const names[] = {"inpaint", "inpaint_half"};
    static const double strengths[] = {1, 0.5};
    (void)state;
    draw_all(9, names, strengths, 2);
}

static void an_editing_model(void **state) {
    static const char *const names[] = {"edit"};
    static const double strengths[] = {0};
    (void)state;
    draw_all(8, names, strengths, 1);
}

/* A small picture of XL, from init where there is one. */
static limn_picture *draw_xl(limn_model *m, const limn_picture *init, double image_guidance) {
    limn_request r;
    limn_error err;
    limn_picture *p = NULL;
    limn_request_defaults(m, &r);
    r.prompt = "a photograph of an astronaut riding a horse!";
    r.seed = 42;
    r.steps = 4;
    r.guidance = 5;
    r.width = r.height = 64;
    r.sampler = "euler";
    r.init.picture = init;
    r.image_guidance = image_guidance;
    if (limn_render(m, &r, NULL, &p, &err) != LIMN_OK) fail_msg("%s", err.text);
    return p;
}

static bool same_pixels(const limn_picture *a, const limn_picture *b) {
    return memcmp(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3) == 0;
}

/* Of a U-Net that is deaf to the picture all three predictions but the prompt's are one, and what
 * is drawn is what XL draws. One that hears it draws something else, and more so the more it is
 * asked to keep to it. */
static void an_editing_model_of_xl(void **state) {
    (void)state;
    recipe r = {.model = XL,
                .pipeline = "StableDiffusionXLInstructPix2PixPipeline",
                .outputs = 16,
                .channels = 8};
    limn_error err;
    limn_model *plain = NULL, *hears = open_made(&r);
    r.deaf = true;
    limn_model *deaf = open_made(&r);
    limn_picture *init = NULL;
    if (limn_model_open(XL, NULL, &plain, &err) != LIMN_OK) fail_msg("%s", err.text);
    assert_int_equal(limn_picture_load("tests/golden/pipelines/init.png", &init, &err), LIMN_OK);
    limn_picture *drawn[] = {draw_xl(plain, NULL, 0), draw_xl(deaf, init, 1.5),
                             draw_xl(hears, init, 1.5), draw_xl(hears, init, 3)};
    assert_true(same_pixels(drawn[0], drawn[1]));
    assert_false(same_pixels(drawn[1], drawn[2]));
    assert_false(same_pixels(drawn[2], drawn[3]));
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) limn_picture_free(drawn[i]);
    limn_picture_free(init);
    limn_model_close(plain);
    limn_model_close(deaf);
    limn_model_close(hears);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inpainting_model),
        cmocka_unit_test(an_editing_model),
        cmocka_unit_test(an_editing_model_of_xl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
