# What the world does to a program: full disks, closed pipes, broken models. No half files, ever.

mkdir full && cd full || exit 1
(
    ulimit -f 1
    "$LIMN" -t 1 --size 64x64 --steps 2 "a cat" >"$T/out" 2>"$T/err"
)
status=$?
refuses 74 "a disk that is full" "cat-.*\.png"
empty "leaves no half file" .
(
    ulimit -f 1
    printf 'a cat\na dog\n' | "$LIMN" batch - -t 1 --size 64x64 --steps 2 >"$T/out" 2>"$T/err"
)
status=$?
refuses 74 "a disk that is full ends a batch" "cat-.*\.png"
empty "and leaves nothing either" .
cd ..

if [ "$(id -u)" != 0 ]; then
    mkdir locked && chmod a-w locked
    small "a cat" -o locked/cat.png
    refuses 73 "a folder that may not be written" "locked"
    chmod u+w locked
else
    skip "a folder that may not be written" "root may write anywhere"
fi
small "a cat" -o no/such/cat.png
refuses 73 "a folder that is not there" "no/such"
small "a cat" -o /proc/cat.png
refuses 73 "a folder where nothing can be made" "/proc"
touch file
small "a cat" -o file/cat.png
refuses 73 "a folder that is a file" "file"
small "a cat" --force -o /dev/null/x.png
refuses 73 "a folder that is a device" "null"
mkdir taken.png
small "a cat" --force -o taken.png/x.png
gives 0 "a folder may be called .png"
ln -s nowhere.png link.png
small "a cat" -o link.png
refuses 73 "a link to nowhere is in the way too" "link.png is there"

small "a cat" -s 3 -o stdout.png >/dev/null
"$LIMN" "a cat" -t 1 --size 64x64 --steps 2 -o full.png >/dev/full 2>"$T/err"
status=$?
: >"$T/out"
gives 74 "standard output that is full"
holds "is told" 'standard output' "$T/err"
"$LIMN" "a cat" -t 1 --size 64x64 --steps 2 -o shut.png >&- 2>"$T/err"
status=$?
gives 74 "standard output that is shut"
is "the picture is there nevertheless, whole" is_png shut.png
printf 'one\ntwo\nthree\n' >three.txt
small batch three.txt -o three/
"$LIMN" batch three.txt -t 1 --size 64x64 --steps 2 -o three/ --json >/dev/full 2>"$T/err"
status=$?
same_text "a batch that is there already, to a full device: said once" "74 1" \
    "$status $(grep -c 'standard output' "$T/err")"
"$LIMN" samplers >/dev/full 2>"$T/err"
status=$?
gives 74 "limn samplers to a full device"
(
    trap '' PIPE
    "$LIMN" "a cat" -t 1 --size 64x64 --steps 2 -n 3 -o pipe.png 2>"$T/err"
    echo $? >"$T/pipe-status"
) | true
same_text "standard output that nobody reads" 74 "$(cat "$T/pipe-status")"
"$LIMN" "a cat" -t 1 --size 64x64 --steps 2 -s 3 -o closed.png <&- 2>&- >/dev/null
status=$?
gives 0 "neither standard input nor error"
is "the picture is the same" cmp -s closed.png stdout.png

limn "a cat" -m no-such-model
refuses 66 "a model that is not there" "no-such-model"
small "a cat" -m .
refuses 66 "a folder that is no model" "no model_index\.json"
model() { # a fresh copy to break
    chmod -R u+w broken 2>/dev/null
    rm -rf broken
    cp -r "$LIMN_MODEL" broken
    chmod -R u+w broken
}
rm -f *.png
for part in unet/diffusion_pytorch_model.safetensors vae/diffusion_pytorch_model.safetensors \
    text_encoder/model.safetensors unet/config.json tokenizer/vocab.json tokenizer/merges.txt \
    scheduler/scheduler_config.json; do
    model
    rm broken/$part
    small "a cat" -m broken
    refuses 66 "a model without $part" "${part%/*}"
done
for part in unet/diffusion_pytorch_model.safetensors vae/diffusion_pytorch_model.safetensors \
    text_encoder/model.safetensors unet/config.json tokenizer/vocab.json; do
    model
    size=$(wc -c <broken/$part)
    truncate -s $((size / 2)) broken/$part
    small "a cat" -m broken
    refuses 65 "a model with half of $part" "${part%/*}"
done
model
sed -i 's/"cross_attention_dim": *[0-9]*/"cross_attention_dim": 48/' broken/unet/config.json
small "a cat" -m broken
refuses 65 "a model with a wrong shape" "unet"
chmod -R u+w broken && rm -rf broken
same_text "broken models leave no pictures" "" "$(find . -maxdepth 1 -type f -name '*.png')"
small "a cat" --size 16384x16384
refuses 64 "a size that is too large" "width is 16384, expected 8 to 8192 px"

# Where the model is looked for.
(
    unset LIMN_MODEL
    mkdir -p place/bin place/share/limn
    cp "$LIMN" place/bin/limn
    place/bin/limn "a cat" -t 1 --size 64x64 --steps 2 >"$T/out" 2>"$T/err"
    echo $? >"$T/model-status"
    cp "$T/err" "$T/model-err"
    ln -s "$top/tests/golden/tiny-sd15" place/share/limn/vignette
    place/bin/limn "a cat" -t 1 --size 64x64 --steps 2 -o installed.png >"$T/out" 2>"$T/err"
    mkdir place/bin/weights
    ln -s "$top/tests/golden/tiny-sd15" place/bin/weights/vignette
    rm place/share/limn/vignette
    place/bin/limn "a cat" -t 1 --size 64x64 --steps 2 -o beside.png >"$T/out" 2>"$T/err"
)
if [ -e /usr/local/share/limn/vignette ]; then
    skip "no model anywhere" "one is installed on this machine"
else
    same_text "no model anywhere" 66 "$(cat "$T/model-status")"
    holds "it is said where limn looked" 'weights/vignette.*share/limn/vignette' "$T/model-err"
fi
is "a model in ../share/limn is found" is_png installed.png
is "a model beside the program is found" is_png beside.png
