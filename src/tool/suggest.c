/* "Did you mean ...?": the nearest of some words. */
#include "tool/tool.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Words longer than this are not corrected. */
#define WORD_MAX 40

/* How many letters must be changed, added, removed or swapped with their neighbour to get from a to
 * b: the optimal string alignment distance. Case does not count. */
static int distance(const char *a, const char *b) {
    int rows[3][WORD_MAX + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    int m = (int)strlen(a), n = (int)strlen(b);
    for (int j = 0; j <= n; j++) above[j] = j;
    for (int i = 1; i <= m; i++) {
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int p = tolower((unsigned char)a[i - 1]), q = tolower((unsigned char)b[j - 1]);
            int best = above[j - 1] + (p != q);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && p == tolower((unsigned char)b[j - 2]) &&
                q == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
        }
        int *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[n];
}

const char *limn_tool_nearest(const char *typed, int count,
                              const char *(*next)(const void *ctx, int i), const void *ctx) {
    size_t length = strlen(typed);
    if (length == 0 || length > WORD_MAX) return NULL;
    const char *best = NULL;
    int best_distance = length < 4 ? 2 : length < 8 ? 3 : 4; /* must be beaten */
    for (int i = 0; i < count; i++) {
        const char *word = next(ctx, i);
        size_t word_length = strlen(word);
        if (word_length > WORD_MAX) continue;
        int d = distance(typed, word);
        /* "--neg": what begins as the word does was meant, however much is missing. */
        if (length >= 3 && word_length > length && strncasecmp(typed, word, length) == 0) d = 1;
        if (d < best_distance) {
            best_distance = d;
            best = word;
        }
    }
    return best;
}
