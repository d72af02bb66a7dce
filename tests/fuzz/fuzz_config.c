/* A JSON configuration, as each part of a model reads its own: the first byte says which. Every
 * tensor that the part asks for is there (limn_invention), so that its reader goes to its end. */
#include "decode/taesd.h"
#include "decode/vae.h"
#include "denoise/schedule.h"
#include "denoise/unet.h"
#include "fuzz/fuzz.h"
#include "text/text.h"

/* Any part's network. */
typedef union network {
    limn_text text;
    limn_unet unet;
    limn_vae vae;
    limn_taesd taesd;
} network;

static void load(const limn_config *config, int part, limn_error *err) {
    static network n;
    limn_invention invention = {.count = 0};
    limn_arena plan = limn_arena_measure();
    limn_loader ld = {
        .k = limn_kernels_pick(), .arena = &plan, .invention = &invention, .err = err};
    if (part == 0) limn_text_load(&ld, config, "text_encoder", &n.text);
    if (part == 1) limn_unet_load(&ld, config, &n.unet);
    if (part == 2) limn_vae_load(&ld, config, &n.vae);
    if (part == 3) limn_taesd_load(&ld, config, &n.taesd);
    fuzz_told(ld.status, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_config *config = NULL;
    static limn_schedule schedule;
    if (size == 0) return 0;
    const limn_status status = limn_config_read(data + 1, size - 1, "config.json", &config, &err);
    fuzz_told(status, &err);
    if (status != LIMN_OK) return 0;
    const int part = data[0] % 5;
    if (part < 4)
        load(config, part, &err);
    else
        fuzz_told(limn_schedule_load(config, &schedule, &err), &err);
    limn_config_free(config);
    return 0;
}
