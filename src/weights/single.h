/* A model in one file, seen as a folder: its parts' tensors under diffusers' names, and the
 * folder's other files, as the file has them or made from the shapes. */
#ifndef LIMN_WEIGHTS_SINGLE_H
#define LIMN_WEIGHTS_SINGLE_H

#include "weights/family.h"

/* The parts of a model that have tensors. */
typedef enum limn_part {
    LIMN_PART_UNET,
    LIMN_PART_VAE,
    LIMN_PART_TEXT,
    LIMN_PART_TEXT_2,
    LIMN_PART_CONTROL,
    LIMN_PARTS
} limn_part;

/* A part's folder: "unet", "vae", "text_encoder", "text_encoder_2", "controlnet". */
const char *limn_part_folder(limn_part part);

/* The part of that folder; LIMN_PARTS where it is none. */
limn_part limn_part_find(const char *folder);

/* One file of the folder that a single file stands for. */
typedef struct limn_made_file {
    char *relative;
    const limn_tensor *kept; /* where the file keeps it; NULL where it was made from the shapes */
    uint8_t *bytes;          /* [size], malloc'd; NULL until a kept one was read */
    size_t size;
    limn_config *config; /* NULL until it was read as one */
} limn_made_file;

/* A single file, taken apart. Views into the file's tensors. */
typedef struct limn_single {
    limn_tensors *parts[LIMN_PARTS]; /* under diffusers' names; NULL where the file has none */
    limn_made_file *files;           /* [file_count] */
    int file_count;
    size_t unused;             /* tensors that belong to no part and no file */
    const limn_family *family; /* NULL where there is no U-Net */
    const char *note;          /* what had to be assumed, a sentence; NULL = nothing */
} limn_single;

/* Takes a file apart.
 *   all   its tensors; must outlive *out
 *   name  its own, without folder and ending: some families differ in it
 *   path  for sentences
 * LIMN_E_INPUT for tensors that cannot be split or files inside that are none; LIMN_E_MEMORY. */
limn_status limn_single_open(const limn_tensors *all, const char *name, const char *path,
                             limn_single **out, limn_error *err);

/* Gives it back. NULL is fine. */
void limn_single_close(limn_single *s);

/* The file of that relative path, NULL where there is none. Good until limn_single_close. */
limn_made_file *limn_single_find(const limn_single *s, const char *relative);

/* Its bytes, read now if they were not; they live as long as the limn_single. LIMN_E_INPUT,
 * LIMN_E_IO, LIMN_E_MEMORY. */
limn_status limn_made_bytes(limn_made_file *file, limn_bytes *view, limn_error *err);

/* Makes vae/config.json say this scaling_factor, where it was made from the shapes: a VAE alone
 * does not tell whose it is. LIMN_E_MEMORY. */
limn_status limn_single_scale_vae(limn_single *s, double scaling, limn_error *err);

#endif
