# The bar on a terminal, through util-linux's script.

if script --version 2>/dev/null | grep -q util-linux; then
    on_terminal() { # COMMAND: what a terminal receives, in $T/out
        script -qec "$1" /dev/null >"$T/out" 2>"$T/err" </dev/null
        status=$?
    }
    on_terminal "'$LIMN' 'a cat' -s 1 -t 1 --size 64x64 --steps 40"
    gives 0 "drawing on a terminal"
    tr '\r' '\n' <"$T/out" >"$T/lines"
    holds "a bar shows the step, its time and what is left" \
        '^\[#*\.*\] step [0-9]+/40, [0-9.]+ (ms|s) a step, .* left' "$T/lines"
    holds "it reaches the end" '^\[#{20}\] step 40/40' "$T/lines"
    last=$(tail -1 "$T/lines" | tr -d '\n')
    holds "the name and seed come last" '^a-cat-1\.png  seed 1' "$T/lines"
    is "the bar is wiped away" grep -q "^ \{30,\}$" "$T/lines"
    lacks "there is no colour" $'\033' "$T/out"
    on_terminal "'$LIMN' 'a cat' -s 2 -n 2 -t 1 --size 64x64 --steps 4"
    tr '\r' '\n' <"$T/out" >"$T/lines"
    holds "of several pictures the bar says which" '2 of 2, step 4/4' "$T/lines"
    on_terminal "'$LIMN' 'a cat' -s 4 -q -t 1 --size 64x64 --steps 4"
    is "--quiet has no bar" [ ! -s "$T/out" ]
    on_terminal "stty cols 40; '$LIMN' 'a cat' -s 5 -t 1 --size 64x64 --steps 4"
    tr '\r' '\n' <"$T/out" | grep step >"$T/lines"
    lacks "a narrow terminal is not overrun" '.{40}' "$T/lines"
    on_terminal "TERM=dumb '$LIMN' 'a cat' -s 6 -t 1 --size 64x64 --steps 4"
    lacks "a dumb terminal gets no bar" 'step [0-9]' "$T/out"
else
    skip "the bar on a terminal" "util-linux's script is not on this machine"
fi
