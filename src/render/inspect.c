/* Looking at a model: what its files hold, whether the networks find all that they ask for, and
 * what it is drawn with. The networks are gone through as when a model is opened, in a measuring
 * pass that notes faults and goes on; no weights are read but to hash them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/team.h"
#include "base/thread.h"
#include "render/opening.h"
#include "weights/family.h"
#include "weights/folder.h"

#define PARTS_MOST  4
#define FAULTS_MOST 50
#define TYPES_TEXT  200

static const char *const part_names[PARTS_MOST] = {"unet", "vae", "text_encoder", "text_encoder_2"};

/* A report and what it points to. The report is first: a pointer to it is one to this. */
typedef struct inspection {
    limn_report report;
    limn_opening o;
    limn_model m;
    const limn_tensors *sets[PARTS_MOST]; /* of part_names; NULL where there is none */
    const limn_config *configs[PARTS_MOST];
    limn_part_info parts[PARTS_MOST];
    char types[PARTS_MOST][TYPES_TEXT];
    char *faults[FAULTS_MOST];
    limn_tensor_info *tensors;
    limn_fault_list list;
    limn_error fault; /* the last */
    char name[256];
} inspection;

/* Adds a sentence to the report; beyond the limit, or without memory, it is only counted. */
static void add_fault(void *ctx, const char *sentence) {
    inspection *s = ctx;
    char *copy = s->report.fault_count < FAULTS_MOST ? strdup(sentence) : NULL;
    if (copy == NULL)
        s->report.more++;
    else
        s->faults[s->report.fault_count++] = copy;
}

/* Notes a failure; true where there was none. */
static bool fine(inspection *s, limn_status status) {
    if (status != LIMN_OK) add_fault(s, s->fault.text);
    return status == LIMN_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Counts a part's numbers, bytes and types. */
static void describe_part(const limn_tensors *set, limn_part_info *part, char *types) {
    int of_type[LIMN_DTYPES] = {0};
    size_t used = 0;
    for (size_t i = 0; i < limn_tensors_count(set); i++) {
        const limn_tensor *t = limn_tensors_at(set, i);
        of_type[t->dtype]++;
        part->tensors++;
        part->bytes += t->bytes;
        /* limn's int8 are numbers of the model; their scales are not. */
        if (limn_dtype_is_float(t->dtype) || t->scale) part->parameters += t->count;
        if (t->scale) part->parameters -= t->scale->count;
    }
    for (int i = 0; i < LIMN_DTYPES && used < TYPES_TEXT; i++) {
        if (of_type[i] == 0) continue;
        used += (size_t)snprintf(types + used, TYPES_TEXT - used, "%s%s %d", used ? ", " : "",
                                 limn_dtype_name((limn_dtype)i), of_type[i]);
    }
    part->types = types;
}

static limn_status list_tensors(inspection *s, limn_error *err) {
    size_t count = 0, n = 0;
    for (int i = 0; i < PARTS_MOST; i++)
        if (s->sets[i] != NULL) count += limn_tensors_count(s->sets[i]);
    s->tensors = calloc(count + 1, sizeof *s->tensors);
    if (s->tensors == NULL) return limn_fail(err, LIMN_E_MEMORY, "no memory for a list of tensors");
    for (int i = 0; i < PARTS_MOST; i++) {
        for (size_t k = 0; s->sets[i] != NULL && k < limn_tensors_count(s->sets[i]); k++) {
            const limn_tensor *t = limn_tensors_at(s->sets[i], k);
            limn_tensor_info *info = &s->tensors[n++];
            *info =
                (limn_tensor_info){part_names[i], t->name, limn_dtype_name(t->dtype), t->rank, {0}};
            memcpy(info->shape, t->shape, sizeof info->shape);
        }
    }
    s->report.tensors = s->tensors;
    s->report.tensor_count = count;
    return LIMN_OK;
}

/* Finds what parts there are; a part that is needed and is not there is a fault. */
static void find_parts(inspection *s, bool joined) {
    limn_folder *f = s->o.folder;
    for (int i = 0; i < PARTS_MOST; i++) {
        char file[80];
        snprintf(file, sizeof file, "%s/config.json", part_names[i]);
        const bool may_lack = s->report.kind[0] || (i == PARTS_MOST - 1 && !joined);
        if (may_lack && !limn_folder_has(f, file)) continue;
        if (!fine(s, limn_folder_config(f, file, &s->configs[i], &s->fault))) continue;
        if (!fine(s, limn_folder_tensors(f, part_names[i], &s->sets[i], &s->fault))) continue;
        limn_part_info *part = &s->parts[s->report.part_count++];
        part->name = part_names[i];
        describe_part(s->sets[i], part, s->types[i]);
    }
}

/* ---- whether it can be drawn with ------------------------------------------------------------ */

/* Lets the networks ask for their tensors. */
static void try_networks(inspection *s) {
    limn_opening *o = &s->o;
    limn_arena plan = limn_arena_measure();
    o->loader =
        (limn_loader){.k = s->m.kernels, .arena = &plan, .faults = &s->list, .err = &s->fault};
    for (int i = 0; i < s->m.encoders; i++) {
        if (s->sets[2 + i] == NULL) continue;
        o->loader.tensors = s->sets[2 + i];
        limn_text_load(&o->loader, s->configs[2 + i], limn_encoder_folders[i], &s->m.text[i]);
        fine(s, o->loader.status);
        o->loader.status = LIMN_OK;
    }
    if (s->sets[0] != NULL) {
        o->loader.tensors = s->sets[0];
        limn_unet_load(&o->loader, s->configs[0], &s->m.unet);
        fine(s, o->loader.status);
        o->loader.status = LIMN_OK;
    }
    if (s->sets[1] != NULL) {
        o->vae = s->configs[1];
        o->vae_tensors = s->sets[1];
        limn_open_decoder(o);
        fine(s, o->loader.status);
    }
}

/* Whether the vocabularies are there. */
static bool find_tokenizers(inspection *s, int count) {
    bool there = true;
    for (int i = 0; i < count; i++) {
        char file[80];
        limn_bytes view;
        snprintf(file, sizeof file, "%s/vocab.json", limn_tokenizer_folders[i]);
        there = there && fine(s, limn_folder_bytes(s->o.folder, file, &view, &s->fault));
    }
    return there;
}

/* What it is drawn with, by its family. */
static void guess_defaults(inspection *s) {
    limn_report *r = &s->report;
    limn_traits traits = limn_family_traits(s->sets[0]);
    traits.name = s->name;
    if (s->o.pipeline != NULL) traits.pipeline = s->o.pipeline->class_name;
    if (s->m.schedule.train_steps > 0)
        traits.prediction = s->m.schedule.prediction == LIMN_PREDICT_V ? 2 : 1;
    const limn_family *family = limn_family_find(&traits);
    r->family = family->name;
    r->family_label = family->label;
    r->width = r->height = family->size_px;
    r->steps = limn_family_steps(family, s->name);
    r->guidance = family->guidance;
    r->prediction = family->predicts_v ? "v_prediction" : "epsilon";
}

/* What it is drawn with, once all of it is there. */
static void take_defaults(inspection *s) {
    const limn_model_info *i = &s->m.info;
    const limn_schedule *schedule = &s->m.schedule;
    limn_report *r = &s->report;
    r->width = i->width;
    r->height = i->height;
    r->steps = i->steps;
    r->guidance = i->guidance;
    r->sampler = s->m.sampler;
    r->prediction = limn_prediction_name(schedule->prediction);
    r->zero_snr = schedule->alphas_cumprod[schedule->train_steps - 1] < 1e-6f;
}

/* Whether the whole opens as a model does, with all parts there. */
static bool try_whole(inspection *s) {
    limn_opening *o = &s->o;
    o->unet_tensors = s->sets[0];
    return fine(s, limn_open_tokenizers(o)) && fine(s, limn_open_check(o)) &&
           fine(s, limn_open_wishes(o));
}

/* A file that is no model by itself: says so, and looks at it where it is a part of one. */
static void look_at_kind(inspection *s, const limn_kind *kind) {
    s->report.kind = kind->name;
    fine(s, limn_kind_refuse(kind, limn_folder_name(s->o.folder), &s->fault));
    if (!kind->part) return;
    find_parts(s, false);
    s->m.encoders = 1;
    try_networks(s);
}

static void look(inspection *s) {
    const limn_kind *kind = limn_folder_kind(s->o.folder);
    if (kind != NULL) {
        look_at_kind(s, kind);
        return;
    }
    limn_report *r = &s->report;
    limn_opening *o = &s->o;
    char index[] = "model_index.json";
    bool configured = false;
    if (limn_folder_has(o->folder, index)) {
        configured = limn_open_configs(o) == LIMN_OK;
        if (!configured && o->pipeline == NULL) fine(s, LIMN_E_INPUT);
    }
    find_parts(s, s->m.joined);
    if (!configured && r->fault_count == 0 && o->pipeline != NULL) fine(s, LIMN_E_INPUT);
    if (s->m.encoders == 0) s->m.encoders = 1;
    try_networks(s);
    r->has_tokenizer = find_tokenizers(s, s->m.encoders);
    if (s->sets[0] != NULL) guess_defaults(s);
    if (configured && r->fault_count == 0 && try_whole(s)) {
        take_defaults(s);
        r->complete = true;
    }
}

/* ---- hashing --------------------------------------------------------------------------------- */

/* Files on several threads. */
typedef struct hashing {
    limn_folder *folder;
    limn_fault fault;
} hashing;

static void hash_task(void *ctx, int i) {
    hashing *h = ctx;
    limn_error err;
    limn_status status = limn_folder_hash_file(h->folder, i, NULL, &err);
    if (status != LIMN_OK) limn_fault_keep(&h->fault, status, &err);
}

/* The hash of what a model's files are; of a folder only where every file of it was opened. */
static limn_status hash_files(inspection *s, limn_error *err) {
    limn_folder *f = s->o.folder;
    const bool folder = strcmp(s->report.container, "folder") == 0;
    if (folder && !s->report.complete) return LIMN_OK;
    hashing h = {.folder = f, .fault = {.err = err}};
    limn_parallel(s->o.threads, limn_folder_file_count(f), hash_task, &h);
    limn_status status = (limn_status)h.fault.status;
    if (status == LIMN_OK) status = limn_folder_hash(f, s->report.sha256, err);
    if (status == LIMN_OK) status = limn_folder_check(f, err);
    if (status == LIMN_OK && !folder && limn_folder_file_count(f) == 1)
        memcpy(s->report.short_hash, s->report.sha256, 10);
    return status;
}

/* ---- the report ------------------------------------------------------------------------------ */

/* An inspection before its first look; NULL = no memory. */
static inspection *begin(int threads) {
    inspection *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->o = (limn_opening){
        .m = &s->m, .threads = threads > 0 ? threads : limn_threads_default(), .err = &s->fault};
    s->list = (limn_fault_list){.ctx = s, .add = add_fault};
    s->m.kernels = limn_kernels_pick();
    s->report = (limn_report){.kind = "",
                              .family = "",
                              .family_label = "",
                              .sampler = "",
                              .notes = s->m.notes,
                              .prediction = "",
                              .parts = s->parts,
                              .faults = (const char *const *)s->faults,
                              .name = s->name};
    return s;
}

/* Looks at the folder that was opened. */
static limn_status look_at_folder(inspection *s, limn_error *err) {
    limn_report *r = &s->report;
    limn_fp_state fp = limn_fp_enter();
    snprintf(s->name, sizeof s->name, "%.255s", limn_folder_name(s->o.folder));
    memcpy(s->m.name, s->name, sizeof s->m.name);
    r->container = limn_folder_container(s->o.folder);
    look(s);
    r->unused = limn_folder_unused(s->o.folder);
    r->bytes = limn_folder_size(s->o.folder);
    limn_fp_leave(fp);
    return list_tensors(s, err);
}

limn_status limn_inspect(const char *path, const limn_open_options *options, bool hash,
                         limn_report **out, limn_error *error) {
    *out = NULL;
    const limn_open_options how = options ? *options : (limn_open_options){0};
    const limn_folder_asides asides = {.vae = how.vae,
                                       .text_encoder = how.text_encoder,
                                       .text_encoder_2 = how.text_encoder_2,
                                       .tokenizer = how.tokenizer,
                                       .any = true};
    inspection *s = begin(how.threads);
    if (!s) return limn_fail(error, LIMN_E_MEMORY, "no memory to look at %s", path);
    limn_status status = limn_folder_open_with(path, &asides, &s->o.folder, error);
    if (status == LIMN_OK) status = look_at_folder(s, error);
    if (status == LIMN_OK && hash) status = hash_files(s, error);
    if (status == LIMN_OK)
        *out = &s->report;
    else
        limn_report_free(&s->report);
    return status;
}

void limn_report_free(limn_report *report) {
    inspection *s = (inspection *)report;
    if (s == NULL) return;
    for (int i = 0; i < s->report.fault_count; i++) free(s->faults[i]);
    for (int i = 0; i < LIMN_ENCODERS_MOST; i++) limn_tokenizer_close(s->m.tokenizer[i]);
    limn_folder_close(s->o.folder);
    free(s->tensors);
    free(s);
}
