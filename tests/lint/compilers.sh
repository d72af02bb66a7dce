# Lint: everything, tests too, without a warning from either compiler; the header as C++ too.

check "gcc has no warning" make --no-print-directory -k -j"$jobs" BUILD=build/lint-gcc CC=gcc \
    OPT=-O2 CFLAGS=-Werror objects
if command -v clang >/dev/null && echo '#include <omp.h>' | clang -fopenmp -E - >/dev/null 2>&1; then
    check "clang has no warning" make --no-print-directory -k -j"$jobs" BUILD=build/lint-clang \
        CC=clang OPT=-O1 CFLAGS=-Werror objects
    check "limn.h is C++ too" clang -x c++ -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only \
        include/limn.h
else
    skip "clang's warnings" "clang or its OpenMP is not on this machine"
    skip "limn.h is C++ too" "clang is not on this machine"
fi
check "limn.h needs nothing before it and is strict C99" gcc -x c -std=c99 -pedantic -Wall -Wextra \
    -Werror -fsyntax-only include/limn.h
