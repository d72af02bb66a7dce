/* A ControlNet: what is let in can be packed to the last number. The input is a configuration, a
 * NUL, and a safetensors file; without a configuration the file stands alone, and its shapes tell.
 * Read as it came, and with a header's length that fits and as many zeros behind it as the header
 * says, so that a corpus need hold no numbers. */
#include "denoise/control.h"
#include "fuzz/fuzz.h"

/* Bytes that a file may grow to, and what may be packed of it. */
#define FILE_MOST   ((size_t)1 << 20)
#define PACKED_MOST ((size_t)1 << 24)

static void pack(const limn_config *config, const limn_tensors *tensors) {
    static limn_control control; /* large, and made anew by each loading */
    limn_arena plan = limn_arena_measure(), weights;
    limn_error err = {0};
    limn_loader ld = {.k = limn_kernels_pick(), .arena = &plan, .tensors = tensors, .err = &err};
    limn_control_load(&ld, config, &control);
    fuzz_told(ld.status, &err);
    if (ld.status != LIMN_OK || plan.peak > PACKED_MOST) return;
    fuzz_must(limn_arena_open(&weights, plan.peak, NULL) == LIMN_OK);
    ld.arena = &weights;
    ld.jobs_room = ld.job_count;
    ld.jobs = calloc((size_t)ld.jobs_room + 1, sizeof *ld.jobs);
    fuzz_must(ld.jobs != NULL);
    ld.job_count = 0;
    limn_control_load(&ld, config, &control);
    fuzz_must(ld.status == LIMN_OK && weights.peak == plan.peak);
    fuzz_told(limn_load_pack(&ld, 1), &err);
    free(ld.jobs);
    limn_arena_close(&weights);
}

static void open_path(const char *path) {
    limn_error err = {0};
    limn_folder *f;
    const char *component;
    const limn_config *config = NULL;
    const limn_tensors *tensors = NULL;
    limn_status status = limn_folder_open_control(path, &f, &component, &err);
    fuzz_told(status, &err);
    if (status != LIMN_OK) return;
    status =
        limn_folder_config(f, *component ? "controlnet/config.json" : "config.json", &config, &err);
    if (status == LIMN_OK) status = limn_folder_tensors(f, component, &tensors, &err);
    fuzz_told(status, &err);
    if (status == LIMN_OK) pack(config, tensors);
    limn_folder_close(f);
}

static void read_file(const limn_bytes *config, const uint8_t *data, size_t size) {
    const fuzz_folder folder = fuzz_folder_make("diffusion_pytorch_model.safetensors", data, size);
    char path[80];
    snprintf(path, sizeof path, "%s/config.json", folder.path);
    if (config->size > 0)
        fuzz_must(limn_file_write(path, config->data, config->size, false, NULL) == LIMN_OK);
    open_path(config->size > 0 ? folder.path : folder.file);
    unlink(path);
    fuzz_folder_remove(&folder);
}

/* The largest number in a header, which may be where its data end. */
static size_t largest_number(const uint8_t *header, size_t size) {
    size_t most = 0, now = 0;
    for (size_t i = 0; i < size; i++) {
        const bool digit = header[i] >= '0' && header[i] <= '9';
        now = digit && now < FILE_MOST ? 10 * now + (size_t)(header[i] - '0') : 0;
        if (now > most) most = now;
    }
    return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_bytes parts[2];
    fuzz_cut(data, size, parts, 2);
    read_file(&parts[0], parts[1].data, parts[1].size);
    size_t end = parts[1].size;
    while (end > 8 && parts[1].data[end - 1] != '}') end--;
    if (end <= 8) return 0;
    const size_t numbers = largest_number(parts[1].data + 8, end - 8);
    if (numbers > FILE_MOST) return 0;
    uint8_t *whole = calloc(end + numbers, 1);
    fuzz_must(whole != NULL);
    memcpy(whole, parts[1].data, end);
    for (int i = 0; i < 8; i++) whole[i] = (uint8_t)((uint64_t)(end - 8) >> 8 * i);
    read_file(&parts[0], whole, end + numbers);
    free(whole);
    return 0;
}
