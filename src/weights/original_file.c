/* A model's tensors under the names of the original layout, and whether those can be read back. */
#include <stdio.h>
#include <string.h>

#include "weights/names.h"
#include "weights/original.h"

void limn_original_whole_name(limn_part part, const limn_tensors *all, const char *name,
                              char out[LIMN_ORIGINAL_BYTES]) {
    static const char *const before[LIMN_PARTS] = {
        "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.",
        "cond_stage_model.1.transformer.", "control_model."};
    char base[LIMN_ORIGINAL_BYTES], inside[LIMN_NAME_MOST];
    const char *dot = strrchr(name, '.');
    snprintf(inside, sizeof inside, "%s", name);
    snprintf(base, sizeof base, "%.*s", dot != NULL ? (int)(dot - name) : 0, name);
    if (part == LIMN_PART_VAE) {
        limn_names_vae_original(all, name, inside);
    } else if (part == LIMN_PART_UNET && dot != NULL && limn_original_name(all, base, inside)) {
        const size_t length = strlen(inside);
        snprintf(inside + length, sizeof inside - length, "%s", dot);
    }
    snprintf(out, LIMN_ORIGINAL_BYTES, "%s%.200s", before[part], inside);
}

/* The part's names as a reader of the file would have them, without what stands before them. A
 * tensor that only is the scale of another is in no such file. */
static limn_status read_back(limn_part part, const limn_tensors *all, limn_tensors **wanted,
                             limn_tensors **out) {
    limn_gather own = {0}, there = {0}, back = {0};
    limn_tensors *in = NULL;
    char name[LIMN_ORIGINAL_BYTES], before[LIMN_ORIGINAL_BYTES];
    limn_status status = LIMN_OK;
    limn_original_whole_name(part, all, "", before);
    for (size_t i = 0; i < limn_tensors_count(all) && status == LIMN_OK; i++) {
        const limn_tensor *t = limn_tensors_at(all, i);
        if (limn_scale_stem(t->name) != 0) continue;
        limn_original_whole_name(part, all, t->name, name);
        status = limn_gather_add(&own, t, t->name, NULL);
        if (status == LIMN_OK) status = limn_gather_add(&there, t, name + strlen(before), NULL);
    }
    if (status == LIMN_OK) status = limn_gather_finish(&own, "", wanted, NULL);
    if (status == LIMN_OK) status = limn_gather_finish(&there, "", &in, NULL);
    if (status == LIMN_OK) status = limn_names_part(part, in, &back, NULL);
    if (status == LIMN_OK) status = limn_gather_finish(&back, "", out, NULL);
    limn_tensors_free(in);
    limn_gather_free(&own);
    limn_gather_free(&there);
    limn_gather_free(&back);
    return status;
}

limn_status limn_original_returns(limn_part part, const limn_tensors *all, bool *returns,
                                  limn_error *err) {
    limn_tensors *wanted = NULL, *again = NULL;
    /* LIMN_E_INPUT: two tensors would have one name, or one would be split. */
    limn_status status = read_back(part, all, &wanted, &again);
    *returns = status == LIMN_OK && wanted->count == again->count;
    for (size_t i = 0; *returns && i < wanted->count; i++)
        *returns = strcmp(wanted->items[i].name, again->items[i].name) == 0;
    limn_tensors_free(wanted);
    limn_tensors_free(again);
    if (status != LIMN_E_MEMORY) return LIMN_OK;
    return limn_fail(err, LIMN_E_MEMORY, "no memory for the names of the tensors");
}
