/* Guidance: what the U-Net said of several conditionings -> one prediction.
 *
 * In: out [n, h, w, c], first what it said of the negative prompt, then of the prompts. Out: the
 * guided prediction in out[0]. Sums are in a fixed order; allocates nothing; cannot fail. Source:
 * Ho and Salimans 2022, equation 6; Liu et al. 2022, equation 11 (several prompts); Lin et al.
 * 2023, section 3.4 (rescaling). */
#ifndef LIMN_DENOISE_GUIDE_H
#define LIMN_DENOISE_GUIDE_H

#include "layers/layers.h"

/* How to guide. */
typedef struct limn_guidance {
    double scale;
    const float *weights; /* [n - 1], of the prompts; NULL = all 1 */
    double rescale;       /* 0 to 1: how far towards the deviation that the prompt's has */
} limn_guidance;

/* u + scale (c - u), with u what was said of the negative prompt and c of the prompt; with several
 * prompts, c = u + sum of weight (c_i - u). Where n is 1, that is the result. Uses out[1] as
 * scratch. */
void limn_guide(limn_map *out, const limn_guidance *g);

#endif
