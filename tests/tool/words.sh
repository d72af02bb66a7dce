# The words that the tool's tests are written in, beside those of tests/checks.sh.
#
#   limn ARGUMENT...        runs the program; its words are in $T/out and $T/err, its status in $status
#   gives STATUS NAME       the last run ended so, and said nothing on stderr but notes
#   refuses STATUS NAME RE  the last run ended so, with one sentence that RE matches, and no result
#   holds NAME RE FILE      a line of the file matches
# Every test file runs in an empty folder of its own, $PWD.

limn() {
    "$LIMN" "$@" >"$T/out" 2>"$T/err" </dev/null
    status=$?
}

# small [batch] ARGUMENT...: the same, with the quickest picture that the tiny model draws. On one
# thread: more have nothing to do in it, and wait for each other where the machine is busy.
small() {
    if [ "${1-}" = batch ]; then
        limn batch --size 64x64 --steps 2 -t 1 "${@:2}"
    else
        limn --size 64x64 --steps 2 -t 1 "$@"
    fi
}

show_run() {
    sed 's/^/      out: /' "$T/out"
    sed 's/^/      err: /' "$T/err"
}

gives() {
    if [ "$status" = "$1" ]; then
        pass "$2"
    else
        fail "$2: status $status, not $1"
        show_run
    fi
}

refuses() {
    local wrong=
    [ "$status" = "$1" ] || wrong="status $status, not $1"
    [ "$(wc -l <"$T/err")" = 1 ] || wrong="$wrong; not one line on stderr"
    grep -q '^limn: ' "$T/err" || wrong="$wrong; does not begin with 'limn: '"
    grep -qE -- "$3" "$T/err" || wrong="$wrong; does not say /$3/"
    [ -s "$T/out" ] && wrong="$wrong; something on stdout"
    if [ -z "$wrong" ]; then
        pass "$2"
    else
        fail "$2: $wrong"
        show_run
    fi
}

holds() {
    if grep -qE -- "$2" "$3"; then
        pass "$1"
    else
        fail "$1: nothing matches /$2/"
        sed 's/^/      /' "$3" | head -20
    fi
}

lacks() { # NAME RE FILE
    if grep -qE -- "$2" "$3"; then
        fail "$1: something matches /$2/"
        sed 's/^/      /' "$3" | head -20
    else
        pass "$1"
    fi
}

# is NAME COMMAND...: passes where a test command succeeds.
is() {
    local name=$1
    shift
    if "$@"; then pass "$name"; else fail "$name: $*"; fi
}

# empty NAME FOLDER: nothing is in it, hidden files neither.
empty() { same_text "$1" "" "$(ls -A "$2")"; }

# same_text NAME EXPECTED FOUND: as `same`, and an empty text is a text.
same_text() {
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1"
        printf '      expected %s\n      found    %s\n' "$2" "$3"
    fi
}

# is_png FILE: begins and ends as a PNG does.
is_png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] &&
        [ "$(tail -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 49454e44ae426082 ]
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 20))
    shift
    while [ $tries -gt 0 ]; do
        "$@" && return 0
        sleep 0.05
        tries=$((tries - 1))
    done
    return 1
}

# start ARGUMENT...: runs limn beside the test, with the signals of a program started by hand.
start() {
    set -m
    "$LIMN" "$@" >"$T/out" 2>"$T/err" </dev/null &
    child=$!
    set +m
}

# listens: whether what `start` began has Ctrl-C (SIGINT, bit 1 of what it catches) to itself by now;
# before it is the program it is a copy of this shell, which may have it too.
listens() {
    local caught
    [ "/proc/$child/exe" -ef "$LIMN" ] || return
    caught=$(sed -n 's/^SigCgt:.*\(..\)$/\1/p' "/proc/$child/status" 2>/dev/null)
    [ $((0x${caught:-0} & 2)) != 0 ]
}

# ended: waits for what `start` began; its status is in $status.
ended() {
    wait "$child" 2>/dev/null
    status=$?
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }
