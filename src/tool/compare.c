/* `limn again` without --set: is what comes out what is in the file? */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>

/* What differs between a picture in a file and the same picture drawn again. */
typedef struct limn_tool_difference {
    bool size;        /* then the rest means nothing */
    size_t values;    /* width x height x 3 */
    size_t differing; /* of the values */
    int largest;      /* difference, 0 to 255 */
    bool file;        /* the bytes of the file */
} limn_tool_difference;

static int compare(const limn_picture *old, const limn_picture *new, const limn_tool_bytes *file,
                   limn_tool_difference *d) {
    *d = (limn_tool_difference){.size = old->width != new->width || old->height != new->height};
    d->values = d->size ? 0 : (size_t)old->width * (size_t)old->height * 3;
    for (size_t i = 0; i < d->values; i++) {
        int gap = abs(old->rgb[i] - new->rgb[i]);
        d->differing += gap != 0;
        if (gap > d->largest) d->largest = gap;
    }
    uint8_t *png;
    size_t size;
    limn_error error;
    if (limn_picture_png(new, &png, &size, &error) != LIMN_OK) return limn_tool_fail_with(&error);
    d->file = size != file->size || memcmp(png, file->data, size) != 0;
    free(png);
    return LIMN_OK;
}

static void print_words(const limn_tool_again_job *job, const limn_tool_difference *d,
                        const limn_picture *again) {
    limn_tool_print_text(stdout, job->path, 0);
    if (d->size) {
        printf(": sizes differ: %dx%d in the file, %dx%d drawn again\n", job->picture->width,
               job->picture->height, again->width, again->height);
    } else if (d->differing > 0) {
        printf(": pixels differ: %zu of %zu values, by at most %d of 255\n", d->differing,
               d->values, d->largest);
    } else if (d->file) {
        puts(": pixels identical, file differs: its metadata or packing is not what limn writes");
    } else {
        puts(": pixels identical, file identical");
    }
}

static void print_json(const limn_tool_again_job *job, const limn_tool_difference *d,
                       const limn_picture *again) {
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, job->path);
    printf(",\"pixels_identical\":%s,\"file_identical\":%s,\"values\":%zu,\"differing\":%zu,"
           "\"largest\":%d,\"ms\":%.1f",
           d->size || d->differing ? "false" : "true", d->file ? "false" : "true", d->values,
           d->differing, d->largest, again->elapsed_ms);
    limn_tool_json_request(stdout, limn_recipe_request(job->recipe));
    fputs("}\n", stdout);
}

int limn_tool_compare(const limn_tool_again_job *job, const limn_picture *again) {
    limn_tool_difference difference;
    int status = compare(job->picture, again, &job->bytes, &difference);
    if (status != LIMN_OK) return status;
    if (job->options->json) {
        print_json(job, &difference, again);
    } else if (!job->options->quiet) {
        print_words(job, &difference, again);
    }
    status = limn_tool_flush();
    if (status != LIMN_OK) return status;
    bool same = !difference.size && difference.differing == 0 && !difference.file;
    return same ? LIMN_OK : LIMN_TOOL_DIFFERENT;
}
