/* UNROLL before a loop whose count is known when it is compiled: it is written out, so that arrays
 * of vectors live in registers. clang reads gcc's pragma as a hint, and left the tiles' sums in
 * memory. */
#ifndef LIMN_KERNELS_UNROLL_H
#define LIMN_KERNELS_UNROLL_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#endif

#endif
