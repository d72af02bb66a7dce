# limn "a red apple"

small "a red apple" -s 7
gives 0 "a prompt becomes a picture"
is "the picture is a PNG" is_png a-red-apple-7.png
same_text "its name and seed are told" "a-red-apple-7.png  seed 7" "$(cat "$T/out")"
holds "away from a terminal, a line tells of it" '^limn: a-red-apple-7\.png: 2 steps' "$T/err"
lacks "away from a terminal, no bar" $'\r' "$T/err"
same_text "nothing else is left behind" a-red-apple-7.png "$(ls -A)"

small "a red apple" -s 7
refuses 73 "a picture that is there is not replaced" "a-red-apple-7.png is there already.*--force"
limn "a red apple" -s 7 --model no/such/model
refuses 73 "and that is known before any work" "is there already"
first=$(sha256 a-red-apple-7.png)
small "a red apple" -s 7 --steps 3 --force
gives 0 "--force replaces it"
is "with another picture" [ "$first" != "$(sha256 a-red-apple-7.png)" ]
small "a red apple" -s 7 --force
same "and the same request gives the same file again" "$first" "$(sha256 a-red-apple-7.png)"
for threads in 1 2 3; do
    small "a red apple" -s 7 -t $threads -o threads.png --force
    same "the same file on $threads threads" "$first" "$(sha256 threads.png)"
done
limn --seed=7 --steps=2 --size=64X64 --output=other.png -- "a red apple"
same "the same file under another name, with options before the prompt" "$first" \
    "$(sha256 other.png)"

small "a red apple" -s 7 -n 3 -o several.png
gives 0 "--count 3 to a file"
same_text "it numbers the files and raises the seed" \
    "several-1.png  seed 7
several-2.png  seed 8
several-3.png  seed 9" "$(cat "$T/out")"
same "the first is the one of its seed" "$first" "$(sha256 several-1.png)"
small "a red apple" -s 9
same "so is the last" "$(sha256 several-3.png)" "$(sha256 a-red-apple-9.png)"
small "a red apple" -s 8 -n 2
refuses 73 "one of several that is there stops all" "a-red-apple-9.png is there"
is "before the first is drawn" [ ! -e a-red-apple-8.png ]

small "a red apple" -s 7 -o folder/
gives 0 "--output folder/ makes the folder"
same "and the picture in it" "$first" "$(sha256 folder/a-red-apple-7.png)"
small "a red apple" -m nowhere -o unused/
refuses 66 "no model" "nowhere"
is "then no folder is made" [ ! -e unused ]
small "a red apple" -o nowhere/unused/
refuses 73 "a folder in a folder that is not there" "the folder nowhere/ is not there"
small "a red apple" -s 8 -o folder
gives 0 "a folder that is there needs no slash"
is "the picture is in it" is_png folder/a-red-apple-8.png
for ending in jpg JPEG bmp tga; do
    small "a red apple" -s 7 -o picture.$ending
    gives 0 "a picture as .$ending"
    is "the .$ending is there" [ -s picture.$ending ]
done

small "a red apple"
gives 0 "without --seed"
seed=$(sed -n 's/.*  seed \([0-9]*\)$/\1/p' "$T/out")
name=a-red-apple-$seed.png
is "one is drawn and told, and stands in the name" [ -s "$name" ]
limn show "$name"
holds "and in the recipe" "^seed +$seed$" "$T/out"
small "a red apple" -o again.png -s "$seed"
same "and makes the same picture" "$(sha256 "$name")" "$(sha256 again.png)"
small "a red apple" -s 18446744073709551615
gives 0 "the largest seed"
limn show a-red-apple-18446744073709551615.png
holds "is recorded" "^seed +18446744073709551615$" "$T/out"

small "" -s 1
gives 0 "an empty prompt"
is "is called picture" is_png picture-1.png
small $'Caf\u00e9 "\u6771\u4eac" & l\u2019\u0152uvre' -s 1
gives 0 "a prompt in Unicode"
is "has a name in ASCII" is_png cafe-loeuvre-1.png
small "../../etc/passwd; rm -rf *" -s 1
is "no prompt leaves the folder" is_png etc-passwd-rm-rf-1.png
small "one two three four five six seven eight nine ten eleven twelve" -s 1
is "a long prompt's name ends at a word" is_png one-two-three-four-five-six-seven-eight-1.png
small -- "-dash" -s 1
gives 64 "after -- everything is prompt, so options are too many words"
small -s 1 -- "-dash"
gives 0 "a prompt that begins with - comes after --"
small -s 1 -- batch
gives 0 "a prompt that is the name of a command comes after --"
"$LIMN" --size 64x64 --steps 2 -s 7 -o stdin.png - <<<"a red apple" >"$T/out" 2>"$T/err"
same "the prompt - is read from standard input" "$first" "$(sha256 stdin.png)"

small "a red apple" -s 7 --json -o json.png
gives 0 "--json"
same_text "it is one line" 1 "$(wc -l <"$T/out")"
for member in '"file":"json.png"' '"seed":7' '"width":64' '"height":64' '"steps":2' '"sampler":"' \
    '"ms":[0-9.]+' "\"sha256\":\"$first\"" '"prompt":"a red apple"' '"negative":""' \
    '"status":"done"' '"schedule":"model"' '"rng":"torch"' '"eta":0' '"guidance":7.5' \
    '"model":"tiny-sd15"' '"model_sha256":"[0-9a-f]{64}"' '"contract":1'; do
    holds "with $member" "^\{.*$member.*\}$" "$T/out"
done
small "a red apple" -s 7 --negative pear --sampler ddim --schedule trailing --rng philox --eta 0.5 \
    --json --dry-run -o asked.png
for member in '"negative":"pear"' '"schedule":"trailing"' '"rng":"philox"' '"eta":0.5'; do
    holds "with what was asked for: $member" "^\{.*${member}[,}]" "$T/out"
done
small "a red apple" -s 7 -g 10 --json --dry-run -o ten.png
holds "numbers are as a person writes them" '"guidance":10,' "$T/out"
small "a \"b\" \\ "$'\t\xff' -s 7 --json -o quotes.png
if command -v jq >/dev/null; then
    is "a hard prompt is good JSON still" jq -e '.seed == 7' "$T/out" >/dev/null
fi
small "a red apple" -s 7 -q -o quiet.png
gives 0 "--quiet"
is "nothing is said" [ ! -s "$T/out" ]
is "on stderr neither" [ ! -s "$T/err" ]
small "a red apple" -s 7 -q --json -o quiet-json.png
same_text "--quiet --json is the JSON line alone" "1 0" \
    "$(wc -l <"$T/out") $(wc -l <"$T/err")"

small "a red apple" -s 7 --negative "a pear" -o negative.png
is "--negative changes the picture" [ "$first" != "$(sha256 negative.png)" ]
small "a red apple" -s 7 --guidance 3 -o guidance.png
is "--guidance changes the picture" [ "$first" != "$(sha256 guidance.png)" ]
small "a red apple" -s 7 --rng philox -o philox.png
is "--rng changes the picture" [ "$first" != "$(sha256 philox.png)" ]
small "a red apple" -s 7 --sampler ddim --eta 0 -o eta0.png
small "a red apple" -s 7 --sampler ddim --eta 1 -o eta1.png
is "--eta changes the picture" [ "$(sha256 eta0.png)" != "$(sha256 eta1.png)" ]
small "a red apple" -s 7 --sampler "DPM++ 2M Karras" -o karras.png
small "a red apple" -s 7 --sampler dpmpp_2m --schedule karras -o karras2.png
same "A1111's name for sampler and schedule" "$(sha256 karras.png)" "$(sha256 karras2.png)"
limn samplers
samplers=$(sed -n '/^Samplers/,/^Schedules/s/^  *\([a-z0-9_]*\) .*/\1/p' "$T/out")
schedules=$(sed -n '/^Schedules/,/^Random/s/^  *\([a-z0-9_]*\) .*/\1/p' "$T/out")
is "there are ten samplers or more" [ "$(wc -w <<<"$samplers")" -ge 10 ]
for sampler in $samplers; do
    small "a red apple" -s 7 --steps 3 --sampler $sampler -o "sampler-$sampler.png"
    gives 0 "--sampler $sampler draws"
done
same_text "no two samplers draw the same" "$(wc -w <<<"$samplers")" \
    "$(cat sampler-*.png >/dev/null; sha256sum sampler-*.png | cut -d' ' -f1 | sort -u | wc -l)"
is "there are eight schedules or more" [ "$(wc -w <<<"$schedules")" -ge 8 ]
for schedule in $schedules; do
    # Zero terminal SNR is for models that predict v; this one predicts epsilon.
    prediction=model
    [ $schedule != zsnr ] || prediction=v
    small "a red apple" -s 7 --sampler euler --schedule $schedule --prediction $prediction \
        -o "schedule-$schedule.png"
    gives 0 "--schedule $schedule draws"
done
small "a red apple" -s 7 --sampler euler --schedule zsnr -o none.png
refuses 64 "--schedule zsnr where epsilon is predicted" "zsnr|zero terminal SNR"

mkdir dry && cd dry || exit 1
small "a red apple" -s 7 -n 2 --dry-run -o new/
gives 0 "--dry-run"
empty "it writes nothing" .
holds "it names the file" 'new/a-red-apple-8\.png' "$T/out"
holds "it tells the memory" '^memory +[0-9.]+ MB' "$T/out"
small "a red apple" -s 7 --dry-run --json
for member in dry_run:true model_bytes:[0-9]+ workspace_bytes:[0-9]+ peak_bytes:[0-9]+ evaluations:3 \
    'gflop:[0-9]+\.[0-9]+' 'model:"tiny-sd15"' 'model_sha256:"[0-9a-f]{64}"' contract:1; do
    holds "--dry-run --json tells ${member%%:*}" "\"${member%%:*}\":${member#*:}[,}]" "$T/out"
done
small "a red apple" --size 72x65 --dry-run
refuses 64 "--dry-run finds what is wrong too" "65"
cd ..

long=$(printf 'apple %.0s' $(seq 200))
small "$long the end" -s 1 -o long.png
gives 0 "a prompt of more than 75 tokens is drawn"
is "whole, without a warning" [ "$(grep -c warning "$T/err")" = 0 ]
small "$long the end" -s 1 --dry-run
holds "--dry-run counts it" 'prompt 202, negative 0 \(3 chunks of 75\)' "$T/out"
small "$long the end" -s 1 --prompt-syntax plain -o long-plain.png
gives 0 "with the plain syntax, a prompt that is too long is drawn"
holds "with a warning that shows what was dropped" '^limn: warning: .*dropped.*apple' "$T/err"
is "and another picture" [ "$(sha256 long.png)" != "$(sha256 long-plain.png)" ]
small "a (red:1.3) [apple|pear]" -s 1 -o syntax.png
gives 0 "a prompt with syntax"
limn again syntax.png
gives 0 "which is drawn again"
small "a (red" -s 1 --prompt-syntax comfy -o no.png
refuses 64 "a syntax that is none" "comfy.*a1111 and plain"
small $'caf\xe9' -s 1 -o broken.png
gives 0 "invalid UTF-8 is drawn"
holds "with a warning" '^limn: warning: .*UTF-8' "$T/err"
small "caf"$'\xef\xbf\xbd' -s 1 -o repaired.png
same "as if U+FFFD stood there" "$(sha256 repaired.png)" "$(sha256 broken.png)"
small "$long" -s 1 -q --prompt-syntax plain -o long-quiet.png
is "--quiet gives no warnings" [ ! -s "$T/err" ]
small "a red apple" -s 7 --sampler euler --eta 0.5 --image-guidance 2 --control-strength 0.5 \
    --upscale-steps 3 -o idle.png
gives 0 "what does nothing is no fault"
for what in "eta is 0.5, but the sampler euler has none" "image_guidance is 2.*instruct-pix2pix" \
    "control_strength is 0.5.*a control image" "upscale_steps is 3.*a second pass"; do
    holds "but is said: $what" "^limn: warning: $what" "$T/err"
done
small "a red apple" -s 7 -g 1 --negative blurry --guidance-rescale 0.5 -o unguided.png
for what in "there is a negative prompt, which does nothing at guidance 1" "guidance_rescale is 0.5"; do
    holds "and without guidance: $what" "^limn: warning: $what" "$T/err"
done
small $'a \u202ecat' -s 7 --dry-run
lacks "what reorders a line is not shown" $'\u202e' "$T/out"
small "a red apple" -s 7 --sampler ddim --eta 0.5 --upscale 1.5 --upscale-steps 3 -o busy.png
lacks "what does something is not" "warning" "$T/err"

small "a red apple" -s 7 --cache kept -o cached.png
gives 0 "with a folder for a cache"
same "a cache changes no picture" "$first" "$(sha256 cached.png)"
LIMN_ISA=c small "a red apple" -s 7 --cache narrow -o narrow.png
cp narrow/*.limn-cache "$(echo kept/*.limn-cache)"
small "a red apple" -s 7 --cache kept -o narrow.png --force
gives 0 "with another processor's cache"
same "it changes no picture either" "$first" "$(sha256 narrow.png)"
small "a red apple" -s 7 --cache kept -o cached.png --force
same "nor does one that is there" "$first" "$(sha256 cached.png)"
small "a red apple" -s 7 --cache cached.png/below -o uncached.png
gives 0 "where there can be no cache, the picture is drawn all the same"
holds "and it is said why" "warning: --cache: not used: .*cached.png" "$T/err"
same "and the picture is the same" "$first" "$(sha256 uncached.png)"
rm -rf kept
