/* The command line: `limn "a red apple"`, batch, again, show, samplers, inspect, convert, quantize,
 * bench.
 *
 * It uses the library through limn.h alone, and is the only room that prints and exits. Everything
 * here returns an exit status, which is a limn_status (or 1 where `again` found a difference);
 * whoever finds a fault says one sentence on stderr with limn_tool_fail and returns its status, and
 * all others pass it on. Standard output holds results only: the pictures' names, or JSON lines. */
#ifndef LIMN_TOOL_TOOL_H
#define LIMN_TOOL_TOOL_H

#include "limn.h"
#include <stdio.h>

/* What `again` exits with where a picture did not come out the same. */
#define LIMN_TOOL_DIFFERENT 1

/* The most pictures that one --count may ask for, and the most --set on one command line. */
#define LIMN_TOOL_COUNT_MAX 100000
#define LIMN_TOOL_SETS_MAX  32

/* The most --lora. */
#define LIMN_TOOL_LORAS_MAX 16

/* Room for limn_settings, and for limn_text_settings. */
#define LIMN_TOOL_SETTINGS_MAX 64
#define LIMN_TOOL_TEXTS_MAX    32

/* The commands, as bits, since the option table says which option belongs to which. */
typedef enum limn_tool_command {
    LIMN_TOOL_DRAW = 1,
    LIMN_TOOL_BATCH = 2,
    LIMN_TOOL_AGAIN = 4,
    LIMN_TOOL_SHOW = 8,
    LIMN_TOOL_LIST = 16,
    LIMN_TOOL_BENCH = 32,
    LIMN_TOOL_INSPECT = 64,
    LIMN_TOOL_CONVERT = 128,
    LIMN_TOOL_QUANTIZE = 256,
} limn_tool_command;

/* A --lora FILE[:SCALE]. */
typedef struct limn_tool_lora {
    const char *text; /* of which the first `length` bytes are the file */
    int length;
    double scale;
} limn_tool_lora;

/* The command line, read. A NULL string or a false has_... = not given. Strings are argv's. */
typedef struct limn_tool_options {
    limn_tool_command command;
    const char *operand; /* the prompt, the prompt file, the picture or model; NULL = none */
    const char *target;  /* what convert writes */
    const char *type;    /* what numbers it becomes */
    const char *output, *model, *precision, *taesd, *cache, *negative, *sampler, *schedule, *rng,
        *arch;
    const char *init, *mask;
    const char *control, *control_image;
    const char *vae, *text_encoder, *text_encoder_2, *tokenizer;
    const char *prompt_syntax, *embeddings;
    const char *sampler_schedule; /* that the sampler's spelling names: "DPM++ 2M Karras" */
    uint64_t seed;
    size_t max_memory; /* bytes; 0 = not given */
    double guidance, eta;
    int count, steps, width, height, threads, runs;
    bool has_seed, has_guidance, has_eta, has_steps, has_size;
    bool quiet, json, dry_run, force, tensors, help, version;
    int loras;
    limn_tool_lora lora[LIMN_TOOL_LORAS_MAX];
    int sets;
    const char *set[LIMN_TOOL_SETS_MAX];      /* "name=value" */
    double setting[LIMN_TOOL_SETTINGS_MAX];   /* as limn_settings lists them */
    bool has_setting[LIMN_TOOL_SETTINGS_MAX]; /* which of them were given */
    const char *text[LIMN_TOOL_TEXTS_MAX];    /* as limn_text_settings lists them */
} limn_tool_options;

/* ---- options.c, commands.c, numbers.c, suggest.c, help.c ------------------------------------- */

/* Reads argv[1..] for one command; argv[0] is skipped. Names of samplers, schedules and generators
 * have become limn's own, numbers are within range. */
int limn_tool_options_read(limn_tool_command command, int argc, char **argv,
                           limn_tool_options *out);

/* The commands' own words, for main and for hints: 0 where `word` is none. */
limn_tool_command limn_tool_command_find(const char *word);

/* Puts what was asked for over a model's preferences. */
void limn_tool_options_apply(const limn_tool_options *options, limn_request *request);

/* Reads a whole number in [least, most]; `option` is what the sentence names. */
int limn_tool_read_int(const char *option, const char *text, int least, int most, int *out);

/* Reads a decimal number likewise. */
int limn_tool_read_double(const char *option, const char *text, double least, double most,
                          double *out);

/* Reads a seed, 0 to 2^64 - 1, in decimal. */
int limn_tool_read_seed(const char *text, uint64_t *out);

/* Reads an amount of memory in bytes: "2G", "1.5G", "1500M", "800000K" (of 1024 each) or bytes. */
int limn_tool_read_memory(const char *text, size_t *out);

/* Reads "512x768". */
int limn_tool_read_size(const char *text, int *width, int *height);

/* The nearest of `count` words by edit distance (case aside), or NULL where none is near enough to
 * be what was meant. next(ctx, i) is the i-th word. */
const char *limn_tool_nearest(const char *typed, int count,
                              const char *(*next)(const void *ctx, int i), const void *ctx);

/* Prints what --help shows, and what `limn` alone shows. */
void limn_tool_help(FILE *to);
void limn_tool_usage(FILE *to); /* see above */

/* ---- say.c, json.c --------------------------------------------------------------------------- */

/* One sentence on stderr, "limn: ...", without control characters. Returns `status`. */
int limn_tool_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for the sentence that the library wrote. */
int limn_tool_fail_with(const limn_error *error);

/* The same with the name of the file that it is about before it. */
int limn_tool_fail_about(const char *path, const limn_error *error);

/* "limn: warning: ..." on stderr, unless quiet. */
void limn_tool_warn(const limn_tool_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "limn: ..." about the way of things, unless quiet. */
void limn_tool_note(const limn_tool_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A stranger's text for a terminal: control characters become '?', broken UTF-8 too; a line feed
 * starts a new line, indented by `indent` spaces. */
void limn_tool_print_text(FILE *to, const char *text, int indent);

/* Sends what was printed on its way: LIMN_E_IO, said once, where standard output is full or shut.
 */
int limn_tool_flush(void);

/* The bytes of a text as a JSON string, with its quotes; broken UTF-8 becomes U+FFFD. NULL prints
 * null. */
void limn_tool_json_text(FILE *to, const char *text);

/* A number as JSON, in the fewest digits that read back as the same double. */
void limn_tool_json_number(FILE *to, double value);

/* The members that every line about a picture has: seed, width, height, steps, ... without braces,
 * starting with a comma. */
void limn_tool_json_request(FILE *to, const limn_request *request);

/* The SHA-256 of the pixels that a picture is drawn from; false, and "", where there are none. */
bool limn_tool_source_sha256(const limn_input *source, char hex[65]);

/* The line of --json about a picture whose file is there.
 *   status  "done" or "skipped"
 *   line    in the prompt file; 0 = left out
 *   ms      what rendering took; below 0 = left out */
int limn_tool_json_picture(const limn_model *model, const limn_request *request, const char *path,
                           const char *status, int line, double ms);

/* ---- warn.c -----------------------------------------------------------------------------------
 */

/* The next line of a text, which moves on past it: its length, 0 at the end. */
int limn_tool_next_line(const char **text, const char **line);

/* What became of the cache that was asked for, and what limn had to assume of the model. */
void limn_tool_warn_model(const limn_tool_options *options, const limn_model *model);

/* What prompts lose: says on stderr what the model will not read, and what was repaired. */
void limn_tool_warn_prompts(const limn_tool_options *options, const limn_model *model,
                            const limn_request *request, int line);

/* What else of a request does nothing, of one that limn_request_settle has not seen. */
void limn_tool_warn_idle(const limn_tool_options *options, const limn_model *model,
                         const limn_request *request, int line);

/* ---- find.c, lora.c, input.c, output.c ------------------------------------------------------- */

/* Finds and loads the model that the options, $LIMN_MODEL or the installation name, with the
 * precision and the LoRA files that the options ask for; or that `recipe` was drawn with, where it
 * is not NULL. Warns of what a LoRA has for no part of the model. */
int limn_tool_model_open(const limn_tool_options *options, const limn_recipe *recipe,
                         limn_model **out);

/* The path of the file `name` in the folder of the file `beside`; the caller frees it. NULL = no
 * memory. */
char *limn_tool_sibling(const char *beside, const char *name);

/* LoRA files for limn_open_options; the paths are its own, the names a recipe's. */
typedef struct limn_tool_loras {
    limn_lora item[LIMN_TOOL_LORAS_MAX];
    int count;
} limn_tool_loras;

/* Reads FILE or FILE:SCALE; what follows the last colon is a scale where it looks like a number. */
int limn_tool_read_lora(const char *text, limn_tool_lora *out);

/* The LoRA files that the options name (recipe NULL), or those that the recipe of the picture
 * options->operand means, found by name and told by their hashes. To be freed in any case. */
int limn_tool_loras_find(const limn_tool_options *options, const limn_recipe *recipe,
                         limn_tool_loras *out);
void limn_tool_loras_free(limn_tool_loras *loras); /* see above */

/* Says which tensors of the model's LoRA files belong to nothing in it. */
void limn_tool_warn_loras(const limn_tool_options *options, const limn_model *model);

/* Bytes of a file, from malloc. */
typedef struct limn_tool_bytes {
    uint8_t *data;
    size_t size;
} limn_tool_bytes;

/* Reads a file, or standard input for "-", whole; at most 256 MB. The caller frees data. */
int limn_tool_read(const char *path, limn_tool_bytes *out);

/* The name of the picture `number` (from 1) of `count`; the caller frees it. NULL = no memory.
 *   output "f.png": f.png, or f-1.png, f-2.png ... where count > 1
 *   output a folder, or NULL for the current one: a-red-apple-7.png in it */
char *limn_tool_output_name(const char *output, const char *prompt, uint64_t seed, int number,
                            int count);

/* Whether pictures can be written as asked: the ending is known, the folder is there (of "new/",
 * the one that it is to be made in) and may be written to. */
int limn_tool_output_check(const char *output, bool dry);

/* Makes the folder "new/" where it is missing: not before there is a picture to draw into it. */
int limn_tool_output_make(const char *output);

/* Fails where `path` is there already; the final say is the library's, at writing. */
int limn_tool_output_free(const char *path);

/* ---- sources.c ------------------------------------------------------------------------------- */

/* The pictures that a picture is drawn from; NULL where there is none. */
typedef struct limn_tool_sources {
    limn_picture *init, *mask, *control;
} limn_tool_sources;

/* Reads the files that the options name; the caller frees what is in *out. */
int limn_tool_sources_load(const limn_tool_options *options, limn_tool_sources *out);

/* Puts them into a request, which then has the first one's size unless the options name one. The
 * pictures and the options must live as long as it. */
void limn_tool_sources_apply(const limn_tool_options *options, const limn_model *model,
                             const limn_tool_sources *sources, limn_request *request);

/* The same for a request out of the recipe of the picture options->operand: what the options do not
 * name is looked for in the current folder, then beside the picture, under the name that the recipe
 * has. Where nothing is found, the library says so later. */
int limn_tool_sources_find(const limn_tool_options *options, limn_request *request,
                           limn_tool_sources *out);

/* Releases the pictures. */
void limn_tool_sources_free(limn_tool_sources *sources);

/* ---- progress.c, interrupt.c ----------------------------------------------------------------- */

/* A line that tells how far a rendering is: redrawn in place on a terminal, else now and then a
 * line of its own. Plain data; starts as limn_tool_progress_start makes it. */
typedef struct limn_tool_progress {
    bool quiet, terminal;
    int number, count; /* which picture of how many; shown where count > 1 */
    int shown;         /* columns that the bar takes on the screen now */
    double last_ms;    /* when it was last shown, since the rendering began */
    double total_ms;   /* the last step's elapsed time */
    int steps;         /* that the rendering has; 0 before the first is done */
} limn_tool_progress;

/* Whether someone looks at stderr, and lines can be drawn over there. */
bool limn_tool_is_terminal(void);

/* Prepares for the picture `number` of `count`. */
limn_tool_progress limn_tool_progress_start(const limn_tool_options *options, int number,
                                            int count);

/* For limn_options.progress, user = the limn_tool_progress: shows the step; false once the user
 * wants to stop. */
bool limn_tool_progress_step(void *user, const limn_progress *progress);

/* Takes the bar off the screen. */
void limn_tool_progress_end(limn_tool_progress *progress);

/* From now on Ctrl-C, SIGTERM and SIGHUP ask to stop instead of killing; a second one kills. */
void limn_tool_interrupt_catch(void);

/* Whether one of them came. */
bool limn_tool_interrupted(void);

/* The same for limn_options.stop. */
bool limn_tool_stop(void *user);

/* ---- the commands: a file each, dry.c, compare.c --------------------------------------------- */

int limn_tool_draw(const limn_tool_options *options);    /* limn "a red apple" */
int limn_tool_batch(const limn_tool_options *options);   /* limn batch prompts.txt */
int limn_tool_again(const limn_tool_options *options);   /* limn again apple.png */
int limn_tool_show(const limn_tool_options *options);    /* limn show apple.png */
int limn_tool_inspect(const limn_tool_options *options); /* limn inspect model.gguf */
int limn_tool_list(const limn_tool_options *options);    /* limn samplers */
int limn_tool_bench(const limn_tool_options *options);   /* limn bench */
int limn_tool_convert(const limn_tool_options *options); /* limn convert model.gguf folder */

/* Prints "name   text". */
void limn_tool_print_line(FILE *to, const char *name, const char *text);

/* Prints a request as such, for show and --dry-run. width, height: of the finished
 * picture, px, which `upscale` makes larger than the request's. */
void limn_tool_print_request(FILE *to, const limn_request *request, int width, int height);

/* What drawing is handed beside the request, for draw, batch and again. */
typedef struct limn_tool_job {
    const limn_tool_options *options;
    const limn_model *model;
    int number, count; /* this picture and how many there are */
} limn_tool_job;

/* Draws one picture to `path` and says its name and seed. */
int limn_tool_draw_one(const limn_tool_job *job, const limn_request *request, const char *path);

/* A picture that is drawn again. */
typedef struct limn_tool_again_job {
    const limn_tool_options *options;
    const limn_model *model;
    const char *path;            /* the picture's file */
    limn_tool_bytes bytes;       /* what is in it */
    const limn_picture *picture; /* the same, unpacked */
    const limn_recipe *recipe;
    limn_request request; /* the recipe's, with the pictures that it is drawn from */
} limn_tool_again_job;

/* Says whether `again` is the picture of the job, pixels and file: LIMN_OK where both are the same,
 * else LIMN_TOOL_DIFFERENT. */
int limn_tool_compare(const limn_tool_again_job *job, const limn_picture *again);

/* Says what drawing would take, and writes nothing. */
int limn_tool_draw_dry(const limn_tool_job *job, const limn_request *request, const char *path);

#endif
