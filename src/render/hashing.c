#include "render/hashing.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/beside.h"

struct limn_hashing {
    limn_folder *folder; /* its files are open until they are hashed */
    char *sha256;
    limn_beside *thread; /* NULL where it was done at once */
    atomic_bool stop;
    limn_status status;
    limn_error fault;
};

static void hash(void *ctx) {
    limn_hashing *h = ctx;
    const int count = limn_folder_file_count(h->folder);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = limn_folder_hash_file(h->folder, i, &h->stop, &h->fault);
    if (status == LIMN_OK) status = limn_folder_hash(h->folder, h->sha256, &h->fault);
    if (status == LIMN_OK) status = limn_folder_check(h->folder, &h->fault);
    if (status != LIMN_OK) h->sha256[0] = '\0';
    h->status = status;
    limn_folder_close(h->folder);
    h->folder = NULL;
}

limn_status limn_hashing_start(limn_folder **folder, bool beside, char sha256[65],
                               limn_hashing **out, limn_error *err) {
    limn_hashing *h = calloc(1, sizeof *h);
    *out = h;
    if (!h) return limn_fail(err, LIMN_E_MEMORY, "no memory to hash the model");
    h->folder = *folder;
    h->sha256 = sha256;
    *folder = NULL;
    limn_folder_forget(h->folder);
    if (beside) h->thread = limn_beside_start(hash, h);
    if (!h->thread) hash(h);
    return LIMN_OK;
}

limn_status limn_hashing_wait(const limn_hashing *h, limn_error *err) {
    if (!h) return LIMN_OK;
    if (h->thread && !limn_beside_wait(h->thread))
        return limn_fail(err, LIMN_E_USAGE,
                         "the model's hash was still being found when this process was made by "
                         "fork(), which has left that behind; open the model in this process");
    if (h->status != LIMN_OK && err) *err = h->fault;
    return h->status;
}

void limn_hashing_end(limn_hashing *h) {
    if (!h) return;
    atomic_store(&h->stop, true);
    limn_beside_end(h->thread);
    free(h); /* in a child made by fork() meanwhile, the folder is left: nobody knows its state */
}
