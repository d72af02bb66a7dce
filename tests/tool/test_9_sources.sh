# Pictures that are drawn from pictures: --init, --mask, --strength

golden=$top/tests/golden/pipelines
cp $golden/init.png $golden/mask.png .
from="--steps 5 -t 1 -s 7"
limn "a red apple" $from --init init.png --strength 0.4 -o from.png
gives 0 "--init"
limn show from.png
holds "show says the picture" '^init +init\.png \(pixels. sha256 [0-9a-f]{64}\)' "$T/out"
holds "and the strength" '^strength +0\.4' "$T/out"
holds "its size is the picture's" '^size +64x64' "$T/out"
limn again from.png
gives 0 "again finds the picture in the current folder"
limn "a red apple" $from --init init.png --strength 0.4 --sampler euler --dry-run --json
holds "--dry-run counts the steps that are made" '"evaluations":2[,}]' "$T/out"
holds "and has the picture" '"init":\{"file":"init.png","pixels_sha256":"[0-9a-f]{64}"\}' "$T/out"

mkdir away
mv init.png away
limn again from.png
refuses 64 "again without the picture" "'init\.png' \(--init\), which was not given"
limn again from.png --init away/init.png
gives 0 "again --init"
cp from.png away
limn again away/from.png
gives 0 "again finds the picture beside the one that is drawn from it"
cp mask.png init.png
limn again from.png
refuses 65 "another picture of that name" "another picture than the one"
limn again away/from.png
gives 0 "but the right one beside the picture is found"
rm init.png
limn "a red apple" $from -o alone.png
limn again alone.png --init mask.png
refuses 64 "again with a picture that it was not drawn from" "was drawn without --init"
limn again from.png --init mask.png --set strength=0.6 -o other.png
gives 0 "again --init with a change takes any picture"

limn "a red apple" $from --init away/init.png --mask mask.png -o hole.png
gives 0 "--mask"
limn show hole.png --json
holds "is in the recipe" '"mask":\{"file":"mask.png"' "$T/out"
limn "a red apple" $from --init away/init.png --size 96x64 -o wide.png
gives 0 "a picture of another size"
limn show wide.png
holds "is brought to the one that is asked for" '^size +96x64' "$T/out"
limn "a red apple" $from -o plain.jpg
limn "a red apple" $from --init plain.jpg -o photo.png
gives 0 "--init with a JPEG"

limn "a red apple" $from --mask mask.png -o no.png
refuses 64 "a mask alone" "needs a picture to begin with"
limn "a red apple" $from --strength 0.5 -o no.png
refuses 64 "a strength alone" "needs a picture to begin with"
limn "a red apple" $from --init away/init.png --strength 0.1 -o no.png
refuses 64 "a strength that leaves no step" "leaves none of 5 steps"
limn "a red apple" $from --init missing.png -o no.png
refuses 66 "a picture that is not there" "missing\.png"
head -c 300 away/init.png >cut.png
limn "a red apple" $from --init cut.png -o no.png
refuses 65 "a damaged picture" "cut\.png"
limn "a red apple" $from --init away/init.png --strength 0 -o no.png
refuses 64 "a strength of nothing is not the usual one" "--strength wants a number from 0.001 to 1"

# In a batch they hold for every line; A1111's denoising_strength is then the strength.
cat >prompts.jsonl <<'END'
{"prompt": "a red apple", "seed": 7, "denoising_strength": 0.4}
{"prompt": "a red apple", "seed": 7}
END
cp away/init.png .
limn batch prompts.jsonl --steps 5 -t 1 --init init.png -o batch
gives 0 "batch --init"
same "draws what is drawn alone, denoising_strength too" "$(sha256 from.png)" \
    "$(sha256 batch/0001-a-red-apple-7.png)"
limn show batch/0001-a-red-apple-7.png
holds "which is the strength in the recipe" '^strength +0\.4$' "$T/out"
limn "a red apple" $from --init init.png -o usual.png
same "and without one the strength is the usual" "$(sha256 usual.png)" \
    "$(sha256 batch/0002-a-red-apple-7.png)"
limn batch prompts.jsonl --steps 5 -t 1 --init init.png -o batch
same_text "run again, all is there already" 2 "$(grep -c '(there already)$' "$T/out")"
limn batch prompts.jsonl --steps 5 -t 1 --init mask.png -o batch
gives 73 "from another picture it is another request"
limn batch prompts.jsonl --steps 5 -t 1 --init init.png --mask mask.png -o holes
gives 0 "batch --init --mask"
same "draws what is drawn alone" "$(sha256 hole.png)" "$(sha256 holes/0002-a-red-apple-7.png)"
limn batch prompts.jsonl --steps 5 -t 1 --mask mask.png -o none
gives 65 "batch with a mask alone"
holds "is said of each line" '^limn: prompts\.jsonl:2:1: a mask needs a picture to begin with' "$T/err"
