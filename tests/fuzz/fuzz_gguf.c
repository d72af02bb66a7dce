/* A GGUF file: every tensor that is let in can be read to its end. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_tensors *tensors = NULL;
    const limn_source source = limn_source_of("x.gguf", data, size);
    const limn_status status = limn_gguf_read(&source, &tensors, &err);
    fuzz_told(status, &err);
    fuzz_must((status == LIMN_OK) == (tensors != NULL));
    if (status == LIMN_OK) fuzz_tensors(tensors);
    limn_tensors_free(tensors);
    return 0;
}
