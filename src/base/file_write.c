/* Writing: whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_parts.h"

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

/* Flushes to the disk; 0, or the system's error number. What cannot be flushed (a pipe, some
 * network file systems) is fine. */
static int flush(int fd) {
    while (fsync(fd) != 0) {
        if (errno == EINTR) continue;
        return errno == EINVAL || errno == ENOTSUP || errno == ENOSYS ? 0 : errno;
    }
    return 0;
}

/* Bytes of the path's folder with its last '/'; 0 for a bare name. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The path's folder, malloc'd; NULL where memory ran out. */
static char *folder_of(const char *path) {
    size_t length = folder_length(path);
    return length ? strndup(path, length) : strdup(".");
}

/* Opens a new file in the folder of `path` that has no name, so that nothing is left of it where
 * the process is killed. -1 where the system has no such files there, or no way to name them. */
static int open_nameless(const char *path) {
    char *folder = folder_of(path);
    int fd = -1;
    if (folder && access("/proc/self/fd", X_OK) == 0)
        fd = limn_file_open_again(folder, O_WRONLY | O_TMPFILE, 0666);
    free(folder);
    return fd;
}

/* Names an open file that has no name: the descriptor, or -1 and errno. */
static int name_nameless(int fd, const char *path) {
    char own[40];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? fd : -1;
}

/* Takes a name that nobody has, in the folder of `path`, for a new file, or for that at `nameless`
 * (-1 = none). *temp is the caller's. The descriptor, or -1 and errno. */
static int open_temporary(const char *path, int nameless, char **temp) {
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
        int fd = nameless < 0 ? limn_file_open_again(*temp, O_WRONLY | O_CREAT | O_EXCL, 0666)
                              : name_nameless(nameless, *temp);
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
    int fd = limn_file_open_again(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
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
    char *folder = folder_of(path);
    if (!folder) return;
    int fd = limn_file_open_again(folder, O_RDONLY | O_DIRECTORY, 0);
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
    if (!overwrite) return limn_file_fail(err, LIMN_E_CREATE, path, "not overwritten", EEXIST);
    if (S_ISLNK(st.st_mode) && stat(path, &st) != 0) return LIMN_OK;
    if (S_ISDIR(st.st_mode))
        return limn_file_fail(err, LIMN_E_CREATE, path, "cannot be replaced", EISDIR);
    if (!S_ISREG(st.st_mode))
        return limn_fail(err, LIMN_E_CREATE, "%s: cannot be replaced: not a regular file", path);
    return LIMN_OK;
}

struct limn_writer {
    char *path;
    char *temp; /* NULL while it has no name */
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
    w->fd = open_nameless(path);
    if (w->fd < 0) w->fd = open_temporary(path, -1, &w->temp);
    if (w->fd < 0) {
        status = limn_file_fail(err, kind_of(errno), path, "cannot be created", errno);
        free(w->path);
        free(w);
        return status;
    }
    *out = w;
    return LIMN_OK;
}

limn_status limn_writer_add(limn_writer *w, const void *data, size_t size, limn_error *err) {
    int code = write_fully(w->fd, data, size);
    return code ? limn_file_fail(err, LIMN_E_IO, w->path, "cannot be written", code) : LIMN_OK;
}

/* Gives what was written its name. */
static limn_status name_written(const limn_writer *w, limn_error *err) {
    int code =
        w->overwrite ? (rename(w->temp, w->path) == 0 ? 0 : errno) : name_new(w->temp, w->path);
    if (code == EEXIST) return limn_file_fail(err, LIMN_E_CREATE, w->path, "not overwritten", code);
    if (code != 0) return limn_file_fail(err, kind_of(code), w->path, "cannot be created", code);
    flush_folder(w->path);
    return LIMN_OK;
}

limn_status limn_writer_close(limn_writer *w, bool keep, limn_error *err) {
    if (!w) return LIMN_OK;
    limn_status status = LIMN_OK;
    int code = keep ? flush(w->fd) : 0;
    if (keep && code == 0 && !w->temp && open_temporary(w->path, w->fd, &w->temp) < 0) code = errno;
    if (close(w->fd) != 0 && code == 0 && errno != EINTR) code = errno;
    if (keep && code != 0)
        status = limn_file_fail(err, kind_of(code), w->path, "cannot be written", code);
    if (keep && status == LIMN_OK) status = name_written(w, err);
    if (w->temp && (!keep || status != LIMN_OK)) unlink(w->temp);
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
        if (!S_ISDIR(st.st_mode))
            return limn_file_fail(err, LIMN_E_CREATE, path, "not overwritten", EEXIST);
        /* rename takes the place of an empty folder; whether it is one, shows now and then. */
        if (rmdir(path) == 0) {
            if (mkdir(path, 0777) != 0)
                return limn_file_fail(err, kind_of(errno), path, "cannot be created", errno);
        } else {
            return limn_fail(err, LIMN_E_CREATE,
                             "%s: there is a folder of that name, and one that holds something is "
                             "never replaced",
                             path);
        }
    }
    int fd = open_temporary(path, -1, temp);
    if (fd < 0) return limn_file_fail(err, kind_of(errno), path, "cannot be created", errno);
    close(fd);
    if (unlink(*temp) == 0 && mkdir(*temp, 0777) == 0) return LIMN_OK;
    limn_status status = limn_file_fail(err, kind_of(errno), path, "cannot be created", errno);
    free(*temp);
    *temp = NULL;
    return status;
}

limn_status limn_file_end_folder(const char *temp, const char *path, limn_error *err) {
    if (rename(temp, path) != 0)
        return limn_file_fail(err, LIMN_E_CREATE, path, "cannot be created", errno);
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

    int fd = limn_file_open_again(path, O_RDWR | O_APPEND | O_CREAT | O_NOCTTY, 0666);
    if (fd < 0) {
        free(text);
        return limn_file_fail(err, kind_of(errno), path, "cannot be opened for writing", errno);
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
    if (code != 0) return limn_file_fail(err, LIMN_E_IO, path, "cannot be written", code);
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
                status = limn_file_fail(
                    err, code == ENOSPC || code == EDQUOT ? LIMN_E_IO : LIMN_E_CREATE, part,
                    "the folder cannot be created", code == EEXIST ? ENOTDIR : code);
        }
        *p = held;
    }
    free(part);
    return status;
}
