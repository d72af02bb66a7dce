/* Files and standard input, read whole. */
#include "tool/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The most that is read into memory: far above any prompt file or picture. */
#define INPUT_BYTES_MAX ((size_t)256 << 20)

/* Reads until the end; *out may hold a part of it on failure, for the caller to free. */
static int read_to_end(int fd, const char *name, limn_tool_bytes *out) {
    size_t room = 0;
    for (;;) {
        if (out->size == room) {
            room = room ? 2 * room : (size_t)64 << 10;
            uint8_t *more = realloc(out->data, room);
            if (!more) return limn_tool_fail(LIMN_E_MEMORY, "%s: no memory to read it", name);
            out->data = more;
        }
        ssize_t n = read(fd, out->data + out->size, room - out->size);
        if (n == 0) return LIMN_OK;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return limn_tool_fail(LIMN_E_IO, "%s cannot be read: %s", name, strerror(errno));
        out->size += (size_t)n;
        if (out->size > INPUT_BYTES_MAX) {
            return limn_tool_fail(LIMN_E_INPUT, "%s is larger than %zu MB", name,
                                  INPUT_BYTES_MAX >> 20);
        }
    }
}

int limn_tool_read(const char *path, limn_tool_bytes *out) {
    *out = (limn_tool_bytes){0};
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int status = errno == ENOENT || errno == ENOTDIR ? LIMN_E_MISSING : LIMN_E_IO;
        return limn_tool_fail(status, "%s cannot be opened: %s", name, strerror(errno));
    }
    int status = read_to_end(fd, name, out);
    if (!standard) close(fd);
    if (status != LIMN_OK) {
        free(out->data);
        *out = (limn_tool_bytes){0};
    }
    return status;
}
