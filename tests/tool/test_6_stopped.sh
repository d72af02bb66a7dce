# Ctrl-C, and being killed.

no_pictures() { [ -z "$(find . -mindepth 1 ! -name 'prompts*')" ]; }
threads() { sed -n 's/^Threads:[[:space:]]*//p' "/proc/$child/status" 2>/dev/null; }
for signal in INT TERM HUP; do
    start "a cat" -t 1 --size 64x64 --steps 1000 --sampler heun
    wait_for 20 listens
    sleep 0.5 # into the drawing
    same_text "-t 1 is one thread (SIG$signal)" 1 "$(threads)"
    kill -$signal $child
    ended
    refuses 75 "SIG$signal while drawing" "interrupted"
    is "leaves nothing" no_pictures
done

for n in $(seq 300); do echo "number $n"; done >prompts-many.txt
listens_or_ended() { listens || ! kill -0 $child 2>/dev/null; }
start batch prompts-many.txt --dry-run -t 1 --size 64x64
wait_for 20 listens_or_ended
kill -INT $child
ended
gives 75 "Ctrl-C in a dry run"

# A second one does not wait for what does not answer: a program whose reader has stopped reading.
asleep() {
    local i
    for i in 1 2 3; do
        listens && grep -q '^State:[[:space:]]*S' "/proc/$child/status" || return
        sleep 0.05
    done
}
deaf() { ! listens; }
mkfifo pipe
exec 5<>pipe
set -m
"$LIMN" batch prompts-many.txt --dry-run --json -t 1 --size 64x64 >&5 2>"$T/err" </dev/null &
child=$!
set +m
wait_for 20 asleep
kill -INT $child
wait_for 20 deaf
is "one Ctrl-C waits for who reads" kill -0 $child
kill -INT $child
ended
gives 130 "two Ctrl-C kill"
exec 5>&-
rm pipe prompts-many.txt

# `nohup limn` outlives its terminal.
(
    trap '' HUP
    start "a cat" -s 1 -t 1 --size 64x64 --steps 40 -o prompts-nohup.png
    wait_for 20 listens
    kill -HUP $child
    ended
    echo $status >"$T/status"
)
status=$(cat "$T/status")
gives 0 "SIGHUP where it is ignored"
is "the picture is drawn" is_png prompts-nohup.png
for n in 1 2 3 4 5 6; do echo "prompt number $n"; done >prompts.txt
# As many steps as make a picture last a good while here, that there be time to break in.
limn "a cat" -t 1 --size 64x64 --steps 4 --json -o prompts-pace.png
pace_ms=$(sed -n 's/.*"ms":\([0-9]*\).*/\1/p' "$T/out")
steps=$((4 * 300 / (${pace_ms:-0} + 1)))
[ $steps -ge 4 ] || steps=4
[ $steps -le 200 ] || steps=200
settings="-t 1 --size 64x64 --steps $steps"
limn batch prompts.txt -o whole $settings
gives 0 "a batch that is left alone"
two_there() { [ "$(ls "$folder"/*.png 2>/dev/null | wc -l)" -ge 2 ]; }
hashes() { (cd "$1" && sha256sum ./*.png); }
whole_pictures() {
    local f
    for f in "$1"/*.png; do is_png "$f" && "$LIMN" show "$f" >/dev/null || return 1; done
}

for signal in INT KILL; do
    folder=stopped-$signal
    start batch prompts.txt -o $folder $settings
    wait_for 20 two_there
    kill -$signal $child
    ended
    if [ $signal = INT ]; then
        gives 75 "a batch on Ctrl-C"
        holds "says how far it came" 'interrupted after [0-9] drawn' "$T/err"
        same_text "leaves pictures and manifest only" "" \
            "$(find $folder -type f ! -name '*.png' ! -name manifest.jsonl)"
    else
        gives 137 "a batch that is killed"
        printf '{"file":"0003-pro' >>$folder/manifest.jsonl # what a crash may leave
    fi
    is "what is there is whole (SIG$signal)" whole_pictures $folder
    limn batch prompts.txt -o $folder $settings
    gives 0 "the same command goes on (SIG$signal)"
    holds "and skips what is there" 'seed [0-9]*  \(there already\)' "$T/out"
    same "in the end all is as if nothing had happened (SIG$signal)" "$(hashes whole)" \
        "$(hashes $folder)"
    lacks "every row of the manifest is whole (SIG$signal)" '^[^{]|[^}]$|^.*\}\{"file' \
        $folder/manifest.jsonl
    for f in $folder/*.png; do
        holds "there is a row for ${f##*/} (SIG$signal)" \
            "^\{\"file\":\"${f##*/}\",\"status\":\"(done|skipped)\",.*$(sha256 "$f")" \
            $folder/manifest.jsonl
    done
done

# Three threads draw a picture that has work for them.
start "a cat" -t 3 --steps 1000 --size 512x512
three() { [ "$(threads)" = 3 ]; }
is "-t 3 is three threads" wait_for 20 three
wait_for 20 listens
kill -INT $child
ended
gives 75 "Ctrl-C ends them all"
