/* Normal random numbers, as the programs whose seeds people know draw them.
 *
 *   LIMN_RNG_TORCH   torch.Generator("cpu") and torch.randn: MT19937, Box-Muller in blocks of 16
 *                    (torch's plain, not vector, code). What diffusers and ComfyUI use.
 *   LIMN_RNG_PHILOX  torch.randn on CUDA: Philox-4x32-10. What A1111 uses.
 *
 * Sources: aten/src/ATen/native/cpu/DistributionTemplates.h and core/MT19937RNGEngine.h of PyTorch;
 * Matsumoto and Nishimura 1998; Salmon et al. 2011; rng_philox.hpp of stable-diffusion.cpp. */
#ifndef LIMN_BASE_RANDOM_H
#define LIMN_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum limn_rng_kind { LIMN_RNG_TORCH, LIMN_RNG_PHILOX } limn_rng_kind;

/* A stream of normal numbers; plain data, may be copied. */
typedef struct limn_rng {
    limn_rng_kind kind;
    uint32_t mt[624]; /* MT19937's state */
    int mt_next;
    bool has_spare; /* the second half of a Box-Muller pair drawn one at a time */
    double spare;
    uint64_t seed;  /* Philox's key */
    uint32_t draws; /* how many calls came before: Philox's first counter word */
} limn_rng;

/* Starts a stream. torch reads the low 32 bits of the seed, Philox all 64. */
void limn_rng_start(limn_rng *r, limn_rng_kind kind, uint64_t seed);

/* Fills out[n] with normal numbers, as one call torch.randn(n) would: a call with n values is not
 * the same as two calls with n/2. Any n; every value depends on n as torch's does. */
void limn_rng_normal(limn_rng *r, float *out, size_t n);

/* splitmix64 of a seed: spreads derived seeds (Steele et al. 2014). */
uint64_t limn_mix64(uint64_t x);

#endif
