/* A model's hash, found beside what is done with the model first. SHA-256 of one file is one chain,
 * which takes longer than packing the weights does on two threads and more; but the hash is not
 * wanted before the recipe.
 *
 *     limn_hashing_start(&folder, true, m->sha256, &hashing, err);   // when all else was read
 *     limn_hashing_wait(hashing, err);                               // sha256 is there now
 *     limn_hashing_end(hashing);
 *
 * What can fail, and is told by whoever waits: a file that was written to or shortened since it was
 * opened (LIMN_E_INPUT), LIMN_E_IO, LIMN_E_MEMORY; and LIMN_E_USAGE in a child process that fork()
 * made before the hash was there. */
#ifndef LIMN_RENDER_HASHING_H
#define LIMN_RENDER_HASHING_H

#include "weights/weights.h"

typedef struct limn_hashing limn_hashing;

/* Begins to hash a folder's files. Takes the folder over, *folder becomes NULL; what was read of it
 * is forgotten.
 *   beside  on a thread of its own; else, and where there is none to be had, it is done now
 *   sha256  becomes 64 hex digits, "" where that fails; nobody may read it before limn_hashing_wait
 * *out is the caller's, for limn_hashing_end. LIMN_E_MEMORY. */
limn_status limn_hashing_start(limn_folder **folder, bool beside, char sha256[65],
                               limn_hashing **out, limn_error *err);

/* Returns when the hash is there, and fails where it could not be found. Any thread may call it,
 * any number of times. NULL: there was nothing to hash. */
limn_status limn_hashing_wait(const limn_hashing *h, limn_error *err);

/* Gives it up where it is not done, and releases it. NULL is fine. */
void limn_hashing_end(limn_hashing *h);

#endif
