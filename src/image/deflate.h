/* Bytes -> a zlib stream (RFC 1950, 1951), the same bytes on every machine.
 *
 * Why not zlib: "the same request gives the same file" has to hold between machines, and what zlib
 * writes at a given level differs between zlib, zlib-ng (which newer distributions install under
 * zlib's name), Intel's and Cloudflare's, and between their versions. A decoder has no such choice,
 * so reading stays with libpng and zlib.
 *
 * The method is the usual one: matches of 6 to 258 bytes within 32 KiB found by hash chains with
 * one step of lazy evaluation, blocks of 16,384 symbols, each with Huffman codes of its own or
 * stored as it is, whichever is shorter. Integers only. */
#ifndef LIMN_IMAGE_DEFLATE_H
#define LIMN_IMAGE_DEFLATE_H

#include "base/error.h"

/* Compresses `size` bytes. *out is the caller's, for free(). Takes about 20 ns for a byte and
 * memory for the input once more. Fails with LIMN_E_MEMORY. */
limn_status limn_deflate(const uint8_t *data, size_t size, uint8_t **out, size_t *out_size,
                         limn_error *err);

/* The length of a prefix code's longest word, in bits. */
#define LIMN_HUFFMAN_LONGEST 15

/* Finds the code lengths of a Huffman code with no word longer than `longest` bits.
 *   counts   [n] how often each symbol occurs, their sum below 2^23; n at most 320
 *   lengths  [n] written in full; 0 for a symbol that does not occur. A single symbol gets 1. */
void limn_huffman_lengths(const uint32_t *counts, int n, int longest, uint8_t *lengths);

/* Gives each symbol its canonical word (RFC 1951, 3.2.2), its bits turned round because deflate
 * sends words from their top bit on but fills bytes from the bottom.
 *   words  [n] written in full */
void limn_huffman_words(const uint8_t *lengths, int n, uint16_t *words);

#endif
