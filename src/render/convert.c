/* limn_convert: the networks say which of their matrices int8 suits; all else is in
 * weights/convert.c. */
#include "weights/convert.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "render/opening.h"

/* The tensors that loading with the precision int8 would quantise. */
static limn_status choose(limn_folder *f, const limn_tensor ***list, size_t *count,
                          limn_error *err) {
    *count = 0;
    *list = NULL;
    limn_opening o = {.folder = f, .err = err, .m = calloc(1, sizeof *o.m)};
    if (!o.m) return limn_fail(err, LIMN_E_MEMORY, "no memory to convert a model");
    strncpy(o.m->name, limn_folder_name(f), sizeof o.m->name - 1);
    o.m->kernels = limn_kernels_pick();
    o.m->int8 = true;
    size_t bytes;
    limn_status status = limn_open_configs(&o);
    if (status == LIMN_OK) status = limn_open_tensors(&o);
    if (status == LIMN_OK) status = limn_open_measure(&o, &bytes);
    if (status == LIMN_OK) status = limn_open_int8(&o, list, count);
    free(o.loader.jobs);
    limn_model_close(o.m);
    return status;
}

static float quantise(float *x, size_t c, size_t taps, int8_t *out) {
    return limn_int8_row(limn_kernels_pick(), x, c, taps, out);
}

limn_status limn_convert(const char *in, const char *out, const limn_convert_options *options,
                         limn_error *error) {
    static const limn_quantiser quantiser = {choose, quantise};
    limn_fp_state fp = limn_fp_enter();
    limn_status status = limn_convert_model(in, out, options, &quantiser, error);
    limn_fp_leave(fp);
    return status;
}
