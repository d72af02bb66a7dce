#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file_parts.h"

/* ---- reasons --------------------------------------------------------------------------------- */

/* What the system said, in words of our own: strerror's change with the user's language. */
static const char *reason(int code, char *room, size_t size) {
    switch (code) {
    case ENOSPC:
        return "no space left on the device";
    case EDQUOT:
        return "the disk quota is used up";
    case EFBIG:
        return "the file would be larger than the system allows";
    case EIO:
        return "the device reports an error";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EROFS:
        return "the file system is read-only";
    case ENOENT:
        return "no such file or folder";
    case ENOTDIR:
        return "a part of the path is not a folder";
    case EISDIR:
        return "it is a folder";
    case EEXIST:
        return "it exists already";
    case ENAMETOOLONG:
        return "the name is too long";
    case ELOOP:
        return "too many symbolic links";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ENOMEM:
        return "out of memory";
    default:
        snprintf(room, size, "system error %d", code);
        return room;
    }
}

limn_status limn_file_fail(limn_error *err, limn_status status, const char *path, const char *what,
                           int code) {
    char room[40];
    return limn_fail(err, status, "%s: %s: %s", path, what, reason(code, room, sizeof room));
}

/* ---- system calls that are repeated where a signal broke in ---------------------------------- */

int limn_file_open_again(const char *path, int flags, mode_t mode) {
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* One read of up to `size` bytes; waits where the descriptor does not. -1 and errno on failure. */
static ssize_t read_some(int fd, void *out, size_t size) {
    for (;;) {
        ssize_t n = read(fd, out, size < 1u << 30 ? size : 1u << 30);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (errno == EAGAIN) poll(&wait, 1, -1);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What a file was when it was opened; see limn_source. */
static int64_t nanoseconds(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Looks at an open file and describes it; not at what cannot be read by place. */
static limn_status describe(int fd, const char *path, limn_source *out, limn_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return limn_file_fail(err, LIMN_E_IO, path, "cannot be read", errno);
    if (S_ISDIR(st.st_mode)) return limn_file_fail(err, LIMN_E_IO, path, "cannot be read", EISDIR);
    if (!S_ISREG(st.st_mode)) return limn_fail(err, LIMN_E_IO, "%s: not a regular file", path);
    if (st.st_size < 0 || (uintmax_t)st.st_size > PTRDIFF_MAX)
        return limn_fail(err, LIMN_E_MEMORY, "%s: too large for this machine", path);
    *out = (limn_source){
        .name = path, .size = (uint64_t)st.st_size, .file = fd + 1, .changed_ns = nanoseconds(&st)};
    return LIMN_OK;
}

limn_status limn_source_open(const char *path, limn_source *out, limn_error *err) {
    *out = (limn_source){0};
    /* O_NONBLOCK: a named pipe must not make us wait for its writer. */
    int fd = limn_file_open_again(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        return limn_file_fail(err, absent ? LIMN_E_MISSING : LIMN_E_IO, path, "cannot be read",
                              errno);
    }
    limn_status status = describe(fd, path, out, err);
    if (status == LIMN_OK)
        out->direct = limn_file_open_direct(path, fd) + 1;
    else
        close(fd);
    return status;
}

limn_status limn_source_read(const limn_source *s, uint64_t at, size_t count, void *out,
                             limn_error *err) {
    if (at > s->size || count > s->size - at)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: %zu bytes are wanted from byte %llu on, but it ends at byte %llu",
                         s->name, count, (unsigned long long)at, (unsigned long long)s->size);
    if (count == 0) return LIMN_OK;
    if (s->file == 0) {
        memcpy(out, s->memory + at, count);
        return LIMN_OK;
    }
    for (size_t got = 0; got < count;) {
        size_t most = count - got < 1u << 30 ? count - got : 1u << 30;
        ssize_t n = pread(s->file - 1, (char *)out + got, most, (off_t)(at + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return limn_file_fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
        if (n == 0)
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: the file was shortened while it was read: it had %llu bytes, and "
                             "now ends at or before byte %llu",
                             s->name, (unsigned long long)s->size, (unsigned long long)(at + got));
        got += (size_t)n;
    }
    return LIMN_OK;
}

limn_status limn_source_read_once(const limn_source *s, uint64_t at, size_t count, void *out,
                                  limn_error *err) {
    if (s->direct > 0 && at <= s->size && count <= s->size - at &&
        limn_file_read_direct(s->direct - 1, at, count, out))
        return LIMN_OK;
    return limn_source_read(s, at, count, out, err);
}

limn_status limn_source_check(const limn_source *s, limn_error *err) {
    struct stat st;
    if (s->file == 0) return LIMN_OK;
    if (fstat(s->file - 1, &st) != 0)
        return limn_file_fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
    if ((uint64_t)st.st_size == s->size && nanoseconds(&st) == s->changed_ns) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s: the file was changed while it was read", s->name);
}

/* Longer than the step of any file system's clock: FAT's is 2 seconds. */
#define SETTLED_NS ((int64_t)3 * 1000000000)

limn_status limn_source_state(const limn_source *s, limn_file_state *out, limn_error *err) {
    struct stat st;
    struct timespec now;
    if (s->file == 0) return limn_fail(err, LIMN_E_INPUT, "%s: is not a file", s->name);
    if (fstat(s->file - 1, &st) != 0)
        return limn_file_fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t recorded = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    const int64_t changed = nanoseconds(&st), last = changed > recorded ? changed : recorded;
    *out = (limn_file_state){.device = (uint64_t)st.st_dev,
                             .inode = (uint64_t)st.st_ino,
                             .size = (uint64_t)st.st_size,
                             .changed_ns = changed,
                             .recorded_ns = recorded,
                             .settled = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - last >
                                        SETTLED_NS};
    return LIMN_OK;
}

void limn_source_close(limn_source *s) {
    if (s->file > 0) close(s->file - 1);
    if (s->direct > 0) close(s->direct - 1);
    *s = (limn_source){0};
}

limn_status limn_source_all(const limn_source *s, limn_bytes *out, limn_error *err) {
    *out = (limn_bytes){0};
    if (s->size > LIMN_FILE_MOST)
        return limn_fail(err, LIMN_E_INPUT,
                         "%s: of %llu bytes; a file of this kind has at most %zu", s->name,
                         (unsigned long long)s->size, LIMN_FILE_MOST);
    size_t size = (size_t)s->size;
    uint8_t *data = malloc(size ? size : 1);
    if (!data)
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for its %zu bytes", s->name, size);
    limn_status status = limn_source_read(s, 0, size, data, err);
    if (status == LIMN_OK)
        *out = (limn_bytes){.data = data, .size = size};
    else
        free(data);
    return status;
}

limn_status limn_file_open(const char *path, limn_bytes *out, limn_error *err) {
    limn_source source;
    *out = (limn_bytes){0};
    limn_status status = limn_source_open(path, &source, err);
    if (status == LIMN_OK) status = limn_source_all(&source, out, err);
    limn_source_close(&source);
    return status;
}

limn_status limn_file_read_all(int fd, const char *name, size_t most, limn_bytes *out,
                               limn_error *err) {
    *out = (limn_bytes){0};
    uint8_t *data = NULL;
    size_t room = 0, size = 0;
    for (;;) {
        if (size == room) {
            size_t more = room ? room : 32768;
            uint8_t *larger = limn_add_ok(room, more, &more) ? realloc(data, more) : NULL;
            if (!larger) {
                free(data);
                return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for more than %zu bytes", name,
                                 size);
            }
            data = larger;
            room = more;
        }
        ssize_t n = read_some(fd, data + size, room - size);
        if (n < 0) {
            int code = errno;
            free(data);
            return limn_file_fail(err, LIMN_E_IO, name, "cannot be read", code);
        }
        if (n == 0) break;
        size += (size_t)n;
        if (size > most) {
            free(data);
            return limn_fail(err, LIMN_E_INPUT, "%s: longer than %zu bytes", name, most);
        }
    }
    *out = (limn_bytes){.data = data, .size = size};
    return LIMN_OK;
}

void limn_file_close(limn_bytes *b) {
    free((void *)(uintptr_t)b->data);
    *b = (limn_bytes){0};
}

bool limn_file_exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

bool limn_file_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- the rest -------------------------------------------------------------------------------- */

char *limn_path_join(const char *folder, const char *name) {
    size_t a = folder ? strlen(folder) : 0;
    size_t b = strlen(name);
    size_t slash = a > 0 && folder[a - 1] != '/';
    char *out = malloc(a + slash + b + 1);
    if (!out) return NULL;
    if (a > 0) memcpy(out, folder, a);
    if (slash) out[a] = '/';
    memcpy(out + a + slash, name, b + 1);
    return out;
}

limn_status limn_file_random(void *out, size_t n, limn_error *err) {
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n < 256 ? n : 256, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return limn_file_fail(err, LIMN_E_IO, "the system's random source", "cannot be read",
                                  errno);
        p += got;
        n -= (size_t)got;
    }
    return LIMN_OK;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

limn_status limn_file_list(const char *folder, char ***out, size_t *count, limn_error *err) {
    size_t room = 0;
    char **names = NULL;
    bool full = false;
    *out = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return limn_file_fail(err, errno == ENOENT ? LIMN_E_MISSING : LIMN_E_IO, folder,
                              "cannot be read", errno);
    errno = 0;
    for (const struct dirent *e; !full && (e = readdir(dir)) != NULL; errno = 0) {
        if (e->d_name[0] == '.') continue;
        if (*count == room) {
            room = room ? 2 * room : 64;
            char **more = realloc(names, room * sizeof *more);
            full = !more;
            if (more) names = more;
        }
        if (!full) full = !(names[*count] = strdup(e->d_name));
        if (!full) ++*count;
    }
    const int fault = full ? ENOMEM : errno;
    closedir(dir);
    if (fault != 0) {
        while (*count > 0) free(names[--*count]);
        free(names);
        return limn_file_fail(err, full ? LIMN_E_MEMORY : LIMN_E_IO, folder, "cannot be read",
                              fault);
    }
    if (*count > 0) qsort(names, *count, sizeof *names, by_bytes);
    *out = names;
    return LIMN_OK;
}
