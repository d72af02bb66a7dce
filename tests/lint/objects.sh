# Lint: what can be seen in the default build (build/, liblimn.a, liblimn.so).

for product in limn liblimn.a liblimn.so; do
    [ -e build/$product ] && continue
    fail "build/$product is there (make)"
    return
done

# Names of functions that limn.h marks LIMN_API, one a line, sorted.
header_code() {
    grep -v '^#' include/limn.h | tr '\n' ' ' | sed -e 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g'
}
api_names() {
    header_code | grep -oE 'LIMN_API [^;]*;' | sed -E 's/.*[ *](limn_[a-z0-9_]+)\(.*/\1/' | sort
}
exported_names() {
    nm -D --defined-only build/liblimn.so | awk '$2 != "A" { print $3 }' | sort
}
declared_twice_or_not() { diff <(api_names) <(exported_names) | grep '^[<>]' |
    sed -e 's/^</limn.h declares, liblimn.so lacks:/' -e 's/^>/liblimn.so exports, limn.h has not:/'; }
nothing "liblimn.so exports what limn.h declares, and nothing else" declared_twice_or_not

undeclared() { # functions of the library in limn.h without LIMN_API
    header_code | grep -oE '[;}] *(LIMN_API )?[a-z][a-z0-9_ *]* \*?limn_[a-z0-9_]+\(' | grep -v LIMN_API
}
nothing "every function in limn.h is LIMN_API" undeclared

# Every global name of the library begins with limn_, so that it can be linked into anything.
foreign_names() {
    nm --defined-only -g build/liblimn.a |
        awk 'NF == 3 && $3 !~ /^limn_/ && $3 !~ /^(__asan|__odr|\.)/ { print $3 }'
}
nothing "every global name in liblimn.a begins with limn_" foreign_names

tool_reaches_in() {
    comm -23 <(nm -u build/src/tool/*.o | awk '/ U limn_/ { print $2 }' | sort -u) \
        <(sort -u <(api_names) <(nm --defined-only build/src/tool/*.o | awk '{ print $3 }'))
}
nothing "the tool links against nothing but the interface" tool_reaches_in

# What the library takes from outside. libm: only what IEEE 754 rounds correctly or what is exact.
imported() { nm -u build/liblimn.a | awk '$1 == "U" { print $2 }' | sort -u; }
libm=$(cc -print-file-name=libm.so.6)
from_libm() {
    comm -12 <(imported) <(nm -D --defined-only "$libm" | awk '{ sub(/@.*/, "", $3); print $3 }' |
        sort -u) | grep -vxE '(sqrt|fma|floor|ceil|rint|nearbyint|trunc|round|roundeven|ldexp|frexp|scalbn|scalbln|lrint|llrint|lround|llround|copysign|fabs)f?|fe[a-z]+'
}
if [ -e "$libm" ]; then
    nothing "libm gives the library exactly rounded functions only" from_libm
else
    skip "what comes from libm" "there is no libm.so.6 to ask"
fi
output_or_exit() {
    imported | grep -xE '(__)?(v?f?printf(_chk)?|puts|putchar|fputs|fputc|fwrite|perror|exit|_exit|abort|__assert_fail|raise|signal|sigaction|stdout|stderr|syslog)'
}
nothing "liblimn.a imports nothing that prints or ends the process" output_or_exit

# Globals that can change: .data and .bss, but not tables of pointers that are const (.data.rel.ro).
changeable() {
    objdump -t $(find build/src -name '*.o' ! -path 'build/src/tool/*') |
        awk '/file format/ { file = $1 } / O \.(data|bss|tdata|tbss)/ && !/\.data\.rel\.ro/ {
            print file " " $NF }'
}
nothing "the library has no global that changes" changeable

# Only the files of a SIMD level may hold instructions that not every x86-64 has.
wide_instructions() {
    find build/src -name '*.o' ! -name '*.avx2.o' ! -name '*.avx512.o' \
        -exec objdump -d --no-show-raw-insn {} + | awk -F'\t' '
        / file format / { object = $1 }
        $2 ~ /%[yz]mm|^v[a-z0-9]+ .*%xmm/ { print object ": " $2 }' | head -20
}
# And the files of the AVX2 level no AVX-512, of which masks and 64-byte registers are the sign.
too_wide() {
    find build/src -name '*.avx2.o' -exec objdump -d --no-show-raw-insn {} + | awk -F'\t' '
        / file format / { object = $1 }
        $2 ~ /%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])/ { print object ": " $2 }' | head -20
}
if [ "$(uname -m)" = x86_64 ]; then
    nothing "no AVX or FMA outside the files of a SIMD level" wide_instructions
    nothing "no AVX-512 in the files of the AVX2 level" too_wide
else
    skip "instructions of the SIMD levels" "this is not an x86-64 machine"
fi
