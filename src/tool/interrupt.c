/* Ctrl-C: the only signals that are caught, and what is asked by those who can stop. */
#include "tool/tool.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* The one variable of the program: a signal handler has nowhere else to write. */
static volatile sig_atomic_t stop_asked = 0;

static void ask_to_stop(int signal_number) {
    (void)signal_number;
    stop_asked = 1;
}

/* The same on a terminal, where someone waits for an answer. */
static void ask_to_stop_aloud(int signal_number) {
    static const char said[] = "\nlimn: stopping; once more to be killed\n";
    int kept = errno;
    ssize_t written = write(STDERR_FILENO, said, sizeof said - 1);
    (void)written; /* nothing could be done about it here */
    errno = kept;
    ask_to_stop(signal_number);
}

void limn_tool_interrupt_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    bool aloud = isatty(STDERR_FILENO) != 0;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction old;
        /* `nohup limn` has asked to outlive its terminal. */
        bool hangup = signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0;
        if (hangup && old.sa_handler == SIG_IGN) continue;
        struct sigaction catch = {.sa_handler = aloud ? ask_to_stop_aloud : ask_to_stop};
        sigemptyset(&catch.sa_mask);
        catch.sa_flags = SA_RESTART | (int)SA_RESETHAND; /* so a second one kills */
        sigaction(signals[i], &catch, NULL);
    }
}

bool limn_tool_interrupted(void) {
    return stop_asked != 0;
}

bool limn_tool_stop(void *user) {
    (void)user;
    return limn_tool_interrupted();
}
