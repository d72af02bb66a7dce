/* How far a rendering is: a bar on a terminal, a line now and then elsewhere. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_CELLS 20
/* How often the bar moves, and how often a line is said where there is no terminal. */
#define BAR_EVERY_MS  80.0
#define LINE_EVERY_MS 10000.0

bool limn_tool_is_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

limn_tool_progress limn_tool_progress_start(const limn_tool_options *options, int number,
                                            int count) {
    return (limn_tool_progress){
        .quiet = options->quiet,
        .terminal = limn_tool_is_terminal(),
        .number = number,
        .count = count,
    };
}

/* How wide a line may be; never 0. */
static int columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

/* "850 ms", "12.3 s", "4 min 10 s" */
static void print_time(char *to, size_t size, double ms) {
    if (ms < 1000) {
        snprintf(to, size, "%.0f ms", ms);
    } else if (ms < 100e3) {
        snprintf(to, size, "%.1f s", ms / 1e3);
    } else {
        long s = (long)(ms / 1e3);
        snprintf(to, size, "%ld min %02ld s", s / 60, s % 60);
    }
}

static void draw_bar(limn_tool_progress *p, const limn_progress *now, const char *text) {
    char bar[BAR_CELLS + 1];
    int full = (int)((long)now->step * BAR_CELLS / (now->steps > 0 ? now->steps : 1));
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    char line[200];
    int n = snprintf(line, sizeof line, "[%s] %s", bar, text);
    int most = columns() - 1; /* a full last column would scroll */
    if (n > most) n = snprintf(line, sizeof line, "%.*s", most, text);
    fprintf(stderr, "\r%s%*s", line, p->shown > n ? p->shown - n : 0, "");
    fflush(stderr);
    p->shown = n;
}

bool limn_tool_progress_step(void *user, const limn_progress *now) {
    limn_tool_progress *p = user;
    p->total_ms = now->elapsed_ms;
    p->steps = now->steps;
    if (limn_tool_interrupted()) return false;
    if (p->quiet) return true;
    double every_ms = p->terminal ? BAR_EVERY_MS : LINE_EVERY_MS;
    bool last = now->step == now->steps;
    bool due = now->elapsed_ms - p->last_ms >= every_ms || (p->terminal && last);
    if (!due && !(p->terminal && p->shown == 0)) return true;
    p->last_ms = now->elapsed_ms;
    char each[40], left[40], which[40] = "", text[160];
    print_time(each, sizeof each, now->step_ms);
    double mean_ms = now->step > 0 ? now->elapsed_ms / now->step : 0;
    print_time(left, sizeof left, mean_ms * (now->steps - now->step));
    if (p->count > 1) snprintf(which, sizeof which, "%d of %d, ", p->number, p->count);
    snprintf(text, sizeof text, "%sstep %d/%d, %s a step, %s left", which, now->step, now->steps,
             each, left);
    if (p->terminal) {
        draw_bar(p, now, text);
    } else {
        fprintf(stderr, "limn: %s\n", text);
    }
    return true;
}

void limn_tool_progress_end(limn_tool_progress *p) {
    if (p->shown > 0) {
        fprintf(stderr, "\r%*s\r", p->shown, "");
        fflush(stderr);
    }
    p->shown = 0;
}
