/* Length-limited Huffman codes. Ties are broken by the symbol's number, so a code is a function of
 * the counts alone. */
#include "image/deflate.h"

#include <stdlib.h>
#include <string.h>

#define MOST_SYMBOLS 320

static int compare_keys(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Turns counts into code lengths in place.
 *   a  [n >= 2] counts, rising; becomes the lengths, falling
 * Source: Moffat and Katajainen, In-Place Calculation of Minimum-Redundancy Codes, 1995. */
static void lengths_in_place(uint32_t *a, int n) {
    int leaf = 0, root = 0;
    for (int next = 0; next < n - 1; next++) { /* a[next] = weight of inner node, then its parent */
        uint32_t sum = 0;
        for (int child = 0; child < 2; child++) {
            if (leaf >= n || (root < next && a[root] < a[leaf])) {
                sum += a[root];
                a[root++] = (uint32_t)next;
            } else {
                sum += a[leaf];
                leaf++;
            }
        }
        a[next] = sum;
    }
    a[n - 2] = 0;
    for (int i = n - 3; i >= 0; i--) a[i] = a[a[i]] + 1; /* parents become depths */
    int inner = n - 2, free_nodes = 1, write = n - 1;
    for (uint32_t depth = 0; free_nodes > 0; depth++) {
        int used = 0;
        for (; inner >= 0 && a[inner] == depth; inner--) used++;
        for (; free_nodes > used; free_nodes--) a[write--] = depth;
        free_nodes = 2 * used;
    }
}

/* Shortens the longest words to `longest` bits and pays for it by lengthening the longest of the
 * shorter ones until the lengths fit a prefix code again (Kraft's sum).
 *   how_many  [longest + 1] words of each length, those that were too long counted as longest */
static void fit_kraft(uint32_t *how_many, int longest) {
    uint32_t sum = 0;
    for (int l = 1; l <= longest; l++) sum += how_many[l] << (longest - l);
    for (; sum > 1u << longest; sum--) {
        int l = longest - 1;
        while (how_many[l] == 0) l--;
        how_many[longest]--;
        how_many[l]--;
        how_many[l + 1] += 2;
    }
}

void limn_huffman_lengths(const uint32_t *counts, int n, int longest, uint8_t *lengths) {
    uint32_t keys[MOST_SYMBOLS], weights[MOST_SYMBOLS];
    int used = 0;
    memset(lengths, 0, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (counts[i]) keys[used++] = counts[i] << 9 | (uint32_t)i;
    }
    if (used == 1) lengths[keys[0] & 511] = 1;
    if (used < 2) return;
    qsort(keys, (size_t)used, sizeof keys[0], compare_keys);
    for (int i = 0; i < used; i++) weights[i] = keys[i] >> 9;
    lengths_in_place(weights, used);

    uint32_t how_many[LIMN_HUFFMAN_LONGEST + 2] = {0};
    for (int i = 0; i < used; i++) {
        how_many[weights[i] < (uint32_t)longest ? weights[i] : (uint32_t)longest]++;
    }
    fit_kraft(how_many, longest);
    int rank = 0; /* the rarest symbols get the longest words */
    for (int l = longest; l > 0; l--) {
        for (uint32_t k = 0; k < how_many[l]; k++) lengths[keys[rank++] & 511] = (uint8_t)l;
    }
}

void limn_huffman_words(const uint8_t *lengths, int n, uint16_t *words) {
    uint32_t next[LIMN_HUFFMAN_LONGEST + 2] = {0};
    for (int i = 0; i < n; i++) next[lengths[i] + 1]++;
    next[1] = 0; /* symbols without a word take no room */
    for (int l = 2; l <= LIMN_HUFFMAN_LONGEST; l++) next[l] = (next[l] + next[l - 1]) << 1;
    for (int i = 0; i < n; i++) {
        uint32_t word = lengths[i] ? next[lengths[i]]++ : 0, turned = 0;
        for (int bit = 0; bit < lengths[i]; bit++)
            turned |= (word >> bit & 1) << (lengths[i] - 1 - bit);
        words[i] = (uint16_t)turned;
    }
}
