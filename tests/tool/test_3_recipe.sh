# limn show, limn again

small "a red apple" -s 7 --negative "a pear" --guidance 3.5
picture=a-red-apple-7.png
limn show $picture
gives 0 "show"
for line in "prompt +a red apple" "negative +a pear" "seed +7" "steps +2" "guidance +3\.5" \
    "size +64x64" "sampler +[a-z]" "schedule +model" "rng +torch" \
    "model +.*sha256 [0-9a-f]{64}" "contract +[0-9]+"; do
    holds "show prints $line" "^$line" "$T/out"
done
limn show $picture --json
gives 0 "show --json"
same_text "is one line" 1 "$(wc -l <"$T/out")"
holds "of JSON" '^\{.*"a red apple".*\}$' "$T/out"

limn again $picture
gives 0 "again"
same_text "finds the same" "$picture: pixels identical, file identical" "$(cat "$T/out")"
limn again $picture -t 3 -q
gives 0 "again, on three threads, quiet"
is "says nothing then" [ ! -s "$T/out" ]
limn again $picture --json
holds "again --json" '"pixels_identical":true,"file_identical":true.*"differing":0' "$T/out"
holds "has the values and how far they are apart" '"values":12288,"differing":0,"largest":0,"ms":[0-9.]+,' \
    "$T/out"
holds "and the request" '"seed":7,.*"negative":"a pear"' "$T/out"
limn again $picture -o copy.png
is "again -o keeps the new picture" cmp -s $picture copy.png
same_text "again writes nothing else" "a-red-apple-7.png copy.png" "$(echo *)"

cp $picture longer.png
printf 'more' >>longer.png
limn again longer.png
gives 1 "a file that was changed"
holds "is told from the picture in it" 'pixels identical, file differs' "$T/out"

cp -r "$LIMN_MODEL" other-model
chmod -R u+w other-model
sed -i 's/"beta_end": *[0-9.]*/"beta_end": 0.011/' other-model/scheduler/scheduler_config.json
limn again $picture -m other-model
gives 1 "again with another model"
holds "says so first" 'warning: .*another model' "$T/err"
holds "and counts what differs" 'pixels differ: [0-9]+ of 12288 values, by at most [0-9]+' "$T/out"

# The recipe of one picture and the pixels of another, drawn almost alike: a PNG's texts stand before
# its pixels, in chunks that begin four bytes before their names.
pixels_at() { echo $(($(grep -obUa IDAT "$1" | head -1 | cut -d: -f1) - 4)); }
small "a red apple" -s 7 --negative "a pear" --guidance 3.501 -o almost.png
{ head -c "$(pixels_at $picture)" $picture; tail -c +$(($(pixels_at almost.png) + 1)) almost.png; } \
    >spliced.png
limn again spliced.png
gives 1 "again of pixels that differ by one"
holds "counts those too" 'pixels differ: [1-9][0-9]* of 12288 values, by at most 1 of 255' "$T/out"
limn again spliced.png --json
gives 1 "again --json of them"
holds "has the same" '"pixels_identical":false,"file_identical":false,"values":12288,"differing":[1-9][0-9]*,"largest":1,' \
    "$T/out"

limn again $picture --set seed=8
gives 0 "again --set seed=8"
same_text "writes a new picture and says its seed" "a-red-apple-8.png  seed 8" "$(cat "$T/out")"
small "a red apple" -s 8 --negative "a pear" --guidance 3.5 -o straight.png
same "which is the one that drawing it gives" "$(sha256 straight.png)" "$(sha256 a-red-apple-8.png)"
limn again $picture --set seed=8
refuses 73 "again --set replaces nothing" "is there already"
limn again $picture --set seed=9 --set steps=3 -o nine.png
gives 0 "again with two changes and a name"
limn show nine.png
holds "one is the steps" '^steps +3' "$T/out"
holds "one is the seed" '^seed +9' "$T/out"

small "a red apple" --upscale 2 -o twice.png
limn show twice.png
holds "show tells a second pass by both sizes" '^size +128x128, drawn first at 64x64$' "$T/out"
small "a red apple" --upscale 2 --dry-run
holds "so does --dry-run" '^size +128x128, drawn first at 64x64$' "$T/out"

small "a red apple" -s 7 --precision int8 -o small.png
limn show small.png
holds "show says int8" '^precision +int8' "$T/out"
limn again small.png
gives 0 "again in the recipe's own precision"
same_text "finds the same" "small.png: pixels identical, file identical" "$(cat "$T/out")"
limn again small.png --set precision=float32 -o large.png
gives 0 "again --set precision=float32"
small "a red apple" -s 7 -o straight-large.png
same "is what drawing in float32 gives" "$(sha256 straight-large.png)" "$(sha256 large.png)"
limn again small.png --set precision=int4 -o none.png
refuses 64 "a precision that is none" "int4"

limn again $picture --set colour=red
refuses 64 "a setting that is none" "colour"
limn again $picture --set steps=many
refuses 64 "a value that is none" "many"
limn again $picture --set seed=10 --dry-run
gives 0 "again --dry-run"
is "writes nothing" [ ! -e a-red-apple-10.png ]

# A terminal must not obey a stranger's picture.
small $'red \033]0;owned\007\033[31m apple\nsecond line' -s 1 -o escape.png
gives 0 "a prompt with control characters"
limn show escape.png
lacks "show sends none of them" $'[\x01-\x09\x0b-\x1f]' "$T/out"

limn show no-such.png
refuses 66 "show of a file that is not there" "no-such\.png"
limn again no-such.png
refuses 66 "again of a file that is not there" "no-such\.png"
echo "this is no picture" >text.png
limn show text.png
refuses 65 "show of a file that is no PNG" "text\.png"
head -c 300 $picture >half.png
limn again half.png
refuses 65 "again of half a PNG" "half\.png"
: >nothing.png
limn show nothing.png
refuses 65 "show of an empty file" "nothing\.png"
limn show "$top/tests/golden/vignette/apple.png"
refuses 65 "show of a PNG without a recipe" "apple\.png: .*no recipe"
limn again "$top/tests/golden/vignette/apple.png"
refuses 65 "again of a PNG without a recipe" "apple\.png: .*no recipe"
limn show .
is "show of a folder is refused" [ "$status" -ge 64 -a -s "$T/err" ]
