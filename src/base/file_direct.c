/* Reading large files past the system's cache (O_DIRECT).
 *
 * A model of 2 GB that is read once from the disk costs about as much processor time to bring into
 * the cache as to copy from it and to pack together. Past the cache the device writes into our
 * memory itself. What the cache has already is taken from there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file_parts.h"

/* Smaller files, and smaller reads, are not worth it. */
#define FILE_LEAST ((uint64_t)64 << 20)
#define READ_LEAST ((size_t)64 << 10)

/* Where a direct read begins and ends, and lies in memory: what every device takes that takes any.
 */
#define ALIGN ((size_t)4096)

/* The most that is asked for in one go. */
#define PIECE ((size_t)1 << 20)

#if defined(O_DIRECT) && defined(STATX_DIOALIGN)

/* Whether the file system says that it reads past the cache, at our alignment. Those over a network
 * do not, and gain by what the system reads ahead. */
static bool can_read_direct(int fd) {
    struct statx st;
    return statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
           (st.stx_mask & STATX_DIOALIGN) != 0 && st.stx_dio_mem_align > 0 &&
           st.stx_dio_mem_align <= ALIGN && st.stx_dio_offset_align > 0 &&
           st.stx_dio_offset_align <= ALIGN;
}

/* Whether the greater part of a file is in the system's cache, by looking at a page of each 256 KB.
 * It is mapped to be asked about, and never touched. True where the system does not say. */
static bool is_cached(int fd, size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), step = (size_t)256 << 10;
    size_t pages = 0, cached = 0;
    char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return true;
    for (size_t at = 0; at < size; at += step, pages++) {
        unsigned char there[1] = {1};
        cached += mincore(map + at, page, there) != 0 || (there[0] & 1) != 0;
    }
    munmap(map, size);
    return cached > pages / 2;
}

int limn_file_open_direct(const char *path, int fd) {
    struct stat first, second;
    if (fstat(fd, &first) != 0 || (uint64_t)first.st_size < FILE_LEAST) return -1;
    if (!can_read_direct(fd) || is_cached(fd, (size_t)first.st_size)) return -1;
    const int direct = limn_file_open_again(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_DIRECT, 0);
    if (direct < 0) return -1;
    /* The path may lead to another file by now. */
    if (fstat(direct, &second) == 0 && first.st_dev == second.st_dev &&
        first.st_ino == second.st_ino)
        return direct;
    close(direct);
    return -1;
}

#else

int limn_file_open_direct(const char *path, int fd) {
    (void)path;
    (void)fd;
    return -1;
}

#endif

/* Reads pages; fewer than `most` bytes only at the file's end, or where that fails. */
static size_t read_pages(int fd, void *pages, size_t most, uint64_t at) {
    ssize_t n;
    do n = pread(fd, pages, most, (off_t)at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : (size_t)n;
}

bool limn_file_read_direct(int fd, uint64_t at, size_t count, void *out) {
    if (count < READ_LEAST) return false;
    const size_t room = count < PIECE - 2 * ALIGN ? count / ALIGN * ALIGN + 2 * ALIGN : PIECE;
    uint8_t *pages = aligned_alloc(ALIGN, room);
    size_t done = 0, n = 1;
    for (; pages && done < count && n > 0; done += n) {
        const uint64_t first = (at + done) / ALIGN * ALIGN;
        const size_t skip = (size_t)(at + done - first);
        n = count - done < room - skip ? count - done : room - skip;
        if (read_pages(fd, pages, (skip + n + ALIGN - 1) / ALIGN * ALIGN, first) < skip + n) n = 0;
        memcpy((uint8_t *)out + done, pages + skip, n);
    }
    free(pages);
    return done == count;
}
