/* A zlib stream that is a function of its input alone; see the header for why. */
#include "image/deflate.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW        32768
#define HASH_BITS     15
#define SHORTEST      6 /* fewer bytes of filtered rows cost less as literals than as a match */
#define LONGEST       258
#define BLOCK_SYMBOLS 16384
#define CHAIN                                                                                      \
    3 /* candidates looked at for one position: as small as zlib's level 6, 5 x faster             \
       */
#define LONG_ENOUGH  32 /* a match of this length is taken without looking at the next position */
#define END_OF_BLOCK 256
#define LITERALS     286
#define DISTANCES    30
#define STORED_MOST  65535

/* One step of the text: a literal byte, or length << 16 | distance. */
typedef uint32_t symbol;

typedef struct deflater {
    const uint8_t *data;
    size_t size;
    uint8_t *out;
    size_t written;
    uint64_t bits; /* not yet written, lowest first */
    int bit_count;
    int32_t *head;     /* [1 << HASH_BITS] the last position with that hash, + 1 */
    int32_t *previous; /* [WINDOW] the position before it with the same hash, + 1 */
    symbol *symbols;   /* [BLOCK_SYMBOLS] */
    int symbol_count;
    size_t block_start; /* the first byte of data that `symbols` stand for */
    uint32_t literal_counts[LITERALS], distance_counts[DISTANCES];
    uint8_t length_code[LONGEST + 1];
    uint8_t
        distance_code[512]; /* of distance - 1 where below 256, else 256 + (distance - 1) / 128 */
} deflater;

/* RFC 1951, 3.2.5: where each code begins and how many bits follow it. */
static const uint16_t length_base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                         15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                         67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[DISTANCES] = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[DISTANCES] = {0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
                                                  4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
                                                  9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

static void make_code_tables(deflater *d) {
    for (int code = 0; code < 29; code++) {
        int end = code < 28 ? length_base[code] + (1 << length_extra[code]) : LONGEST + 1;
        for (int l = length_base[code]; l < end && l <= LONGEST; l++)
            d->length_code[l] = (uint8_t)code;
    }
    for (int code = 0; code < DISTANCES; code++) {
        int first = distance_base[code] - 1, end = first + (1 << distance_extra[code]);
        for (int i = first; i < end && i < 256; i++) d->distance_code[i] = (uint8_t)code;
        for (int i = first; i < end && i >= 256; i += 128)
            d->distance_code[256 + i / 128] = (uint8_t)code;
    }
}

static int code_of_distance(const deflater *d, uint32_t distance) {
    uint32_t i = distance - 1;
    return d->distance_code[i < 256 ? i : 256 + i / 128];
}

/* ---- bits ------------------------------------------------------------------------------------ */

/* Adds up to 32 bits. There is room: no block is longer than its bytes stored (make_room). */
static void put_bits(deflater *d, uint32_t value, int count) {
    d->bits |= (uint64_t)value << d->bit_count;
    d->bit_count += count;
    if (d->bit_count < 32) return;
    for (int i = 0; i < 4; i++) d->out[d->written++] = (uint8_t)(d->bits >> 8 * i);
    d->bits >>= 32;
    d->bit_count -= 32;
}

/* Fills the last byte with zeros and writes all that waits. */
static void put_to_byte(deflater *d) {
    for (; d->bit_count > 0; d->bit_count -= 8) {
        d->out[d->written++] = (uint8_t)d->bits;
        d->bits >>= 8;
    }
    d->bit_count = 0;
    d->bits = 0;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The two codes of a block and how its header writes them. */
typedef struct block_codes {
    uint8_t lengths[LITERALS + DISTANCES];
    int literals, distances;                 /* how many lengths of each are sent */
    uint8_t runs[LITERALS + DISTANCES];      /* the lengths, run-length coded: 0 to 18 ... */
    uint8_t run_extra[LITERALS + DISTANCES]; /* ... and the bits that follow 16, 17 and 18 */
    int run_count;
    uint8_t run_lengths[19]; /* the code that `runs` is written in */
    int run_lengths_sent;
    size_t bits; /* the whole block */
} block_codes;

static const uint8_t run_order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
static const uint8_t run_bits[19] = {[16] = 2, [17] = 3, [18] = 7};

/* Run-length codes the lengths of both codes, which are sent as one row (RFC 1951, 3.2.7). */
static void code_runs(block_codes *c, const uint8_t *lengths, int n) {
    c->run_count = 0;
    for (int i = 0; i < n;) {
        int run = 1, value = lengths[i], kind = value, extra = 0;
        while (i + run < n && lengths[i + run] == value) run++;
        if (value == 0 && run >= 3) {
            run = run < 138 ? run : 138;
            kind = run <= 10 ? 17 : 18;
            extra = run <= 10 ? run - 3 : run - 11;
        } else if (i > 0 && lengths[i - 1] == value && run >= 3) {
            run = run < 6 ? run : 6;
            kind = 16;
            extra = run - 3;
        } else {
            run = 1;
        }
        c->runs[c->run_count] = (uint8_t)kind;
        c->run_extra[c->run_count++] = (uint8_t)extra;
        i += run;
    }
}

/* Chooses the codes for the symbols counted so far. */
static void choose_codes(const deflater *d, block_codes *c) {
    uint8_t row[LITERALS + DISTANCES];
    limn_huffman_lengths(d->literal_counts, LITERALS, LIMN_HUFFMAN_LONGEST, c->lengths);
    limn_huffman_lengths(d->distance_counts, DISTANCES, LIMN_HUFFMAN_LONGEST,
                         c->lengths + LITERALS);
    c->literals = LITERALS;
    while (c->literals > 257 && c->lengths[c->literals - 1] == 0) c->literals--;
    c->distances = DISTANCES;
    while (c->distances > 1 && c->lengths[LITERALS + c->distances - 1] == 0) c->distances--;
    memcpy(row, c->lengths, (size_t)c->literals);
    memcpy(row + c->literals, c->lengths + LITERALS, (size_t)c->distances);
    code_runs(c, row, c->literals + c->distances);

    uint32_t counts[19] = {0};
    for (int i = 0; i < c->run_count; i++) counts[c->runs[i]]++;
    limn_huffman_lengths(counts, 19, 7, c->run_lengths);
    c->run_lengths_sent = 19;
    while (c->run_lengths_sent > 4 && c->run_lengths[run_order[c->run_lengths_sent - 1]] == 0) {
        c->run_lengths_sent--;
    }

    c->bits = 3 + 5 + 5 + 4 + 3 * (size_t)c->run_lengths_sent;
    for (int i = 0; i < 19; i++) c->bits += (size_t)counts[i] * (c->run_lengths[i] + run_bits[i]);
    for (int i = 0; i < LITERALS; i++) {
        int extra = i > END_OF_BLOCK ? length_extra[i - 257] : 0;
        c->bits += (size_t)d->literal_counts[i] * (size_t)(c->lengths[i] + extra);
    }
    for (int i = 0; i < DISTANCES; i++) {
        c->bits +=
            (size_t)d->distance_counts[i] * (size_t)(c->lengths[LITERALS + i] + distance_extra[i]);
    }
}

static void put_codes(deflater *d, const block_codes *c) {
    uint16_t words[19];
    put_bits(d, (uint32_t)c->literals - 257, 5);
    put_bits(d, (uint32_t)c->distances - 1, 5);
    put_bits(d, (uint32_t)c->run_lengths_sent - 4, 4);
    for (int i = 0; i < c->run_lengths_sent; i++) put_bits(d, c->run_lengths[run_order[i]], 3);
    limn_huffman_words(c->run_lengths, 19, words);
    for (int i = 0; i < c->run_count; i++) {
        put_bits(d, words[c->runs[i]], c->run_lengths[c->runs[i]]);
        put_bits(d, c->run_extra[i], run_bits[c->runs[i]]);
    }
}

static void put_symbols(deflater *d, const block_codes *c) {
    const uint8_t *lengths = c->lengths;
    uint16_t words[LITERALS + DISTANCES];
    limn_huffman_words(lengths, LITERALS, words);
    limn_huffman_words(lengths + LITERALS, DISTANCES, words + LITERALS);
    for (int i = 0; i < d->symbol_count; i++) {
        uint32_t length = d->symbols[i] >> 16, low = d->symbols[i] & 0xffff;
        if (length == 0) {
            put_bits(d, words[low], lengths[low]);
            continue;
        }
        int code = d->length_code[length];
        put_bits(d, words[257 + code], lengths[257 + code]);
        put_bits(d, length - length_base[code], length_extra[code]);
        code = code_of_distance(d, low);
        put_bits(d, words[LITERALS + code], lengths[LITERALS + code]);
        put_bits(d, low - distance_base[code], distance_extra[code]);
    }
    put_bits(d, words[END_OF_BLOCK], lengths[END_OF_BLOCK]);
}

/* Writes data[from, to) as stored blocks, of which the last is the stream's last if `last`. */
static void put_stored(deflater *d, size_t from, size_t to, bool last) {
    do {
        size_t n = to - from < STORED_MOST ? to - from : STORED_MOST;
        put_bits(d, last && from + n == to, 1);
        put_bits(d, 0, 2);
        put_to_byte(d);
        put_bits(d, (uint32_t)n | ~(uint32_t)n << 16, 32);
        put_to_byte(d);
        memcpy(d->out + d->written, d->data + from, n);
        d->written += n;
        from += n;
    } while (from < to);
}

/* Ends a block before data[end], and begins the next. */
static void put_block(deflater *d, size_t end, bool last) {
    block_codes codes;
    size_t bytes = end - d->block_start;
    d->literal_counts[END_OF_BLOCK] = 1;
    choose_codes(d, &codes);
    if (codes.bits / 8 >= bytes) {
        put_stored(d, d->block_start, end, last);
    } else {
        put_bits(d, last, 1);
        put_bits(d, 2, 2);
        put_codes(d, &codes);
        put_symbols(d, &codes);
    }
    memset(d->literal_counts, 0, sizeof d->literal_counts);
    memset(d->distance_counts, 0, sizeof d->distance_counts);
    d->symbol_count = 0;
    d->block_start = end;
}

/* Adds a symbol, which ends before data[end]; length 0 = the literal `low`. */
static void add_symbol(deflater *d, uint32_t length, uint32_t low, size_t end) {
    d->symbols[d->symbol_count++] = length << 16 | low;
    if (length == 0) {
        d->literal_counts[low]++;
    } else {
        d->literal_counts[257 + d->length_code[length]]++;
        d->distance_counts[code_of_distance(d, low)]++;
    }
    if (d->symbol_count == BLOCK_SYMBOLS) put_block(d, end, end == d->size);
}

/* ---- matches --------------------------------------------------------------------------------- */

/* Enters position `at` into its hash's chain and returns the position before it there, + 1. */
static int32_t enter(deflater *d, size_t at) {
    const uint8_t *p = d->data + at;
    if (d->size - at < SHORTEST) return 0;
    uint64_t low = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    uint64_t six = low | (uint64_t)(p[4] | (uint32_t)p[5] << 8) << 32;
    uint64_t hash = (six << 16) * 0x9e3779b97f4a7c15u >> (64 - HASH_BITS);
    int32_t before = d->head[hash];
    d->previous[at % WINDOW] = before;
    d->head[hash] = (int32_t)at + 1;
    return before;
}

static uint32_t common_length(const uint8_t *a, const uint8_t *b, uint32_t most) {
    uint32_t n = 0;
    while (n < most && a[n] == b[n]) n++;
    return n;
}

/* Finds the longest match for data[at..] that is longer than `atleast`, the nearest one of equals,
 * among the chain that begins at `candidate`. Returns its length and distance as a symbol, or 0. */
static symbol find_match(const deflater *d, size_t at, int32_t candidate, uint32_t atleast) {
    size_t left = d->size - at;
    uint32_t most = left < LONGEST ? (uint32_t)left : LONGEST, best = atleast;
    symbol found = 0;
    if (best >= most) return 0;
    for (int tries = CHAIN; tries > 0 && candidate > 0; tries--) {
        size_t from = (size_t)candidate - 1;
        if (at - from > WINDOW) break;
        if (d->data[from + best] == d->data[at + best]) {
            uint32_t n = common_length(d->data + from, d->data + at, most);
            if (n > best) {
                best = n;
                found = n << 16 | (uint32_t)(at - from);
                if (n == most) break;
            }
        }
        int32_t next = d->previous[from % WINDOW];
        if (next >= candidate) break; /* overwritten by a position one window later */
        candidate = next;
    }
    return found;
}

/* Walks through the data: at each position a match is taken, unless the next position has a longer
 * one, in which case one literal goes first. */
static void compress(deflater *d) {
    size_t at = 0;
    symbol waiting = 0; /* the match found at `at` when the byte before it became a literal */
    while (at < d->size) {
        symbol match = waiting;
        if (!match) match = find_match(d, at, enter(d, at), SHORTEST - 1);
        waiting = 0;
        uint32_t length = match >> 16;
        size_t entered = at + 1;
        if (length && length < LONG_ENOUGH && entered < d->size) {
            waiting = find_match(d, entered, enter(d, entered), length);
            entered++;
            if (waiting) length = 0;
        }
        if (length == 0) {
            add_symbol(d, 0, d->data[at], at + 1);
            at++;
            continue;
        }
        for (; entered < at + length; entered++) enter(d, entered);
        add_symbol(d, length, match & 0xffff, at + length);
        at += length;
    }
    if (d->symbol_count || d->size == 0) put_block(d, d->size, true);
}

/* ---- the stream ------------------------------------------------------------------------------ */

/* Adler-32 (RFC 1950, 8.2): sums of 5,552 bytes cannot overflow before the remainder is taken. */
static uint32_t adler32_of(const uint8_t *data, size_t size) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < size;) {
        size_t end = size - i < 5552 ? size : i + 5552;
        for (; i < end; i++) {
            a += data[i];
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

/* Takes the memory. The output never outgrows its bound: a block is at most its bytes stored, which
 * cost 5 more for each 65,535, plus 8 bits for going to a byte's edge. */
static bool make_room(deflater *d) {
    size_t bound;
    if (d->size > INT32_MAX || !limn_add_ok(d->size, d->size / BLOCK_SYMBOLS * 16 + 64, &bound))
        return false;
    d->out = malloc(bound);
    d->head = calloc((size_t)1 << HASH_BITS, sizeof *d->head);
    d->previous = calloc(WINDOW, sizeof *d->previous);
    d->symbols = malloc(BLOCK_SYMBOLS * sizeof *d->symbols);
    return d->out && d->head && d->previous && d->symbols;
}

limn_status limn_deflate(const uint8_t *data, size_t size, uint8_t **out, size_t *out_size,
                         limn_error *err) {
    deflater *d = calloc(1, sizeof *d);
    limn_status status = LIMN_OK;
    if (d) {
        d->data = data;
        d->size = size;
    }
    if (!d || !make_room(d)) {
        status = limn_fail(err, LIMN_E_MEMORY, "no memory to compress %zu bytes of pixels", size);
    } else {
        make_code_tables(d);
        put_bits(d, 0x9c78, 16); /* deflate, a window of 32 KiB, no dictionary */
        compress(d);
        put_to_byte(d);
        uint32_t sum = adler32_of(data, size);
        for (int shift = 24; shift >= 0; shift -= 8) d->out[d->written++] = (uint8_t)(sum >> shift);
        uint8_t *fitted = realloc(d->out, d->written);
        *out = fitted ? fitted : d->out;
        *out_size = d->written;
        d->out = NULL;
    }
    if (d) {
        free(d->out);
        free(d->head);
        free(d->previous);
        free(d->symbols);
    }
    free(d);
    return status;
}
