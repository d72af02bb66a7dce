/* A safetensors file: every tensor that is let in can be read to its end. Read twice: as it is, and
 * with the header's length made to fit, which a search would seldom guess. */
#include "fuzz/fuzz.h"

static void read_file(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_tensors *tensors = NULL;
    const limn_source source = limn_source_of("x.safetensors", data, size);
    const limn_status status = limn_safetensors_read(&source, &tensors, &err);
    fuzz_told(status, &err);
    fuzz_must((status == LIMN_OK) == (tensors != NULL));
    if (status == LIMN_OK) fuzz_tensors(tensors);
    limn_tensors_free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_both(read_file, data, size);
    return 0;
}
