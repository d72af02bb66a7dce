#include "render/manifest.h"
#include "base/file.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of the file, without its line feed. */
typedef struct limn_manifest_line {
    const char *start;
    size_t size;
} limn_manifest_line;

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_lines(const void *a, const void *b) {
    const limn_manifest_line *p = a, *q = b;
    return compare_bytes(p->start, p->size, q->start, q->size);
}

/* Copies the file, which others may change meanwhile, into m->text. *size is without the NUL. */
static limn_status read_text(limn_manifest *m, size_t *size, limn_error *err) {
    limn_bytes bytes = {0};
    if (limn_file_exists(m->path)) {
        limn_status status = limn_file_open(m->path, &bytes, err);
        if (status != LIMN_OK) return status;
    }
    *size = bytes.size;
    m->text = malloc(bytes.size + 1);
    if (m->text) {
        if (bytes.size > 0) memcpy(m->text, bytes.data, bytes.size);
        m->text[bytes.size] = '\0';
    }
    limn_file_close(&bytes);
    return m->text ? LIMN_OK : limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read it", m->path);
}

/* Cuts off half a row at the end. A last line that ends as a row does is whole, and only lacks its
 * line feed, which limn_file_append_line sees to. */
static limn_status mend(limn_manifest *m, size_t *size, limn_error *err) {
    size_t end = *size;
    if (end == 0 || m->text[end - 1] == '\n' || m->text[end - 1] == '}') return LIMN_OK;
    while (end > 0 && m->text[end - 1] != '\n') end--;
    *size = end;
    return limn_file_write(m->path, m->text, end, true, err);
}

/* Fills m->lines. */
static limn_status split(limn_manifest *m, size_t size, limn_error *err) {
    size_t count = 0;
    const char *end = m->text + size;
    for (const char *s = m->text; s < end; count++) {
        const char *feed = memchr(s, '\n', (size_t)(end - s));
        s = feed ? feed + 1 : end;
    }
    m->lines = calloc(count ? count : 1, sizeof *m->lines);
    if (!m->lines) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to read it", m->path);
    for (const char *s = m->text; s < end;) {
        const char *feed = memchr(s, '\n', (size_t)(end - s));
        const char *stop = feed ? feed : end;
        m->lines[m->count++] = (limn_manifest_line){.start = s, .size = (size_t)(stop - s)};
        s = feed ? feed + 1 : end;
    }
    qsort(m->lines, m->count, sizeof *m->lines, compare_lines);
    return LIMN_OK;
}

limn_status limn_manifest_open(const char *folder, limn_manifest *out, limn_error *err) {
    *out = (limn_manifest){.path = limn_path_join(folder, "manifest.jsonl")};
    if (!out->path) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a name", folder);
    size_t size = 0;
    limn_status status = read_text(out, &size, err);
    if (status == LIMN_OK) status = mend(out, &size, err);
    if (status == LIMN_OK) status = split(out, size, err);
    if (status != LIMN_OK) limn_manifest_close(out);
    return status;
}

void limn_manifest_close(limn_manifest *m) {
    free(m->path);
    free(m->text);
    free(m->lines);
    *m = (limn_manifest){0};
}

/* The first line that does not sort before `text`. */
static size_t lower_bound(const limn_manifest *m, const char *text, size_t size) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const limn_manifest_line *line = &m->lines[middle];
        if (compare_bytes(line->start, line->size, text, size) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool begins(const limn_manifest_line *line, const char *text, size_t size) {
    return line->size >= size && memcmp(line->start, text, size) == 0;
}

bool limn_manifest_knows(const limn_manifest *m, const char *file, const char *request) {
    char prefix[200], made[240], again[240];
    int n = snprintf(prefix, sizeof prefix, "{\"file\":\"%s\",", file);
    if (n < 0 || (size_t)n >= sizeof prefix) return false;
    snprintf(made, sizeof made, "%s\"status\":\"done\",", prefix);
    snprintf(again, sizeof again, "%s\"status\":\"skipped\",", prefix);
    const limn_manifest_line *last = NULL;
    for (size_t i = lower_bound(m, prefix, (size_t)n); i < m->count; i++) {
        const limn_manifest_line *line = &m->lines[i];
        if (!begins(line, prefix, (size_t)n)) break;
        bool good = begins(line, made, strlen(made)) || begins(line, again, strlen(again));
        if (good && (!last || line->start > last->start)) last = line;
    }
    size_t tail = strlen(request) + 1;
    return last && last->size > tail && last->start[last->size - 1] == '}' &&
           memcmp(last->start + last->size - tail, request, tail - 1) == 0;
}

/* Text as JSON, with its quotes; the caller frees it. NULL = no memory, or no UTF-8. */
static char *quote(const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    return quoted;
}

/* Appends ,"name":value; false where memory ran out, and then *row is gone. */
static bool add_member(char **row, const char *name, const char *value) {
    char *longer = NULL;
    if (value && asprintf(&longer, "%s,\"%s\":%s", *row, name, value) < 0) longer = NULL;
    free(*row);
    *row = longer;
    return longer != NULL;
}

static bool add_quoted(char **row, const char *name, const char *text) {
    char *quoted = quote(text);
    bool added = add_member(row, name, quoted);
    free(quoted);
    return added;
}

/* The row as one line; the caller frees it. NULL = no memory. The order of its members is part of
 * the format: limn_manifest_knows looks for the first two and the last. */
static char *write_row(const limn_manifest_row *r) {
    char number[40];
    char *file = quote(r->file), *row = NULL;
    if (!file || asprintf(&row, "{\"file\":%s", file) < 0) row = NULL;
    free(file);
    bool good = row && add_quoted(&row, "status", r->status);
    snprintf(number, sizeof number, "%d", r->line);
    good = good && add_member(&row, "line", number);
    snprintf(number, sizeof number, "%" PRIu64, r->seed);
    if (r->request) good = good && add_member(&row, "seed", number);
    if (r->sha256) good = good && add_quoted(&row, "sha256", r->sha256);
    snprintf(number, sizeof number, "%.1f", r->ms);
    if (r->ms >= 0) good = good && add_member(&row, "ms", number);
    if (r->error) {
        snprintf(number, sizeof number, "%d", (int)r->error->status);
        good = good && add_member(&row, "code", number);
        good = good && add_quoted(&row, "error", r->error->text);
    }
    if (r->request) good = good && add_member(&row, "request", r->request);
    if (!good) return NULL;
    char *line = NULL;
    if (asprintf(&line, "%s}", row) < 0) line = NULL;
    free(row);
    return line;
}

limn_status limn_manifest_add(const limn_manifest *m, const limn_manifest_row *row,
                              limn_error *err) {
    char *line = write_row(row);
    if (!line) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a row", m->path);
    size_t size = strlen(line), at = lower_bound(m, line, size);
    bool there = at < m->count && m->lines[at].size == size && begins(&m->lines[at], line, size);
    limn_status status = there ? LIMN_OK : limn_file_append_line(m->path, line, err);
    free(line);
    return status;
}
