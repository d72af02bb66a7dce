# --max-memory and --vae-tile.

small "a red apple" -s 7 --size 160x160 --vae-tile 96 -o tiles.png
gives 0 "--vae-tile"
limn show tiles.png
holds "show says it" '^vae_tile +96$' "$T/out"
limn again tiles.png
gives 0 "again in tiles"
small "a red apple" -s 7 --size 384x384 --max-memory 58M -o limited.png
gives 0 "--max-memory that the whole decode is too large for"
limn show limited.png
holds "the recipe has the tiles" '^vae_tile +[0-9]+$' "$T/out"
limn again limited.png --dry-run
holds "and again needs no limit for them" '^vae_tile +[0-9]+$' "$T/out"
small "a red apple" --size 384x384 --max-memory 58M --dry-run
holds "--dry-run says them too" '^vae_tile +[0-9]+$' "$T/out"
small "a red apple" --size 384x384 --max-memory 38M --dry-run
refuses 64 "too little for tiles, in advance" "even where it is decoded in tiles.*38\.0 MB"
small "a red apple" --max-memory 9M
refuses 64 "too little for the model" "the model tiny-sd15 alone needs"
small "a red apple" -s 7 --size 384x384 -o whole.png
limn again whole.png --max-memory 58M
refuses 64 "again does not change what was asked for" "other pixels"
small "a red apple" -s 7 --size 160x160 --vae-tile 100 -o none.png
refuses 64 "a tile that is no multiple" "vae_tile is 100"

# In a batch, with the built-in model, which decodes more quickly.
echo '{"prompt": "a red apple", "seed": 7}' >one.jsonl
for i in 1 2; do
    small batch one.jsonl -m "$top/weights/vignette" --size 384x384 --max-memory 56M -o batch
    gives 0 "batch --max-memory, $i"
done
same_text "its tiled picture is there already then" "batch/0001-a-red-apple-7.png  seed 7  (there already)" \
    "$(cat "$T/out")"
small "a red apple" -s 7 -m "$top/weights/vignette" --size 384x384 --max-memory 56M -o alone.png
same "and is what is drawn alone" "$(sha256 alone.png)" "$(sha256 batch/0001-a-red-apple-7.png)"
limn show alone.png
holds "in tiles" '^vae_tile +[0-9]+$' "$T/out"
small batch one.jsonl -m "$top/weights/vignette" --size 384x384 -o batch
gives 73 "without the limit it would be another picture"
for size in 0 -1 2T 1e400 x 2GG 0x10 ""; do
    small "a red apple" --max-memory "$size"
    refuses 64 "--max-memory '$size'" "--max-memory wants"
done

# Memory that is not there: a picture of a permitted size under a limit of the system. A sanitizer
# needs terabytes of addresses.
if grep -q __asan_init "$LIMN"; then
    skip "no memory to give" "a sanitizer takes more addresses than a limit would leave"
else
    (
        ulimit -v 400000
        "$LIMN" "a red apple" --size 2048x2048 --steps 1 -t 1 -o none.png >"$T/out" 2>"$T/err"
    )
    status=$?
    refuses 71 "no memory to give" "^limn: the system has no 1[0-9]{3}\.[0-9] MB of memory to give$"
    is "leaves no picture" [ ! -e none.png ]
fi

# Little stack, as threads of some C libraries and systems have it. Sanitizers take more.
if grep -q __asan_init "$LIMN"; then
    skip "128 KB of stack" "a sanitizer's frames are larger"
else
    for precision in float32 int8; do
        (
            ulimit -s 128
            "$LIMN" "a red apple" --size 64x64 --steps 2 -t 1 --precision $precision \
                -o stack-$precision.png >"$T/out" 2>"$T/err"
        )
        status=$?
        gives 0 "128 KB of stack are enough, $precision"
    done
fi
