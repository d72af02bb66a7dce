/* --output: the names that pictures get, and whether they can be written there. */
#include "tool/tool.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* Whether the output names a folder, there or to be made. */
static bool names_folder(const char *output) {
    return output[strlen(output) - 1] == '/' || is_folder(output);
}

/* The ending with its dot, or the end of the name where there is none. */
static const char *ending(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash + 1 : path, '.');
    return dot ? dot : path + strlen(path);
}

char *limn_tool_output_name(const char *output, const char *prompt, uint64_t seed, int number,
                            int count) {
    char *name = NULL;
    int n;
    if (!output || names_folder(output)) {
        char slug[LIMN_SLUG_BYTES];
        limn_prompt_slug(prompt, slug);
        const char *folder = output ? output : "";
        const char *slash = output && output[strlen(output) - 1] != '/' ? "/" : "";
        n = asprintf(&name, "%s%s%s-%" PRIu64 ".png", folder, slash, slug, seed);
    } else if (count > 1) {
        const char *end = ending(output);
        n = asprintf(&name, "%.*s-%d%s", (int)(end - output), output, number, end);
    } else {
        n = asprintf(&name, "%s", output);
    }
    return n < 0 ? NULL : name;
}

static int check_ending(const char *output) {
    static const char *const known[] = {".png", ".jpg", ".jpeg", ".bmp", ".tga"};
    const char *end = ending(output);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(end, known[i]) == 0) return LIMN_OK;
    }
    return limn_tool_fail(LIMN_E_USAGE,
                          "--output wants a name that ends in .png, .jpg, .bmp or .tga, or a "
                          "folder/, not '%s'",
                          output);
}

/* The folder that the output lies in; the caller frees it. */
static char *folder_of(const char *output) {
    if (!output) return strdup(".");
    if (names_folder(output)) return strdup(output);
    const char *slash = strrchr(output, '/');
    if (!slash) return strdup(".");
    return strndup(output, slash == output ? 1 : (size_t)(slash - output));
}

/* Whether the output is a folder that has yet to be made: "new/". */
static bool is_to_be_made(const char *output) {
    return output && output[strlen(output) - 1] == '/' && access(output, F_OK) != 0;
}

/* The folder that "a/new/" is to be made in; the caller frees it. */
static char *parent_of(const char *folder) {
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    while (n > 0 && folder[n - 1] != '/') n--;
    return n > 0 ? strndup(folder, n) : strdup(".");
}

int limn_tool_output_check(const char *output, bool dry) {
    if (output && !names_folder(output)) {
        int status = check_ending(output);
        if (status != LIMN_OK) return status;
    }
    if (dry && is_to_be_made(output)) return LIMN_OK;
    char *folder = is_to_be_made(output) ? parent_of(output) : folder_of(output);
    if (!folder) return limn_tool_fail(LIMN_E_MEMORY, "no memory for a file name");
    int status = LIMN_OK;
    if (!is_folder(folder)) {
        status = limn_tool_fail(LIMN_E_CREATE, "the folder %s %s", folder,
                                access(folder, F_OK) == 0 ? "is not a folder" : "is not there");
    } else if (access(folder, W_OK | X_OK) != 0) {
        status = limn_tool_fail(LIMN_E_CREATE, "the folder %s cannot be written to: %s", folder,
                                strerror(errno));
    }
    free(folder);
    return status;
}

int limn_tool_output_make(const char *output) {
    if (!is_to_be_made(output) || mkdir(output, 0777) == 0) return LIMN_OK;
    return limn_tool_fail(LIMN_E_CREATE, "the folder %s cannot be made: %s", output,
                          strerror(errno));
}

int limn_tool_output_free(const char *path) {
    struct stat s;
    if (lstat(path, &s) != 0) return LIMN_OK;
    return limn_tool_fail(LIMN_E_CREATE, "%s is there already (--force replaces it)", path);
}
