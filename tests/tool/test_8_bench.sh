# limn bench: it measures without any file, and says so in a table or as one object.

unset_model() { # the same without $LIMN_MODEL: there is nothing to find
    env -u LIMN_MODEL HOME="$PWD" "$LIMN" "$@" >"$T/out" 2>"$T/err" </dev/null
    status=$?
}
unset_model bench --arch vignette --size 64x64 --runs 1 --threads 1 --json
gives 0 "bench --json"
same_text "is one line" 1 "$(wc -l <"$T/out")"
holds "says what it does" "^limn: measuring vignette" "$T/err"
number='[0-9.]+(e[-+]?[0-9]+)?'
stage="\\{\"seconds\":$number,\"direct_gflop\":$number,\"share\":$number\\}"
holds "has the peaks first" \
    "^\\{\"peak\":\\{\"f32_gflops\":$number,\"int8_gops\":$number,\"read_gbs\":${number}[,}]" "$T/out"
holds "has each stage" \
    "\"stages\":\\{\"text\":$stage,\"unet_guided_step\":$stage,\"vae_decode\":$stage\\}" "$T/out"
holds "has the peak of memory" '"peak_bytes":[1-9][0-9]{6,}[,}]' "$T/out"
holds "says what was measured" '"arch":"vignette","width":64,"height":64,"threads":1,"runs":1' \
    "$T/out"
if command -v python3 >/dev/null; then
    is "is JSON" python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$T/out"
else
    skip "is JSON" "python3 is not on this machine"
fi
empty "leaves nothing behind" .

limn bench --arch vignette --size 64x96 --runs 1 --threads 2 --quiet
gives 0 "bench"
same_text "is silent with --quiet" "" "$(cat "$T/err")"
holds "names the level" "float32, level (c|avx2|avx512|neon), 2 threads" "$T/out"
for what in "text, one prompt" "U-Net, one guided step" "decoding to pixels"; do
    holds "has a line: $what" "$what +$number s +$number GFLOP +$number %" "$T/out"
done
holds "tells the peak of memory" "peak memory +[0-9.]+ MB" "$T/out"

limn bench --arch vignette --size 64x64 --runs 1 --threads 1 --precision int8 --json -q
gives 0 "bench --precision int8"
holds "names the precision" '"precision":"int8"' "$T/out"
wrong 64 "an unknown precision" "int4.*float32 and int8" bench --precision int4

wrong 64 "an unknown architecture" "no architecture 'sd14'.*sd15, sd15-taesd, sd21, sdxl and vignette" \
    bench --arch sd14
wrong 64 "an architecture's size" "width is 72, expected a multiple of 16" \
    bench --arch vignette --size 72x64
wrong 64 "a size past the last" "8192" bench --arch sd15 --size 8200x512
wrong 64 "--runs 0" "--runs wants" bench --runs 0
wrong 64 "bench with a name" "too much" bench sd15
wrong 64 "bench with a model" "bench takes no --model" bench --model x
wrong 64 "--arch outside bench" "takes no --arch" "a cat" --arch sd15

start bench --arch vignette --runs 1000 --threads 1 --quiet
wait_for 20 listens
kill -INT $child
ended
refuses 75 "Ctrl-C while measuring" "stopped"
