#include "text/text.h"

#include <stdio.h>
#include <string.h>

static limn_activation activation_of(limn_loader *ld, const char *part, const char *name) {
    if (strcmp(name, "quick_gelu") == 0) return LIMN_ACT_QUICK_GELU;
    if (strcmp(name, "gelu") == 0) return LIMN_ACT_GELU;
    limn_load_fail(ld, LIMN_E_INPUT,
                   "%s/config.json: hidden_act \"%s\" is not known (quick_gelu, gelu)", part, name);
    return LIMN_ACT_NONE;
}

/* Whether the pooled state is projected: the encoder's class says so, or where it is not told, the
 * tensor is there. */
static bool projects(limn_loader *ld, const limn_config *c) {
    const char *names[8];
    int count = 0;
    if (ld->status == LIMN_OK)
        ld->status = limn_config_texts(c, "architectures", names, 8, &count, ld->err);
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], "CLIPTextModelWithProjection") == 0) return true;
    return ld->status == LIMN_OK && count == 0 && limn_load_has(ld, "text_projection.weight");
}

static void read_config(limn_loader *ld, const limn_config *c, const char *part, limn_text *m,
                        int *hidden, double *eps) {
    const char *act = "";
    int end = 0;
    struct {
        const char *key;
        long most, fallback;
        int *out;
    } sizes[] = {
        {"vocab_size", 1000000, 49408, &m->vocabulary},
        {"max_position_embeddings", LIMN_TEXT_POSITIONS_MOST, 77, &m->positions},
        {"hidden_size", 16384, 512, &m->d},
        {"num_attention_heads", 256, 8, &m->heads},
        {"num_hidden_layers", LIMN_TEXT_LAYERS_MOST, 12, &m->layers},
        {"intermediate_size", 65536, 2048, hidden},
        {"projection_dim", 65536, 512, &m->pooled_d},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && ld->status == LIMN_OK; i++)
        ld->status = limn_config_int(c, sizes[i].key, 1, sizes[i].most, sizes[i].fallback,
                                     sizes[i].out, ld->err);
    if (ld->status == LIMN_OK)
        ld->status = limn_config_number(c, "layer_norm_eps", 0, 1, 1e-5, eps, ld->err);
    if (ld->status == LIMN_OK)
        ld->status = limn_config_int(c, "eos_token_id", 0, 10000000, 49407, &end, ld->err);
    if (ld->status == LIMN_OK)
        ld->status = limn_config_text(c, "hidden_act", "quick_gelu", &act, ld->err);
    if (ld->status != LIMN_OK) return;
    if (m->d % m->heads != 0)
        limn_load_fail(ld, LIMN_E_INPUT,
                       "%s/config.json: hidden_size %d is no multiple of num_attention_heads %d",
                       part, m->d, m->heads);
    /* Old configurations say 2 whatever the vocabulary; transformers then takes the largest id. */
    m->end_id = end == 2 ? -1 : end;
    m->act = activation_of(ld, part, act);
    m->projects = projects(ld, c);
    if (!m->projects) m->pooled_d = m->d;
}

static void load_layer(limn_loader *ld, int i, int d, int hidden, double eps,
                       limn_text_layer *out) {
    static const char *const projections[] = {"q_proj", "k_proj", "v_proj"};
    char part[160];
#define PART(suffix) (snprintf(part, sizeof part, "text_model.encoder.layers.%d." suffix, i), part)
    out->norm1 = limn_load_norm(ld, PART("layer_norm1"), d, 0, eps);
    out->qkv = limn_load_linears(ld, PART("self_attn."), projections, 3, d, d, true);
    out->out = limn_load_linear(ld, PART("self_attn.out_proj"), d, d, true);
    out->norm2 = limn_load_norm(ld, PART("layer_norm2"), d, 0, eps);
    out->up = limn_load_linear(ld, PART("mlp.fc1"), hidden, d, true);
    out->down = limn_load_linear(ld, PART("mlp.fc2"), d, hidden, true);
#undef PART
}

void limn_text_load(limn_loader *ld, const limn_config *config, const char *part, limn_text *out) {
    int hidden = 0;
    double eps = 0;
    *out = (limn_text){0};
    if (ld->status == LIMN_OK) read_config(ld, config, part, out, &hidden, &eps);
    if (ld->status != LIMN_OK) return;
    out->tokens = limn_load_table(ld, "text_model.embeddings.token_embedding.weight",
                                  out->vocabulary, out->d);
    out->places = limn_load_table(ld, "text_model.embeddings.position_embedding.weight",
                                  out->positions, out->d);
    for (int i = 0; i < out->layers; i++) load_layer(ld, i, out->d, hidden, eps, &out->layer[i]);
    out->last = limn_load_norm(ld, "text_model.final_layer_norm", out->d, 0, eps);
    if (out->projects)
        out->projection = limn_load_linear(ld, "text_projection", out->pooled_d, out->d, false);
}

/* x[i] = token embedding + position embedding. */
static void embed(limn_exec *e, const limn_text *m, const limn_text_task *t, float *x) {
    size_t mark = limn_arena_mark(e->ws), d = (size_t)m->d;
    float *place = limn_arena_floats(e->ws, d);
    for (int i = 0; i < t->n * m->positions && !limn_exec_measuring(e); i++, x += d) {
        if (t->ids[i] >= 0)
            limn_table_row(e->k, &m->tokens, (size_t)t->ids[i], x);
        else
            memcpy(x, t->vectors + (size_t)(-1 - t->ids[i]) * d, d * sizeof *x);
        limn_table_row(e->k, &m->places, (size_t)(i % m->positions), place);
        for (size_t k = 0; k < d; k++) x[k] += place[k];
    }
    limn_arena_release(e->ws, mark);
}

/* One layer, x -> x, with y [rows, d] and wide [rows, max(3d, hidden)] as scratch. */
static void run_layer(limn_exec *e, const limn_text *m, const limn_text_layer *l, int n, float *x,
                      float *y, float *wide) {
    size_t d = (size_t)m->d, rows = (size_t)n * (size_t)m->positions;
    size_t mark = limn_arena_mark(e->ws);
    limn_keys keys = limn_keys_take(e, n, m->positions, m->heads, m->d / m->heads);
    limn_layer_norm_run(e, &l->norm1, x, rows, y);
    limn_linear_run(e, &l->qkv, y, d, rows, NULL, wide);
    limn_keys_pack(e, wide + d, wide + 2 * d, 3 * d, &keys);
    limn_attention_run(e, wide, 3 * d, m->positions, &keys, true, y);
    float *sum = limn_arena_floats(e->ws, rows * d);
    limn_linear_run(e, &l->out, y, d, rows, &(limn_finish){.residual = x}, sum);
    limn_layer_norm_run(e, &l->norm2, sum, rows, y);
    limn_linear_run(e, &l->up, y, d, rows, &(limn_finish){.act = m->act}, wide);
    limn_linear_run(e, &l->down, wide, (size_t)l->up.n, rows, &(limn_finish){.residual = sum}, x);
    limn_arena_release(e->ws, mark);
}

/* The position whose state stands for the whole text. */
static int pooled_at(const limn_text *m, const int32_t *ids) {
    int at = 0;
    for (int i = 0; i < m->positions; i++) {
        if (m->end_id >= 0 && ids[i] == m->end_id) return i;
        if (m->end_id < 0 && ids[i] > ids[at]) at = i;
    }
    return at;
}

/* The states x [rows, d] as conditioning: normed, unless the caller wants them bare. */
static void give_cond(limn_exec *e, const limn_text *m, const limn_text_task *t, const float *x,
                      float *scratch) {
    size_t d = (size_t)m->d, rows = (size_t)t->n * (size_t)m->positions;
    float *normed = t->stride == d ? t->cond : scratch;
    if (!t->bare) limn_layer_norm_run(e, &m->last, x, rows, normed);
    const float *from = t->bare ? x : normed;
    for (size_t i = 0; i < rows && from != t->cond && !limn_exec_measuring(e); i++)
        memcpy(t->cond + i * t->stride, from + i * d, d * sizeof *x);
}

/* The last layer's states x at the end tokens, normed and projected. */
static void give_pooled(limn_exec *e, const limn_text *m, const limn_text_task *t, const float *x) {
    size_t mark = limn_arena_mark(e->ws), d = (size_t)m->d, n = (size_t)t->n;
    float *at_end = limn_arena_floats(e->ws, n * d);
    for (size_t i = 0; i < n && !limn_exec_measuring(e); i++) {
        size_t first = i * (size_t)m->positions;
        size_t at = first + (size_t)pooled_at(m, t->ids + first);
        memcpy(at_end + i * d, x + at * d, d * sizeof *x);
    }
    limn_layer_norm_run(e, &m->last, at_end, n, m->projects ? at_end : t->pooled);
    if (m->projects) limn_linear_run(e, &m->projection, at_end, d, n, NULL, t->pooled);
    limn_arena_release(e->ws, mark);
}

void limn_text_run(limn_exec *e, const limn_text *m, const limn_text_task *t) {
    size_t mark = limn_arena_mark(e->ws);
    size_t d = (size_t)m->d, rows = (size_t)t->n * (size_t)m->positions;
    size_t wide_d = (size_t)(m->layer[0].up.n > 3 * m->d ? m->layer[0].up.n : 3 * m->d);
    float *x = limn_arena_floats(e->ws, rows * d);
    float *y = limn_arena_floats(e->ws, rows * d);
    float *wide = limn_arena_floats(e->ws, rows * wide_d);
    int layer = 0, seen = m->layers - t->skip > 0 ? m->layers - t->skip : 0;
    embed(e, m, t, x);
    for (; layer < seen; layer++) run_layer(e, m, &m->layer[layer], t->n, x, y, wide);
    give_cond(e, m, t, x, y);
    for (; layer < m->layers && t->pools; layer++)
        run_layer(e, m, &m->layer[layer], t->n, x, y, wide);
    if (t->pools) give_pooled(e, m, t, x);
    limn_arena_release(e->ws, mark);
}
