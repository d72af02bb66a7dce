#include "decode/attention.h"

#include <stdio.h>

/* The tensors have the names of the U-Net's, or in older files names of their own. */
void limn_vae_attention_load(limn_loader *ld, const char *name, const limn_resnet_form *form, int c,
                             limn_vae_attention *out) {
    static const char *const names[] = {"to_q", "to_k", "to_v"};
    static const char *const old_names[] = {"query", "key", "value"};
    char part[200];
#define PART(suffix) (snprintf(part, sizeof part, "%s." suffix, name), part)
    bool old = !ld->status && limn_load_has(ld, PART("query.weight"));
    out->norm = limn_load_norm(ld, PART("group_norm"), c, form->groups, form->eps);
    out->qkv = limn_load_linears(ld, PART(""), old ? old_names : names, 3, c, c, true);
    out->out = limn_load_linear(ld, old ? PART("proj_attn") : PART("to_out.0"), c, c, true);
#undef PART
}

void limn_vae_attention_run(limn_exec *e, const limn_vae_attention *a, size_t mark, limn_map *x) {
    size_t rows = (size_t)x->n * limn_map_pixels(x), c = (size_t)x->c;
    int tokens = (int)limn_map_pixels(x);
    limn_map out = limn_map_take(e, x->n, x->h, x->w, x->c);
    limn_map h = limn_map_take(e, x->n, x->h, x->w, x->c);
    float *qkv = limn_arena_floats(e->ws, rows * 3 * c);
    limn_keys keys = limn_keys_take(e, x->n, tokens, 1, x->c);
    limn_group_norm_run(e, &a->norm, x, NULL, LIMN_ACT_NONE, &h);
    limn_linear_run(e, &a->qkv, h.v, c, rows, NULL, qkv);
    limn_keys_pack(e, qkv + c, qkv + 2 * c, 3 * c, &keys);
    limn_attention_run(e, qkv, 3 * c, tokens, &keys, false, h.v);
    limn_linear_run(e, &a->out, h.v, c, rows, &(limn_finish){.residual = x->v}, out.v);
    *x = out;
    limn_map_settle(e, mark, x);
}
