# A picture that another program drew: tests/tool/a1111.png has 64x64 pixels of one colour and the text
# "parameters" as A1111 writes it, without a model, in a tEXt chunk.

cp "$top/tests/tool/a1111.png" .
limn show a1111.png
gives 0 "show of a picture with A1111's text alone"
for line in "prompt +a red apple" "negative +blurry" "seed +5" "steps +2" "guidance +7" "size +64x64" \
    "sampler +euler_a" "schedule +model" "rng +philox" "from +the text that A1111 writes"; do
    holds "show prints $line" "^$line$" "$T/out"
done
lacks "and no contract" "^contract" "$T/out"
limn show a1111.png --json
gives 0 "show --json of it"
same_text "is one line" 1 "$(wc -l <"$T/out")"
for member in '"file":"a1111.png"' '"seed":5' '"sampler":"euler_a"' '"rng":"philox"' \
    '"prompt":"a red apple"' '"negative":"blurry"' '"model":""' '"model_sha256":""' '"contract":0'; do
    holds "with $member" "^\{.*${member}[,}]" "$T/out"
done

limn again a1111.png -t 1
gives 1 "again of it"
holds "says what is not known" "warning: a1111\.png does not say which model drew it; this is tiny-sd15" "$T/err"
holds "and that it is another picture" "pixels differ: [0-9]+ of 12288 values" "$T/out"
limn again a1111.png -t 1 --set seed=6 -o six.png
gives 0 "again --set"
small "a red apple" -t 1 -s 6 -g 7 --negative blurry --sampler euler_a --rng philox -o straight.png
same "draws what the text asks for" "$(sha256 straight.png)" "$(sha256 six.png)"

# limn's own text is as good, where the recipe was lost: a PNG's chunks are length, name, what is in
# them and a sum.
number_at() { echo $((0x$(tail -c +$(($2 + 1)) "$1" | head -c 4 | od -An -tx1 | tr -d ' '))); }
without_recipe() {
    local at=8 size length
    size=$(stat -c %s "$1")
    head -c 8 "$1"
    while [ $at -lt "$size" ]; do
        length=$(number_at "$1" $at)
        [ "$(tail -c +$((at + 5)) "$1" | head -c 9 | tr '\0' .)" = iTXtlimn. ] ||
            tail -c +$((at + 1)) "$1" | head -c $((length + 12))
        at=$((at + length + 12))
    done
}
without_recipe six.png >text-alone.png
limn show text-alone.png
holds "A1111's text of limn is read" "^from +the text that A1111 writes$" "$T/out"
limn again text-alone.png -t 1
gives 1 "again from it"
same_text "draws the same pixels" \
    "text-alone.png: pixels identical, file differs: its metadata or packing is not what limn writes" \
    "$(cat "$T/out")"
lacks "and knows its model by its hash" "warning" "$T/err"
limn again text-alone.png -t 1 -m "$top/tests/golden/tiny-sd21"
holds "and another one" "was drawn by another model: tiny-sd15 \([0-9a-f]{10}\.\.\.\), this is tiny-sd21" "$T/err"
