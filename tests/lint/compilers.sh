# Lint: everything, tests too, without a warning from either compiler; the header as C++ too.

# warnings FOLDER COMPILER OPT: what the compiler says, without the names of what it compiles. In
# src a frame of more than 64 KB is a warning too: a thread may have 128 KB of stack in all.
warnings() {
    make --no-print-directory -k -j"$jobs" BUILD="$1" CC="$2" OPT="$3" CFLAGS=-Werror \
        SRC_CFLAGS=-Wframe-larger-than=65536 objects 2>&1 | grep -vE '^  (CC|AR|LINK) '
}
nothing "gcc has no warning" warnings build/lint-gcc gcc -O2
if command -v clang >/dev/null && echo '#include <omp.h>' | clang -fopenmp -E - >/dev/null 2>&1; then
    nothing "clang has no warning" warnings build/lint-clang clang -O1
    check "limn.h is C++ too" clang -x c++ -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only \
        include/limn.h
else
    skip "clang's warnings" "clang or its OpenMP is not on this machine"
    skip "limn.h is C++ too" "clang is not on this machine"
fi
check "limn.h needs nothing before it and is strict C99" gcc -x c -std=c99 -pedantic -Wall -Wextra \
    -Werror -fsyntax-only include/limn.h
