# limn batch

cat >prompts.txt <<'END'
# three kinds of lines
a red apple
--prompt "a green pear" --negative_prompt "blue" --seed 7 --steps 3 --cfg_scale 5 --sampler_name "Euler a" --width 64 --height 64
{"prompt": "a yellow banana", "seed": 9, "steps": 2, "width": 64, "height": 64}

a red apple
END
small batch prompts.txt -o out
gives 0 "a batch"
same_text "draws a picture for every line" 4 "$(ls out/*.png | wc -l)"
same_text "and says each name" 4 "$(grep -c '^out/.*\.png  seed [0-9]*$' "$T/out")"
holds "and sums them up" '^limn: 4 drawn, 0 there already, 0 failed' "$T/err"
is "names come from place, prompt and seed" [ -s out/0002-a-green-pear-7.png ]
same_text "the manifest has a row for each" "4 4" \
    "$(wc -l <out/manifest.jsonl) $(grep -c '"status":"done"' out/manifest.jsonl)"
holds "with the hash of the file" \
    "\"file\":\"0002-a-green-pear-7.png\",.*\"seed\":7,\"sha256\":\"$(sha256 out/0002-a-green-pear-7.png)\",\"ms\":[0-9.]+,\"request\":\{" \
    out/manifest.jsonl
if command -v jq >/dev/null; then
    is "every row is JSON" jq -e .request.prompt out/manifest.jsonl >/dev/null
fi
limn -t 1 "a green pear" --negative blue -s 7 --steps 3 -g 5 --sampler euler_a --size 64x64 -o alone.png
same "a picture is the same in a batch and alone" "$(sha256 alone.png)" \
    "$(sha256 out/0002-a-green-pear-7.png)"
limn show out/0001-*.png
seed=$(sed -n 's/^seed *//p' "$T/out")
small "a red apple" -s "$seed" -o alone2.png
same "so is one whose seed comes from its text" "$(sha256 alone2.png)" "$(sha256 out/0001-*.png)"
limn show out/0004-*.png
is "the same line elsewhere has another seed" [ "$seed" != "$(sed -n 's/^seed *//p' "$T/out")" ]

before=$(cat out/*.png out/manifest.jsonl | sha256sum)
small batch prompts.txt -o out
gives 0 "the same batch again"
same_text "skips every picture" 4 "$(grep -c 'there already)$' "$T/out")"
same "and changes nothing" "$before" "$(cat out/*.png out/manifest.jsonl | sha256sum)"
rm out/0001-*.png
small batch prompts.txt -o out --json
gives 0 "after one picture was lost"
same_text "that one is drawn again" "1 3" \
    "$(grep -c '"status":"done"' "$T/out") $(grep -c '"status":"skipped"' "$T/out")"
rm out/manifest.jsonl
small batch prompts.txt -o out
same_text "without its manifest, too, every picture is skipped" 4 "$(grep -c 'there already)$' "$T/out")"
same_text "and has a row again" 4 "$(grep -c '"status":"skipped"' out/manifest.jsonl)"

small batch prompts.txt -o out --steps 3
gives 73 "pictures of other requests are not replaced"
holds "which is said with file and line" '^limn: prompts\.txt:2: out/0001-.*another request' "$T/err"
holds "the others go on" '0002-a-green-pear-7.png.*there already' "$T/out"
small batch prompts.txt -o out --steps 3 --force
gives 0 "unless --force says so"
limn show out/0001-*.png
holds "then they are new" '^steps +3' "$T/out"
cp alone.png stranger.png
printf 'no picture' >out/0003-a-yellow-banana-9.png
small batch prompts.txt -o out --steps 3
gives 73 "a file that is no picture is not replaced"

cat >bad.txt <<'END'
a red apple
--prompt "no end
--prompt "a pear" --sampler_name "Oiler" --seed 1
{"prompt": "a pear", "steps": 2,
{"prompt": "a pear", "width": 65, "height": 64, "seed": 1}
--prompt "a pear" --nonsense 3
a blue plum
END
small batch bad.txt -o bad
gives 65 "bad lines make the exit status"
same_text "but do not stop the good ones" 2 "$(ls bad/*.png | wc -l)"
for line in 2 3 4 5 6; do
    holds "line $line is named with its column" "^limn: bad\.txt:$line:[0-9]+: " "$T/err"
done
holds "the sum counts them" '2 drawn, 0 there already, 5 failed' "$T/err"
same_text "the manifest has them" 5 "$(grep -c '"status":"failed"' bad/manifest.jsonl)"
small batch bad.txt -o bad --json
same_text "--json has them" 5 "$(grep -c '"status":"failed","line":[0-9]*,"code":65' "$T/out")"
same_text "with a file where the line could be read" "2 3 4 6, 5" \
    "$(sed -n 's/^{"file":null,.*"line":\([0-9]*\).*/\1/p' "$T/out" | paste -sd' '), $(
        sed -n 's/^{"file":"bad.*"failed","line":\([0-9]*\).*/\1/p' "$T/out" | paste -sd' '
    )"
same_text "and the line of each good one" "1 7" \
    "$(sed -n 's/^{"file":"bad.*"status":"skipped","line":\([0-9]*\),.*/\1/p' "$T/out" | paste -sd' ')"
same_text "a failure is not booked twice" 5 "$(grep -c '"status":"failed"' bad/manifest.jsonl)"

small batch prompts.txt -o several -n 2 -s 5 --dry-run
gives 0 "batch --dry-run"
is "writes nothing" [ ! -e several ]
same_text "names every picture" 8 "$(grep -c '^would draw' "$T/out")"
printf 'a cat\na dog' >two.txt
small batch two.txt -o several -n 2 -s 5
same_text "--count and --seed hold for every line" \
    "0001-a-cat-5.png 0001-a-cat-6.png 0002-a-dog-5.png 0002-a-dog-6.png" \
    "$(cd several && echo *.png)"
"$LIMN" batch - -t 1 --size 64x64 --steps 2 <<<"a kite" >"$T/out" 2>"$T/err"
status=$?
gives 0 "a batch from standard input into the current folder"
same_text "is there" 1 "$(ls 0001-a-kite-*.png | wc -l)"
"$LIMN" batch - -t 1 --size 64x64 --steps 2 -o stdin <<<'{"prompt": 3}' >"$T/out" 2>"$T/err"
holds "its faults name standard input" '^limn: standard input:1:[0-9]+: ' "$T/err"
small batch no-such.txt
refuses 66 "a prompt file that is not there" "no-such\.txt"
printf '# nothing\n\n' >none.txt
small batch none.txt -o none
gives 0 "a file without prompts"
small batch two.txt -o two.txt
refuses 73 "a folder that is a file" "two\.txt"
mkdir -p taken/manifest.jsonl
small batch two.txt -o taken
is "a manifest that is a folder is found before any work" [ "$status" -ge 73 -a "$status" -le 74 ]
same_text "so no picture is there" manifest.jsonl "$(ls -A taken)"
printf 'caf\xe9\n' >latin.txt
small batch latin.txt -o latin
gives 0 "a line that is no UTF-8"
holds "has its warning" 'warning: line 1 .*UTF-8' "$T/err"
printf -- '--prompt apple --sampler_name "Euler a" --eta 0.3\n' >eta.txt
small batch eta.txt -o eta
holds "so has a number that does nothing" 'warning: line 1: eta is 0.3' "$T/err"
printf '%0.sapple ' $(seq 200) >long.txt
small batch long.txt -o long --prompt-syntax plain
holds "so has one that is too long" 'warning: line 1: .*dropped' "$T/err"
