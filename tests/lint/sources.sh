# Lint: what can be seen in the sources.

sources=$(find include src tests -name '*.[ch]' | sort)
ours=$(find src -name '*.[ch]' | sort)

# A room includes headers of its own and of rooms above it only; the tool, limn.h alone.
upward_includes() {
    grep -n '^ *# *include *"' $ours | awk -F: '
        BEGIN {
            n = split("base kernels weights layers prompt tokens text denoise decode encode image render tool",
                      rooms, " ")
            for (i = 1; i <= n; i++) rank[rooms[i]] = i
        }
        {
            split($1, path, "/")
            match($3, /"[^"]*"/)
            header = substr($3, RSTART + 1, RLENGTH - 2)
            room = path[2]
            if (header == "limn.h" || index(header, "/") == 0) next
            split(header, part, "/")
            other = part[1]
            if (!(room in rank)) print $1 ":" $2 ": src/" room " is no room of the house"
            else if (!(other in rank)) print $1 ":" $2 ": " header " is in no room of the house"
            else if (room == "tool" && other != "tool")
                print $1 ":" $2 ": the tool uses limn.h alone, not " header
            else if (rank[other] > rank[room])
                print $1 ":" $2 ": " room " may not include " header ": that room is below it"
        }'
}
nothing "rooms include upwards only" upward_includes

# docs/architecture.md names every file, without its ending, in the paragraph of its room.
off_the_map() {
    for file in $ours; do
        room=${file#src/} room=${room%%/*} name=$(basename "$file")
        awk -v RS= -v room="**$room**" -v name="\`${name%.?}\`" \
            'index($0, room) && index($0, name) { found = 1 } END { exit !found }' \
            docs/architecture.md || echo "$file: not named in docs/architecture.md, under $room"
    done
}
nothing "every file is on the map" off_the_map

# Without comments and strings, so that only code is seen: prints FILE:LINE:CODE.
code_of() {
    awk '
        FNR == 1 { comment = 0 }
        {
            line = $0
            out = ""
            while (line != "") {
                if (comment) {
                    at = index(line, "*/")
                    if (at == 0) { line = ""; break }
                    line = substr(line, at + 2)
                    comment = 0
                    continue
                }
                c = substr(line, 1, 1)
                if (substr(line, 1, 2) == "/*") { comment = 1; line = substr(line, 3); continue }
                if (substr(line, 1, 2) == "//") break
                if (c == "\"" || c == "\047") {
                    rest = substr(line, 2)
                    while (rest != "" && substr(rest, 1, 1) != c)
                        rest = substr(rest, substr(rest, 1, 1) == "\\" ? 3 : 2)
                    line = substr(rest, 2)
                    out = out c c
                    continue
                }
                out = out c
                line = substr(line, 2)
            }
            if (out ~ /[^ ]/) print FILENAME ":" FNR ":" out
        }' "$@"
}
library_code=$(code_of $(find src -name '*.[ch]' ! -path 'src/tool/*' | sort))
in_library() { # PATTERN [FILES TO LEAVE OUT]
    printf '%s\n' "$library_code" | grep -E "$1" | grep -vE "^(${2:-none}):"
}

nothing "the library neither prints, exits nor aborts" in_library \
    '(^|[^a-zA-Z0-9_>.])(v?f?printf|puts|putchar|putc|fputs|fputc|perror|exit|_exit|abort|assert|raise|signal|sigaction)[ ]*\('
nothing "only src/base/file*.c touch files" in_library \
    '(^|[^a-zA-Z0-9_>.])(f?open(at|dir)?|fdopen|freopen|creat|rename(at)?|unlink(at)?|remove|link|symlink|mkdir|rmdir|mkstemp|tmpfile|f?l?stat|access|mmap|readdir|scandir|nftw)[ ]*\(' \
    'src/base/file(_direct|_write)?\.c'
nothing "only src/base/team.c and beside.c start threads" in_library \
    '# *pragma +omp|#pragma omp|[^a-z_]omp_[a-z_]+ *\(|pthread_create' 'src/base/(team|beside)\.c'
nothing "the processor's name in #if only in kernels and base" \
    bash -c "grep -nE '^ *# *(if|elif|ifdef|ifndef).*(__x86_64|__i386|__aarch64|__arm|__ARM_|__AVX|__SSE|__FMA__|_M_X64|_M_ARM|__riscv|__powerpc|LIMN_LEVEL_|LIMN_SIMDE)' $(echo $ours) | grep -vE '^src/(kernels|base)/'"

# Layout: 100 columns, no tabs, no blanks at a line's end, files of at most 600 lines
# (but the one public header), functions of at most 100.
long_lines() {
    awk '{ line = $0; gsub(/[\200-\277]/, "", line) }
         length(line) > 100 { print FILENAME ":" FNR ": " length(line) " columns" }
         /\t/ { print FILENAME ":" FNR ": a tab" }
         /[ \r]$/ { print FILENAME ":" FNR ": a blank at the end" }' $sources
}
long_files() {
    wc -l $sources | awk '$2 != "total" && $2 != "include/limn.h" && $1 > 600 { print $2 ": " $1 " lines, at most 600" }'
}
long_functions() {
    awk 'FNR == 1 { start = 0 }
         /^[a-zA-Z].*\{$/ && !/^(struct|union|enum|typedef|extern)[^(]*\{$/ && !/=/ { start = FNR; name = $0 }
         /^    .*\) \{$/ && last ~ /^[a-zA-Z][^;{}]*[,(]$/ { start = FNR; name = last }
         /^\}/ && start {
             if (FNR - start > 100) print FILENAME ":" start ": " FNR - start " lines: " name
             start = 0
         }
         { last = $0 }' $ours
}
nothing "lines of at most 100 columns, no tabs, no blanks at the end" long_lines
unformatted() {
    clang-format --dry-run -Werror $sources 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c
}
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    nothing "sources are as clang-format leaves them (make format)" unformatted
else
    skip "clang-format" "version 14, whose layout is kept to, is not on this machine"
fi
nothing "files of at most 600 lines" long_files
nothing "functions of at most 100 lines" long_functions

# A header's declaration has a comment in its paragraph.
bare_declarations() {
    awk 'function flush() {
             if (declared && !commented) print file ":" declared ": no comment above: " name
             declared = commented = 0
         }
         FNR == 1 { flush(); file = FILENAME }
         /^ *$/ { flush(); next }
         /\*\/|\/\*/ { commented = 1 }
         /^[a-zA-Z].*[a-z0-9_]\(/ && !/^(static|#|typedef)/ && !/__attribute__/ && !declared {
             declared = FNR; name = $0
         }
         END { flush() }' include/limn.h $(find src -name '*.h' | sort)
}
nothing "every declaration in a header has a comment" bare_declarations

words() { grep -nwiE "$1" $(find include src tests tools prompts docs -type f ! -path '*/golden/*' \
    ! -path 'tests/lint/*' 2>/dev/null) Makefile README.md 2>/dev/null | cut -c1-160; }
nothing "nothing left to do in the sources" words 'TODO|FIXME|XXX|placeholder'
nothing "no call on the C library's changeable elementary functions" in_library \
    '(^|[^a-zA-Z0-9_>.])(exp|log|sin|cos|tan|pow|tanh|erf|exp2|log2|log10|log1p|expm1|cbrt|hypot|sincos|atan2?|asin|acos|sinh|cosh)[fl]?[ ]*\('
loose_flags() {
    grep -nE '^[^#]*-(ffast-math|march=native|funsafe-math|Ofast|ffp-contract=(fast|on))' Makefile
}
nothing "no flag that lets a compiler change a bit" loose_flags

if command -v shellcheck >/dev/null; then
    check "shellcheck has no word on the scripts" shellcheck -S warning -e SC1091 -e SC2034 -e SC2154 \
        -e SC2046 -e SC2086 -s bash tools/setup tools/setup-arm64 tests/run tests/checks.sh \
        tests/lint/run tests/lint/*.sh tests/install/run tests/bits/run tests/bits/arm64 \
        tests/bits/simde tests/fuzz/run tests/fuzz/search .ci/run $(find tests/tool -name '*.sh' 2>/dev/null)
else
    skip "shellcheck" "it is not on this machine"
fi
