/* A LoRA file for a model of four small tensors: what is let in can be merged to the last row. Read
 * twice, as safetensors files are. */
#include "fuzz/fuzz.h"
#include "layers/merge.h"

/* The model: its tensors of the U-Net, all zeros. */
static const limn_tensors *unet(void) {
    static limn_tensors *t;
    static uint8_t file[4096];
    static const char header[] =
        "{\"mid_block.resnets.0.conv1.weight\":"
        "{\"dtype\":\"F32\",\"shape\":[6,4,3,3],\"data_offsets\":[0,864]},"
        "\"mid_block.attentions.0.proj_in.weight\":"
        "{\"dtype\":\"F16\",\"shape\":[8,8,1,1],\"data_offsets\":[864,992]},"
        "\"mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight\":"
        "{\"dtype\":\"F16\",\"shape\":[8,8],\"data_offsets\":[992,1120]},"
        "\"conv_in.weight\":{\"dtype\":\"F32\",\"shape\":[4,4,1,1],\"data_offsets\":[1120,1184]}}";
    if (t) return t;
    const size_t length = sizeof header - 1;
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, length);
    static limn_source source;
    source = limn_source_of("model", file, 8 + length + 1184);
    fuzz_must(limn_safetensors_read(&source, &t, NULL) == LIMN_OK);
    return t;
}

static void merge(const limn_tensor *t, const limn_lora_delta *deltas, int count) {
    static const limn_kernels *kernels;
    limn_merge *m;
    limn_tensor rows;
    limn_error err = {0};
    if (!kernels) kernels = limn_kernels_pick();
    limn_status status = limn_merge_start(kernels, t, deltas, count, &m, &err);
    fuzz_told(status, &err);
    for (uint64_t done = 0; done < t->shape[0] && status == LIMN_OK; done += rows.shape[0])
        fuzz_must(limn_merge_next(m, &rows, &err) == LIMN_OK && rows.shape[0] > 0);
    limn_merge_end(m);
}

static void read_file(const uint8_t *data, size_t size) {
    const limn_lora_component component = {"unet", unet()};
    const fuzz_folder folder = fuzz_folder_make("x.safetensors", data, size);
    limn_error err = {0};
    limn_loras *loras = NULL;
    const limn_lora asked = {.path = folder.file, .scale = 0.5};
    limn_status status = limn_loras_open(&asked, 1, &loras, &err);
    if (status == LIMN_OK) status = limn_loras_bind(loras, &component, 1, &err);
    fuzz_told(status, &err);
    for (size_t i = 0; i < limn_tensors_count(unet()) && status == LIMN_OK; i++) {
        int count;
        const limn_tensor *t = limn_tensors_at(unet(), i);
        const limn_lora_delta *deltas = limn_loras_of(loras, t, &count);
        if (deltas) merge(t, deltas, count);
    }
    limn_loras_close(loras);
    fuzz_folder_remove(&folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_both(read_file, data, size);
    return 0;
}
