/* Gives files to a fuzz target without libFuzzer: `fuzz_NAME FILE...`, each in memory of exactly
 * its size. Ends with 1 where a file cannot be read; a target that finds a fault ends the process.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        limn_bytes file;
        limn_error err;
        if (limn_file_open(argv[i], &file, &err) != LIMN_OK) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        LLVMFuzzerTestOneInput(file.data, file.size);
        limn_file_close(&file);
    }
    return 0;
}
