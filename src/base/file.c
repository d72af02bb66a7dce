#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/checked.h"

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

/* Which kind of fault a failed attempt to create or write is. */
static limn_status kind_of(int code) {
    switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
        return LIMN_E_CREATE;
    case ENOMEM:
        return LIMN_E_MEMORY;
    default:
        return LIMN_E_IO;
    }
}

/* The sentence "path: what: reason". */
static limn_status fail(limn_error *err, limn_status status, const char *path, const char *what,
                        int code) {
    char room[40];
    return limn_fail(err, status, "%s: %s: %s", path, what, reason(code, room, sizeof room));
}

/* ---- system calls that are repeated where a signal broke in ---------------------------------- */

static int open_again(const char *path, int flags, mode_t mode) {
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Writes all of it; 0, or the system's error number. */
static int write_fully(int fd, const void *data, size_t size) {
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size < 1u << 30 ? size : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
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

/* Flushes to the disk; 0, or the system's error number. What cannot be flushed (a pipe, some
 * network file systems) is fine. */
static int flush(int fd) {
    while (fsync(fd) != 0) {
        if (errno == EINTR) continue;
        return errno == EINVAL || errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
    }
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What a file was when it was opened; see limn_source. */
static int64_t nanoseconds(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Looks at an open file and describes it; not at what cannot be read by place. */
static limn_status describe(int fd, const char *path, limn_source *out, limn_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return fail(err, LIMN_E_IO, path, "cannot be read", errno);
    if (S_ISDIR(st.st_mode)) return fail(err, LIMN_E_IO, path, "cannot be read", EISDIR);
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
    int fd = open_again(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        return fail(err, absent ? LIMN_E_MISSING : LIMN_E_IO, path, "cannot be read", errno);
    }
    limn_status status = describe(fd, path, out, err);
    if (status != LIMN_OK) close(fd);
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
        if (n < 0) return fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
        if (n == 0)
            return limn_fail(err, LIMN_E_INPUT,
                             "%s: the file was shortened while it was read: it had %llu bytes, and "
                             "now ends at or before byte %llu",
                             s->name, (unsigned long long)s->size, (unsigned long long)(at + got));
        got += (size_t)n;
    }
    return LIMN_OK;
}

limn_status limn_source_check(const limn_source *s, limn_error *err) {
    struct stat st;
    if (s->file == 0) return LIMN_OK;
    if (fstat(s->file - 1, &st) != 0) return fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
    if ((uint64_t)st.st_size == s->size && nanoseconds(&st) == s->changed_ns) return LIMN_OK;
    return limn_fail(err, LIMN_E_INPUT, "%s: the file was changed while it was read", s->name);
}

/* Longer than the step of any file system's clock: FAT's is 2 seconds. */
#define SETTLED_NS ((int64_t)3 * 1000000000)

limn_status limn_source_state(const limn_source *s, limn_file_state *out, limn_error *err) {
    struct stat st;
    struct timespec now;
    if (s->file == 0) return limn_fail(err, LIMN_E_INPUT, "%s: is not a file", s->name);
    if (fstat(s->file - 1, &st) != 0) return fail(err, LIMN_E_IO, s->name, "cannot be read", errno);
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
            return fail(err, LIMN_E_IO, name, "cannot be read", code);
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

/* ---- writing --------------------------------------------------------------------------------- */

/* Bytes of the path's folder with its last '/'; 0 for a bare name. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Opens a new file of a name that nobody has, in the folder of `path`. *temp is the caller's. The
 * descriptor, or -1 and errno. */
static int open_temporary(const char *path, char **temp) {
    static const char pattern[] = ".limn-0123456789abcdef.tmp";
    size_t folder = folder_length(path);
    *temp = malloc(folder + sizeof pattern);
    if (!*temp) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(*temp, path, folder);
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t id;
        if (limn_file_random(&id, sizeof id, NULL) != LIMN_OK) break;
        snprintf(*temp + folder, sizeof pattern, ".limn-%016llx.tmp", (unsigned long long)id);
        int fd = open_again(*temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd >= 0) return fd;
        if (errno != EEXIST) break;
    }
    int code = errno;
    free(*temp);
    *temp = NULL;
    errno = code;
    return -1;
}

/* Gives `temp` the name `path` where nothing has that name: 0, EEXIST, or another error number.
 * Not every file system has hard links (FAT) or a rename that refuses; the last way takes the name
 * with an empty file first. */
static int name_new(const char *temp, const char *path) {
    if (link(temp, path) == 0) {
        unlink(temp);
        return 0;
    }
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) return errno;
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return errno;
    int fd = open_again(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0) return errno;
    close(fd);
    if (rename(temp, path) == 0) return 0;
    int code = errno;
    unlink(path);
    return code;
}

/* Flushes a folder's list of names. The file stands under its name by now, so a folder that cannot
 * be flushed is no failure. */
static void flush_folder(const char *path) {
    size_t length = folder_length(path);
    char *folder = length ? strndup(path, length) : strdup(".");
    if (!folder) return;
    int fd = open_again(folder, O_RDONLY | O_DIRECTORY, 0);
    free(folder);
    if (fd < 0) return;
    flush(fd);
    close(fd);
}

/* Refuses what must not be replaced: anything without overwrite, with it folders and devices (a
 * rename would put a picture in the place of /dev/null). */
static limn_status may_take(const char *path, bool overwrite, limn_error *err) {
    struct stat st;
    if (lstat(path, &st) != 0) return LIMN_OK;
    if (!overwrite) return fail(err, LIMN_E_CREATE, path, "not overwritten", EEXIST);
    if (S_ISLNK(st.st_mode) && stat(path, &st) != 0) return LIMN_OK;
    if (S_ISDIR(st.st_mode)) return fail(err, LIMN_E_CREATE, path, "cannot be replaced", EISDIR);
    if (!S_ISREG(st.st_mode))
        return limn_fail(err, LIMN_E_CREATE, "%s: cannot be replaced: not a regular file", path);
    return LIMN_OK;
}

struct limn_writer {
    char *path, *temp;
    int fd;
    bool overwrite;
};

limn_status limn_writer_open(const char *path, bool overwrite, limn_writer **out, limn_error *err) {
    *out = NULL;
    limn_status status = may_take(path, overwrite, err);
    if (status != LIMN_OK) return status;
    limn_writer *w = calloc(1, sizeof *w);
    char *own = strdup(path);
    if (!w || !own) {
        free(w);
        free(own);
        return limn_fail(err, LIMN_E_MEMORY, "%s: no memory to write it", path);
    }
    *w = (limn_writer){.path = own, .overwrite = overwrite};
    w->fd = open_temporary(path, &w->temp);
    if (w->fd < 0) {
        status = fail(err, kind_of(errno), path, "cannot be created", errno);
        free(w->path);
        free(w);
        return status;
    }
    *out = w;
    return LIMN_OK;
}

limn_status limn_writer_add(limn_writer *w, const void *data, size_t size, limn_error *err) {
    int code = write_fully(w->fd, data, size);
    return code ? fail(err, LIMN_E_IO, w->path, "cannot be written", code) : LIMN_OK;
}

/* Gives what was written its name. */
static limn_status name_written(const limn_writer *w, limn_error *err) {
    int code =
        w->overwrite ? (rename(w->temp, w->path) == 0 ? 0 : errno) : name_new(w->temp, w->path);
    if (code == EEXIST) return fail(err, LIMN_E_CREATE, w->path, "not overwritten", code);
    if (code != 0) return fail(err, kind_of(code), w->path, "cannot be created", code);
    flush_folder(w->path);
    return LIMN_OK;
}

limn_status limn_writer_close(limn_writer *w, bool keep, limn_error *err) {
    if (!w) return LIMN_OK;
    limn_status status = LIMN_OK;
    int code = keep ? flush(w->fd) : 0;
    if (close(w->fd) != 0 && code == 0 && errno != EINTR) code = errno;
    if (keep && code != 0) status = fail(err, LIMN_E_IO, w->path, "cannot be written", code);
    if (keep && status == LIMN_OK) status = name_written(w, err);
    if (!keep || status != LIMN_OK) unlink(w->temp);
    free(w->temp);
    free(w->path);
    free(w);
    return status;
}

limn_status limn_file_write(const char *path, const void *data, size_t size, bool overwrite,
                            limn_error *err) {
    limn_writer *w;
    limn_status status = limn_writer_open(path, overwrite, &w, err);
    if (status != LIMN_OK) return status;
    status = limn_writer_add(w, data, size, err);
    if (status == LIMN_OK) return limn_writer_close(w, true, err);
    limn_writer_close(w, false, NULL);
    return status;
}

limn_status limn_file_begin_folder(const char *path, char **temp, limn_error *err) {
    struct stat st;
    *temp = NULL;
    if (lstat(path, &st) == 0) {
        if (!S_ISDIR(st.st_mode)) return fail(err, LIMN_E_CREATE, path, "not overwritten", EEXIST);
        /* rename takes the place of an empty folder; whether it is one, shows now and then. */
        if (rmdir(path) == 0) {
            if (mkdir(path, 0777) != 0)
                return fail(err, kind_of(errno), path, "cannot be created", errno);
        } else {
            return limn_fail(err, LIMN_E_CREATE,
                             "%s: there is a folder of that name, and one that holds something is "
                             "never replaced",
                             path);
        }
    }
    int fd = open_temporary(path, temp);
    if (fd < 0) return fail(err, kind_of(errno), path, "cannot be created", errno);
    close(fd);
    if (unlink(*temp) == 0 && mkdir(*temp, 0777) == 0) return LIMN_OK;
    limn_status status = fail(err, kind_of(errno), path, "cannot be created", errno);
    free(*temp);
    *temp = NULL;
    return status;
}

limn_status limn_file_end_folder(const char *temp, const char *path, limn_error *err) {
    if (rename(temp, path) != 0) return fail(err, LIMN_E_CREATE, path, "cannot be created", errno);
    flush_folder(path);
    return LIMN_OK;
}

void limn_file_remove(const char *path) {
    if (unlink(path) != 0) rmdir(path);
}

/* Appends `size` bytes at the end, where the file's length was `before`; takes them back where only
 * a part could be written. 0, or the system's error number. */
static int append_whole(int fd, const char *text, size_t size, off_t before) {
    ssize_t n;
    do n = write(fd, text, size);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)size) return flush(fd);
    int code = n < 0 ? errno : ENOSPC;
    struct stat st;
    if (n > 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == before + n &&
        ftruncate(fd, before) != 0)
        code = errno;
    return code;
}

limn_status limn_file_append_line(const char *path, const char *line, limn_error *err) {
    size_t length = strlen(line);
    char *text = malloc(length + 2);
    if (!text) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a line", path);
    text[0] = '\n';
    memcpy(text + 1, line, length);
    text[length + 1] = '\n';

    int fd = open_again(path, O_RDWR | O_APPEND | O_CREAT | O_NOCTTY, 0666);
    if (fd < 0) {
        free(text);
        return fail(err, kind_of(errno), path, "cannot be opened for writing", errno);
    }
    /* Keeps a second limn from writing between the look at the last byte and our row. */
    flock(fd, LOCK_EX);
    struct stat st;
    char last = '\n';
    off_t before = fstat(fd, &st) == 0 ? st.st_size : 0;
    bool broken = before > 0 && pread(fd, &last, 1, before - 1) == 1 && last != '\n';
    int code = append_whole(fd, broken ? text : text + 1, length + (broken ? 2 : 1), before);
    free(text);
    if (close(fd) != 0 && code == 0 && errno != EINTR) code = errno;
    if (code != 0) return fail(err, LIMN_E_IO, path, "cannot be written", code);
    if (before == 0) flush_folder(path);
    return LIMN_OK;
}

limn_status limn_file_make_folder(const char *path, limn_error *err) {
    char *part = strdup(path);
    if (!part) return limn_fail(err, LIMN_E_MEMORY, "%s: no memory for a path", path);
    limn_status status = LIMN_OK;
    for (char *p = part; status == LIMN_OK && *p;) {
        while (*p == '/') p++;
        while (*p && *p != '/') p++;
        char held = *p;
        *p = 0;
        if (mkdir(part, 0777) != 0) {
            int code = errno;
            if (!limn_file_is_folder(part))
                status =
                    fail(err, code == ENOSPC || code == EDQUOT ? LIMN_E_IO : LIMN_E_CREATE, part,
                         "the folder cannot be created", code == EEXIST ? ENOTDIR : code);
        }
        *p = held;
    }
    free(part);
    return status;
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
            return fail(err, LIMN_E_IO, "the system's random source", "cannot be read", errno);
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
        return limn_fail(err, errno == ENOENT ? LIMN_E_MISSING : LIMN_E_IO,
                         "the folder %s cannot be read: %s", folder, strerror(errno));
    for (const struct dirent *e; !full && (e = readdir(dir)) != NULL;) {
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
    closedir(dir);
    if (full) {
        while (*count > 0) free(names[--*count]);
        free(names);
        return limn_fail(err, LIMN_E_MEMORY, "no memory for the files of the folder %s", folder);
    }
    if (*count > 0) qsort(names, *count, sizeof *names, by_bytes);
    *out = names;
    return LIMN_OK;
}
