/* Samplers: from noise to a latent picture, one evaluation of the U-Net at a time.
 *
 *     limn_sampling *run;
 *     limn_sampling_begin(schedule, "dpmpp_2m", 20, 0.0, values, ws, &run, err);
 *     x = noise * limn_sampling_init_sigma(run);
 *     for (int call = limn_sampling_first(run); call < limn_sampling_calls(run); call++) {
 *         limn_sampling_input(run, x, in);
 *         out = unet(in, limn_sampling_timestep(run, call));
 *         if (limn_sampling_wants_noise(run)) noise = draw();
 *         limn_sampling_step(run, out, noise, x);
 *     }
 *
 * Elementwise: neither the shape nor the layout of x matters, only how many values there are.
 * Coefficients are computed in double with limn's own functions; the sample is float32, in a fixed
 * order of plain operations: the bits are the same on every machine. Every sampler is finite for
 * every number of steps, also where steps coincide. */
#ifndef LIMN_DENOISE_SAMPLER_H
#define LIMN_DENOISE_SAMPLER_H

#include "base/arena.h"
#include "denoise/schedule.h"

/* A run under way. All its memory is the arena's: nothing to free. */
typedef struct limn_sampling limn_sampling;

/* Starts a run.
 *   sampler  a name from limn_samplers, e.g. "euler_a"
 *   steps    1 to min(1000, the schedule's train_steps)
 *   eta      0 to 1, DDIM's; others do not read it
 *   values   how many numbers x has
 *   ws       gives the memory, which stays taken. Where it measures, *out is NULL, nothing is
 *            touched, and the amount is exact
 * Keeps no pointer to s. Fails with LIMN_E_USAGE (a name that is none, a value out of range, a
 * combination that cannot work), LIMN_E_MEMORY where ws is full. */
limn_status limn_sampling_begin(const limn_schedule *s, const char *sampler, int steps, double eta,
                                size_t values, limn_arena *ws, limn_sampling **out,
                                limn_error *err);

/* Leaves out the first `skipped` steps (0 to steps - 1): the run begins as a whole run does,
 * without a history, at the level of noise that step `skipped` begins at. x is then a picture at
 * that level (limn_sampling_noised), as in diffusers' StableDiffusionImg2ImgPipeline. Right after
 * limn_sampling_begin. */
void limn_sampling_skip(limn_sampling *s, int skipped);

/* The first evaluation, 0 but after limn_sampling_skip, and where evaluations end: N for most
 * samplers, 2N - 1 for Heun, N + 1 for PNDM. */
int limn_sampling_first(const limn_sampling *s);
int limn_sampling_calls(const limn_sampling *s); /* see above */

/* The picture at the level of noise that x has before the call-th evaluation: out = a picture + b
 * noise, [values] each; out may be one of them. diffusers: add_noise. */
void limn_sampling_noised(const limn_sampling *s, int call, const float *picture,
                          const float *noise, float *out);

/* How many evaluations a run of `steps` steps has, known from the names alone; 0 for a sampler that
 * is none. */
int limn_sampling_calls_of(const char *sampler, int steps);

/* Whether a sampler of that name reads eta. */
bool limn_sampling_takes_eta(const char *sampler);

/* What the U-Net is given as timestep at the call-th evaluation, from 0; not always whole. */
double limn_sampling_timestep(const limn_sampling *s, int call);

/* x starts as unit noise times this. */
double limn_sampling_init_sigma(const limn_sampling *s);

/* Scales x to what the U-Net is given at the current call. model_in may be x. */
void limn_sampling_input(const limn_sampling *s, const float *x, float *model_in);

/* Whether the next step adds fresh noise. */
bool limn_sampling_wants_noise(const limn_sampling *s);

/* One step: x becomes the sample after this call. Not to be called more than `calls` times.
 *   model_out  [values] the U-Net's output; not changed
 *   noise      [values] unit noise where limn_sampling_wants_noise, else NULL is fine
 *   x          [values] the sample, in and out */
void limn_sampling_step(limn_sampling *s, const float *model_out, const float *noise, float *x);

/* Steps done as the user counts them, 0 to steps less those skipped, for the progress bar. */
int limn_sampling_steps_done(const limn_sampling *s);

#endif
