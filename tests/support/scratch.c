#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[200];

int scratch_make(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/limn-test-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : 1;
}

int scratch_fill(const char *from) {
    char command[600];
    snprintf(command, sizeof command, "cp -r '%s'/* '%s' && chmod -R u+w '%s'", from, folder,
             folder);
    return system(command);
}

int scratch_remove(void **state) {
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int scratch_remove_empty(void **state) {
    (void)state;
    return rmdir(folder);
}

const char *scratch_folder(void) {
    return folder;
}

const char *scratch_at(const char *name) {
    static char paths[8][500];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}
