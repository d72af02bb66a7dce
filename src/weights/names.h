/* The names that a part's tensors have in other programs' files, and diffusers' names for them.
 *
 * Stable Diffusion's first code (CompVis, then Stability AI; "LDM") numbers the U-Net's blocks
 * through, OpenCLIP fuses the attention's three matrices into one, and so on. Everything that knows
 * those names is in names_*.c; docs/formats.md has the tables. Names that are diffusers' already
 * come through unchanged, so a file may be of either kind. */
#ifndef LIMN_WEIGHTS_NAMES_H
#define LIMN_WEIGHTS_NAMES_H

#include "weights/single.h"
#include "weights/tensors.h"

/* The longest name that is made, with its NUL. Longer ones are cut; no network asks for those. */
#define LIMN_NAME_MOST 256

/* Adds each tensor of `in` (names without the part's prefix) to *out under diffusers' name. `file`
 * is for sentences. LIMN_E_INPUT where a fused tensor cannot be split, LIMN_E_MEMORY. */
limn_status limn_names_unet(const limn_tensors *in, limn_gather *out, limn_error *err);
limn_status limn_names_vae(const limn_tensors *in, limn_gather *out, limn_error *err);  /* same */
limn_status limn_names_text(const limn_tensors *in, limn_gather *out, limn_error *err); /* same */

/* The one of them that is for a part. */
limn_status limn_names_part(limn_part part, const limn_tensors *in, limn_gather *out,
                            limn_error *err);

/* The way back: LDM's name of the VAE's tensor `name`; `vae` has them all. */
void limn_names_vae_original(const limn_tensors *vae, const char *name, char out[LIMN_NAME_MOST]);

/* One row of a table of names: what a name begins (or is) here, and there. */
typedef struct limn_renaming {
    const char *from, *to;
} limn_renaming;

/* The row whose `from` the text begins with, up to its end or a '.'; NULL where there is none. The
 * table ends in zeros. *rest becomes what follows in the text, from the '.' on. */
const limn_renaming *limn_renaming_find(const limn_renaming *table, const char *text,
                                        const char **rest);

/* Likewise, the other way round: the row whose `to` the text begins with. */
const limn_renaming *limn_renaming_find_back(const limn_renaming *table, const char *text,
                                             const char **rest);

/* Reads "PREFIX<number>." at the start of a text: true, the number (below 1000), and what follows
 * the '.'. */
bool limn_name_number(const char *text, const char *prefix, int *number, const char **rest);

/* Whether the set has a tensor of the formatted name. */
bool limn_name_there(const limn_tensors *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
