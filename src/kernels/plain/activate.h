/* Bias, activation and residual: what is done to a matrix product's result on its way out. */
#ifndef LIMN_KERNELS_PLAIN_ACTIVATE_H
#define LIMN_KERNELS_PLAIN_ACTIVATE_H

#include "kernels/plain/math.h"

/* x[i] = act(x[i]). One loop for each activation, so that each can be vectorised. */
static void limn_activate(float *x, int n, limn_activation act) {
    switch (act) {
    case LIMN_ACT_NONE:
        break;
    case LIMN_ACT_SILU:
        for (int i = 0; i < n; i++) x[i] = limn_siluf(x[i]);
        break;
    case LIMN_ACT_GELU:
        for (int i = 0; i < n; i++) x[i] = limn_geluf(x[i]);
        break;
    case LIMN_ACT_QUICK_GELU:
        for (int i = 0; i < n; i++) x[i] = limn_quick_geluf(x[i]);
        break;
    case LIMN_ACT_RELU:
        for (int i = 0; i < n; i++) x[i] = x[i] > 0.0f ? x[i] : 0.0f;
        break;
    }
}

static void limn_plain_finish(const float *x, const float *bias, limn_activation act,
                              const float *residual, int c, float *out) {
    if (bias)
        for (int i = 0; i < c; i++) out[i] = x[i] + bias[i];
    else if (out != x)
        memcpy(out, x, (size_t)c * sizeof *out);
    limn_activate(out, c, act);
    if (residual)
        for (int i = 0; i < c; i++) out[i] += residual[i];
}

static void limn_plain_geglu(const float *x, const float *gate, int c, float *out) {
    for (int i = 0; i < c; i++) out[i] = x[i] * limn_geluf(gate[i]);
}

#endif
