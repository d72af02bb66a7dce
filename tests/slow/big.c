/* make big: checkpoints of the true size, SD 1.5's, SD 2.1's and SDXL's names and shapes with
 * random numbers, loaded from each container: time against that of reading the file, and peak
 * memory against what is stored and what is planned. And with a LoRA of rank 32 for each linear
 * layer of the U-Net. Needs some 15 GB of disk in TMPDIR (or /tmp), and 8 GB of memory, for some
 * minutes. tests/slow/big sd15 does one of them (sd15, sd21, sdxl), tests/slow/big sd15 1 measures
 * once.
 *
 * Both times are on the wall's clock, from a cold cache, in turn, and the medians of five: reading
 * is one thread's read() of 1 MB at a time to the file's end, loading is limn_model_open to its
 * return, when a picture can be begun. The hash is found after that, beside the drawing; how long
 * it takes then is told too. On a machine that does other work the times say little: the
 * processor's are there to be compared. GGUF's q8_0, of which more than copying is to be done, is
 * held against the bound of memory only. */
#include <fcntl.h>
#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "limn.h"
#include "support/published.h"

/* The bounds. */
#define TIME_MOST   1.5
#define MEMORY_MOST 1.15
#define LORA_RANK   32
#define CHUNK       ((size_t)1 << 20)
#define RUNS_MOST   25

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills the file's hole with float16 numbers of about 1/16, whose bits are random. */
static void fill(const char *path) {
    FILE *f = fopen(path, "r+b");
    uint64_t length, state = 1;
    uint16_t *chunk = malloc(CHUNK);
    assert_non_null(f);
    assert_non_null(chunk);
    assert_int_equal(fread(&length, 1, 8, f), 8);
    fseek(f, 0, SEEK_END);
    const uint64_t size = (uint64_t)ftell(f);
    fseek(f, (long)(8 + length), SEEK_SET);
    for (uint64_t at = 8 + length; at < size; at += CHUNK) {
        for (size_t i = 0; i < CHUNK / 2; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            chunk[i] = (uint16_t)((state >> 48 & 0x83ff) | 0x2c00);
        }
        const size_t count = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        assert_int_equal(fwrite(chunk, 1, count, f), count);
    }
    assert_int_equal(fclose(f), 0);
    free(chunk);
}

/* Calls do_one for a file, or for every file of a folder. */
static void each_file(const char *path, void (*do_one)(void *ctx, const char *file), void *ctx) {
    char own[300];
    snprintf(own, sizeof own, "%s", path);
    FTS *tree = fts_open((char *[]){own, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (FTSENT *e; (e = fts_read(tree)) != NULL;)
        if (e->fts_info == FTS_F) do_one(ctx, e->fts_accpath);
    fts_close(tree);
}

/* Puts a file out of the system's cache, as it is before it is first used. */
static void cool(void *ctx, const char *path) {
    (void)ctx;
    const int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(fdatasync(file), 0);
    assert_int_equal(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(file);
}

/* Reads a file to its end; ctx counts the bytes. */
static void read_file(void *ctx, const char *path) {
    uint64_t *bytes = ctx;
    const int file = open(path, O_RDONLY);
    char *chunk = malloc(CHUNK);
    assert_true(file >= 0);
    assert_non_null(chunk);
    for (ssize_t n; (n = read(file, chunk, CHUNK)) > 0;) *bytes += (uint64_t)n;
    close(file);
    free(chunk);
}

/* Seconds that reading a file or folder from the disk takes, once. */
static double read_seconds(const char *path, uint64_t *bytes) {
    each_file(path, cool, NULL);
    *bytes = 0;
    const double start = now();
    each_file(path, read_file, bytes);
    return now() - start;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int count) {
    qsort(x, (size_t)count, sizeof *x, compare);
    return x[count / 2];
}

/* What a child process found out. */
typedef struct outcome {
    double seconds, processor; /* until it is open, on the wall's clock; of all threads together */
    double hashed;             /* until its hash is known as well, on the wall's clock */
    size_t resident;
} outcome;

static double processor(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Loads the model in a process of its own; *peak becomes its largest memory. lora NULL = none. */
static outcome load(const char *path, const char *lora, size_t *peak) {
    int ends[2];
    each_file(path, cool, NULL);
    outcome o = {0};
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        limn_error err;
        limn_model *m;
        const double start = now();
        const limn_lora one = {.path = lora, .scale = 1};
        const limn_open_options how = {
            .tokenizer = "tests/golden/clip", .loras = &one, .lora_count = lora ? 1 : 0};
        if (limn_model_open(path, &how, &m, &err) != LIMN_OK) {
            fprintf(stderr, "%s\n", err.text);
            _exit(1);
        }
        o.seconds = now() - start;
        o.processor = processor();
        o.resident = limn_model_describe(m).resident_bytes; /* waits for the hash */
        o.hashed = now() - start;
        const bool sent = write(ends[1], &o, sizeof o) == (ssize_t)sizeof o;
        _exit(sent ? 0 : 1);
    }
    int status;
    struct rusage usage;
    close(ends[1]);
    assert_int_equal(read(ends[0], &o, sizeof o), sizeof o);
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    close(ends[0]);
    assert_int_equal(status, 0);
    *peak = (size_t)usage.ru_maxrss * 1024;
    return o;
}

/* What is measured. */
typedef struct container {
    const char *what, *path; /* a file, or a folder of some */
    const char *lora;        /* merged into it; NULL = none */
    int runs;                /* 1 to RUNS_MOST; the median counts */
    bool timed;              /* whether it is held against the bound of time */
} container;

/* Loads it, and holds it against the bounds. */
static bool measure(const container *c) {
    uint64_t bytes = 0;
    size_t peak, least = SIZE_MAX, resident = 0;
    double reading[RUNS_MOST], seconds[RUNS_MOST], processor[RUNS_MOST], hashed[RUNS_MOST];
    for (int run = 0; run < c->runs; run++) {
        reading[run] = read_seconds(c->path, &bytes);
        const outcome o = load(c->path, c->lora, &peak);
        seconds[run] = o.seconds;
        processor[run] = o.processor;
        hashed[run] = o.hashed;
        resident = o.resident;
        least = peak < least ? peak : least;
    }
    const double bound = MEMORY_MOST * (double)bytes + (double)resident;
    const double read = median(reading, c->runs), open = median(seconds, c->runs);
    const bool slow = open > TIME_MOST * read;
    printf("%-26s %5.0f MB  read %5.2f s (%.2f to %.2f)  open %5.2f s (%.2f to %.2f) = %5.2f%s "
           "(processor %5.2f s, hash known after %5.2f s)  peak %5.0f MB of %5.0f\n",
           c->what, (double)bytes / 1e6, read, reading[0], reading[c->runs - 1], open, seconds[0],
           seconds[c->runs - 1], open / read, slow && c->timed ? "!" : " ",
           median(processor, c->runs), median(hashed, c->runs), (double)least / 1e6, bound / 1e6);
    fflush(stdout);
    return (double)least <= bound && !(slow && c->timed);
}

/* Converts; false where that fails. */
static bool convert(const char *from, const char *to, const char *type) {
    char command[1000];
    const char *limn = getenv("LIMN");
    snprintf(command, sizeof command, "%s convert %s %s --type %s --tokenizer tests/golden/clip -q",
             limn ? limn : "./limn", from, to, type);
    return system(command) == 0;
}

/* Adds a tensor of float16 to a safetensors header. */
static void add_tensor(FILE *f, const char *name, uint64_t rows, uint64_t columns, uint64_t *at) {
    fprintf(f, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[%llu,%llu],\"data_offsets\":[%llu,%llu]}",
            *at ? "," : "{", name, (unsigned long long)rows, (unsigned long long)columns,
            (unsigned long long)*at, (unsigned long long)(*at + 2 * rows * columns));
    *at += 2 * rows * columns;
}

/* A LoRA under way. */
typedef struct lora_file {
    FILE *header;
    uint64_t at;
} lora_file;

/* Corrects a linear layer of the U-Net: kohya's names, those of the original code. */
static void add_lora(void *ctx, const char *name, int rank, const uint64_t *shape) {
    static const char unet[] = "model.diffusion_model.", weight[] = ".weight";
    lora_file *l = ctx;
    char layer[300], full[400];
    const size_t length = strlen(name) - (sizeof weight - 1);
    if (rank != 2 || strncmp(name, unet, sizeof unet - 1) != 0) return;
    snprintf(layer, sizeof layer, "%.*s", (int)(length - (sizeof unet - 1)),
             name + sizeof unet - 1);
    for (char *p = layer; *p; p++)
        if (*p == '.') *p = '_';
    snprintf(full, sizeof full, "lora_unet_%s.lora_down.weight", layer);
    add_tensor(l->header, full, LORA_RANK, shape[1], &l->at);
    snprintf(full, sizeof full, "lora_unet_%s.lora_up.weight", layer);
    add_tensor(l->header, full, shape[0], LORA_RANK, &l->at);
}

static void write_lora(published which, const char *path) {
    char *text;
    size_t size;
    lora_file l = {.header = open_memstream(&text, &size)};
    published_tensors(which, 4, add_lora, &l);
    fputc('}', l.header);
    fclose(l.header);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    const uint64_t length = size;
    assert_int_equal(fwrite(&length, 1, sizeof length, f), sizeof length);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)(8 + size + l.at)), 0);
    free(text);
    fill(path);
}

/* Removes a file or a folder of some. */
static void discard(const char *path) {
    char command[400];
    snprintf(command, sizeof command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

/* Each container in turn; never more than two are on the disk. */
static bool every_container(published which, const char *name, int runs) {
    static const struct {
        const char *what, *ending, *type;
        bool timed;
    } forms[] = {{"diffusers folder f16", "folder", "f16", true},
                 {"safetensors diffusers f16", "own.safetensors", "f16", true},
                 {"gguf f16", "x.gguf", "f16", true},
                 {"gguf q8_0", "y.gguf", "q8_0", false}};
    const char *tmp = getenv("TMPDIR");
    char folder[200], ldm[300], lora[300], other[300];
    snprintf(folder, sizeof folder, "%s/limn-big-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(ldm, sizeof ldm, "%s/%s.safetensors", folder, name);
    snprintf(lora, sizeof lora, "%s/lora.safetensors", folder);
    published_write(which, 4, ldm);
    fill(ldm);
    write_lora(which, lora);
    printf("%s\n", name);
    bool good = measure(&(container){"safetensors LDM f16", ldm, NULL, runs, true});
    good = measure(&(container){"the same with a LoRA", ldm, lora, runs, false}) && good;
    discard(lora);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(other, sizeof other, "%s/%s", folder, forms[i].ending);
        const bool made = convert(ldm, other, forms[i].type);
        good =
            made && measure(&(container){forms[i].what, other, NULL, runs, forms[i].timed}) && good;
        if (made) discard(other);
    }
    discard(folder);
    return good;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        published which;
    } models[] = {{"sd15", PUBLISHED_SD15}, {"sd21", PUBLISHED_SD21}, {"sdxl", PUBLISHED_SDXL}};
    const int asked = argc > 2 ? atoi(argv[2]) : 5;
    const int runs = asked < 1 ? 1 : asked > RUNS_MOST ? RUNS_MOST : asked;
    bool good = true;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (argc < 2 || strcmp(argv[1], models[i].name) == 0)
            good = every_container(models[i].which, models[i].name, runs) && good;
    if (!good) fprintf(stderr, "a figure is past its bound\n");
    return good ? 0 : 1;
}
