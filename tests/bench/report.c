/* The report: lines for people, one object for programs. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

void bench_say(const bench *b, const char *format, ...) {
    if (b->json) return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

void bench_put(json_t *object, const char *key, double value) {
    if (!isfinite(value) || value == 0) {
        json_object_set_new(object, key, value == 0 ? json_real(0) : json_null());
        return;
    }
    double unit = pow(10, floor(log10(fabs(value))) - 4);
    json_object_set_new(object, key, json_real(round(value / unit) * unit));
}

json_t *bench_object(json_t *object, const char *key) {
    json_t *child = json_object_get(object, key);
    if (child) return child;
    json_object_set_new(object, key, json_object());
    return json_object_get(object, key);
}

json_t *bench_array(json_t *object, const char *key) {
    json_t *child = json_object_get(object, key);
    if (child) return child;
    json_object_set_new(object, key, json_array());
    return json_object_get(object, key);
}

void bench_describe(const bench_shape *s, char *text, size_t size) {
    static const char *const acts[] = {"", ", silu", ", gelu", ", quick_gelu", ", relu"};
    const char *act = s->gated ? ", geglu" : acts[s->act], *plus = s->residual ? ", +" : "";
    switch (s->kind) {
    case BENCH_LINEAR:
        snprintf(text, size, "linear %dx%d -> %d%s%s", s->h, s->c, s->out_c, act, plus);
        break;
    case BENCH_CONV:
        snprintf(text, size, "conv%d%s %dx%dx%dx%d -> %d%s%s", s->kernel,
                 s->stride > 1     ? " /2"
                 : s->up_h != s->h ? " up"
                                   : "",
                 s->n, s->out_h, s->out_w, s->c, s->out_c, act, plus);
        break;
    case BENCH_ATTENTION:
        snprintf(text, size, "attention %dx%d heads of %d, %d to %d", s->n, s->heads, s->c, s->h,
                 s->keys);
        break;
    case BENCH_GROUP_NORM:
        snprintf(text, size, "group norm %dx%dx%dx%d%s", s->n, s->h, s->w, s->c, act);
        break;
    case BENCH_LAYER_NORM:
        snprintf(text, size, "layer norm %dx%d", s->h, s->c);
        break;
    }
}
