/* What the machine could do: rates of its own, to hold limn's against. */
#ifndef LIMN_RENDER_PEAK_H
#define LIMN_RENDER_PEAK_H

#include "kernels/kernels.h"

/* Operations in a second: the best of as many short tries, each on all of `threads` threads at
 * once, as `seconds` hold. On a busy machine it takes many until one has all threads to itself. */
double limn_peak_ops(const limn_peak *peak, int threads, double seconds);

/* Bytes read from `words` in a second, likewise; more words than the processor's caches hold. */
double limn_peak_read_bytes(const uint64_t *words, size_t count, int threads, double seconds);

/* Seconds on the monotonic clock, and those that this thread was computing. */
double limn_clock_wall_s(void);
double limn_clock_thread_s(void); /* see above */

/* The median of `count` numbers, which are sorted in place. */
double limn_median(double *x, int count);

#endif
