# The words that the shell suites (lint, install, bits) are written in; to be sourced by bash at the
# top of the tree. A suite ends with `finish`, whose line tests/run reads.
passed=0 failed=0 skipped=0

pass() {
    passed=$((passed + 1))
    echo "ok    $*"
}
fail() {
    failed=$((failed + 1))
    echo "FAIL  $*"
}
skip() { # NAME WHY
    skipped=$((skipped + 1))
    echo "skip  $1: $2"
}

# check NAME COMMAND...: passes where the command succeeds; shows what it said where it does not.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        pass "$name"
    else
        fail "$name"
        printf '%s\n' "$said" | sed 's/^/      /'
    fi
}

# nothing NAME COMMAND...: passes where the command, a search for faults, finds and prints nothing.
nothing() {
    local name=$1 said
    shift
    said=$("$@" 2>&1)
    if [ -z "$said" ]; then
        pass "$name"
    else
        fail "$name"
        printf '%s\n' "$said" | sed 's/^/      /'
    fi
}

# same NAME EXPECTED FOUND: passes where two texts are equal and not empty.
same() {
    if [ -n "$2" ] && [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1"
        printf '      expected %s\n      found    %s\n' "${2:-nothing}" "${3:-nothing}"
    fi
}

finish() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line="$line, $skipped skipped"
    echo "$line"
    [ "$failed" = 0 ]
    exit
}

jobs=$(nproc 2>/dev/null || echo 2)

# build FOLDER TARGET [VARIABLE=VALUE...]: makes FOLDER/TARGET with the variables, quietly.
build() {
    local folder=$1 target=$2
    shift 2
    make --no-print-directory -j"$jobs" BUILD="$folder" "$@" "$folder/$target"
}
