/* The program: which command it is, and its exit status. */
#include "tool/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where a caller has shut standard input, output or error, a picture must not get its number. What
 * is opened instead refuses the use that it would be put to, so that writing still fails. */
static bool hold_standard_files(void) {
    static const int modes[3] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", modes[fd]) != fd) return false;
    }
    return true;
}

static int run(const limn_tool_options *options) {
    if (options->help) {
        limn_tool_help(stdout);
        return LIMN_OK;
    }
    if (options->version) {
        printf("limn %s (numeric contract %d, %s)\n", limn_version(), LIMN_CONTRACT,
               limn_simd_level());
        return LIMN_OK;
    }
    switch (options->command) {
    case LIMN_TOOL_BATCH:
        return limn_tool_batch(options);
    case LIMN_TOOL_AGAIN:
        return limn_tool_again(options);
    case LIMN_TOOL_SHOW:
        return limn_tool_show(options);
    case LIMN_TOOL_LIST:
        return limn_tool_list(options);
    case LIMN_TOOL_INSPECT:
        return limn_tool_inspect(options);
    case LIMN_TOOL_BENCH:
        return limn_tool_bench(options);
    case LIMN_TOOL_CONVERT:
    case LIMN_TOOL_QUANTIZE:
        return limn_tool_convert(options);
    case LIMN_TOOL_DRAW:
        break;
    }
    return limn_tool_draw(options);
}

int main(int argc, char **argv) {
    if (!hold_standard_files()) return LIMN_E_IO;
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error to report, not a death */
    signal(SIGXFSZ, SIG_IGN); /* so is a limit on the size of files */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* so that a sentence is one write */
    if (argc < 2) {
        limn_tool_usage(stderr);
        return LIMN_E_USAGE;
    }
    limn_tool_command command = limn_tool_command_find(argv[1]);
    if (command) {
        argv++;
        argc--;
    } else {
        command = LIMN_TOOL_DRAW;
    }
    limn_tool_options options;
    int status = limn_tool_options_read(command, argc, argv, &options);
    if (status == LIMN_OK) status = run(&options);
    if (status == LIMN_OK) return limn_tool_flush();
    fflush(stdout); /* what is wrong has been said */
    return status;
}
