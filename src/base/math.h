/* limn's own elementary functions, in double, from +, -, x, / and fma alone, so that they give the
 * same bits everywhere: libm does not (its exp differs by version and machine). For schedules,
 * embeddings and noise: thousands of values, not millions; the kernels have their own for float32.
 *
 * Each is within 1 ulp of double over the stated range (the worst that was found is 0.8), so that
 * rounding its result to float32 gives the correctly rounded float32 but for a few inputs in a
 * thousand million. NaN gives NaN, infinities what the mathematics says. The rounding mode must be
 * to nearest (limn_fp_enter). Sources: Dekker 1971, A floating-point technique for extending the
 * available precision; Cody and Waite 1980; Muller, Elementary Functions, 3rd ed., chapters 4
 * and 11. */
#ifndef LIMN_BASE_MATH_H
#define LIMN_BASE_MATH_H

double limn_exp(double x);           /* e^x; 0 below -745.2, infinity above 709.8 */
double limn_log(double x);           /* natural logarithm; -infinity at 0, NaN below */
double limn_log1p(double x);         /* log(1 + x), exact near 0 */
double limn_expm1(double x);         /* e^x - 1, exact near 0 */
double limn_sin(double x);           /* |x| up to 1e6; NaN beyond 2^20 */
double limn_cos(double x);           /* |x| up to 1e6; NaN beyond 2^20 */
double limn_erf(double x);           /* the error function */
double limn_tanh(double x);          /* hyperbolic tangent */
double limn_pow(double x, double y); /* x^y for x >= 0; NaN for x < 0 */

#endif
