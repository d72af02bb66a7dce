/* The inside of limn_folder:
 *
 *   folder.c          opening, and where to look for what
 *   folder_files.c    files of one folder, each opened once; the folder's name
 *   folder_tensors.c  a component's tensors: one file, or several with an index
 *   folder_hash.c     the model's hash, and whether its files are still what they were
 *   folder_control.c  a ControlNet's file or folder */
#ifndef LIMN_WEIGHTS_FOLDER_H
#define LIMN_WEIGHTS_FOLDER_H

#include "weights/kind.h"
#include "weights/single.h"

#define LIMN_INDEX     "model_index.json"
#define LIMN_PATH_MOST 4096 /* with its NUL; no system opens longer ones */

/* Components that may come from elsewhere, each once. */
#define LIMN_ASIDES_MOST 6

/* One file that was opened. */
typedef struct limn_opened {
    char *relative; /* "" for a model in a single file */
    char *path;     /* as sentences name it */
    limn_source source;
    limn_bytes bytes;      /* empty until it was read whole */
    limn_config *config;   /* NULL until it was read as one */
    limn_tensors *tensors; /* likewise; of an index, those of all its files together */
    bool counted;          /* its tensors were asked for as a component's */
    char hex[65];          /* "" until it was hashed */
} limn_opened;

/* A component that comes from elsewhere. */
typedef struct limn_aside {
    const char *component; /* what it stands for here: "vae" */
    const char *inside;    /* what it is called there; "": the folder itself */
    limn_folder *folder;
    bool owned; /* else an aside before this one has the same folder */
} limn_aside;

struct limn_folder {
    char *path; /* without slashes at its end */
    char *name;
    limn_opened *files; /* [count], sorted by relative path; has room for `room` */
    int count, room;
    limn_single *single; /* NULL where it is a folder on the disk */
    bool alone;          /* it is a single file */
    bool gguf;           /* the single file is one */
    bool counted[LIMN_PARTS];
    limn_aside asides[LIMN_ASIDES_MOST];
    int aside_count;
};

/* The path's last component, malloc'd; NULL where memory ran out. */
char *limn_folder_name_of(const char *path);

/* The opened file of a relative path, opened now if it was not; the pointer is good until the next
 * call. NULL after a failure, whose kind is then in *status. Only looks on the disk. */
limn_opened *limn_folder_file(limn_folder *f, const char *relative, limn_status *status,
                              limn_error *err);

/* The same, with its bytes in memory. */
limn_opened *limn_folder_file_whole(limn_folder *f, const char *relative, limn_status *status,
                                    limn_error *err);

/* Gives back what was read of the file, which stays open. */
void limn_opened_forget(limn_opened *file);

/* Gives back what the file holds. */
void limn_opened_release(limn_opened *file);

/* Whether there is a file or folder of that relative path on the disk. */
bool limn_folder_on_disk(const limn_folder *f, const char *relative);

/* The tensors of a component of a folder on the disk. */
limn_status limn_folder_component(limn_folder *f, const char *component, const limn_tensors **out,
                                  limn_error *err);

/* What a single file is that is no model by itself; NULL for a folder, and for what may be one. */
const limn_kind *limn_folder_kind(const limn_folder *f);

/* Opens a folder or a file, whatever is in it. *out is the caller's. */
limn_status limn_folder_open_any(const char *path, limn_folder **out, limn_error *err);

/* Says that this file is a pickle, and what to do. Always LIMN_E_INPUT. */
limn_status limn_refuse_pickle(const char *path, limn_error *err);

#endif
