# --control, --control-image: drawn with it, drawn again with it, and told where it is missing

# own NAME N C K: the header's entries of a convolution [N, C, K, K] and its bias, as float16; moves $at.
own() {
    local weight=$((at + 2 * $2 * $3 * $4 * $4))
    printf ',"%s.weight":{"dtype":"F16","shape":[%d,%d,%d,%d],"data_offsets":[%d,%d]}' \
        "$1" "$2" "$3" "$4" "$4" "$at" "$weight" >>own.json
    at=$((weight + 2 * $2))
    printf ',"%s.bias":{"dtype":"F16","shape":[%d],"data_offsets":[%d,%d]}' "$1" "$2" "$weight" "$at" >>own.json
}

# control FILE BYTE: a ControlNet made of the tiny model's U-Net, of which it is a copy, with what is
# its own behind it, each byte of that being BYTE (in tr's octal).
control() {
    local unet=$LIMN_MODEL/unet/diffusion_pytorch_model.safetensors length begin i header
    length=$(od -An -tu8 -N8 "$unet" | tr -d ' ')
    begin=$(($(stat -Lc %s "$unet") - 8 - length))
    at=$begin
    : >own.json
    own controlnet_cond_embedding.conv_in 4 3 3
    for i in 0 2 4; do own controlnet_cond_embedding.blocks.$i 4 4 3; done
    for i in 1 3 5; do own controlnet_cond_embedding.blocks.$i 4 4 3; done
    own controlnet_cond_embedding.conv_out 32 4 3
    for i in 0 1 2 3 4 5 6; do own controlnet_down_blocks.$i 32 32 1; done
    for i in 7 8 9 10 11; do own controlnet_down_blocks.$i 64 64 1; done
    own controlnet_mid_block 64 64 1
    header=$(tail -c +9 "$unet" | head -c "$length" | sed 's/} *$//')$(cat own.json)'}'
    {
        for i in 0 1 2 3; do
            # shellcheck disable=SC2059
            printf "\\$(printf %o $((${#header} >> 8 * i & 255)))"
        done
        printf '\0\0\0\0%s' "$header"
        tail -c "$begin" "$unet"
        head -c $((at - begin)) /dev/zero | tr '\0' "$2"
    } >"$1"
}
control net.safetensors '\050'
control other.safetensors '\044'
cp $top/tests/golden/pipelines/init.png edges.png

small apple -s 1 -o plain.png
small apple -s 1 --control net.safetensors --control-image edges.png -o with.png
gives 0 "--control, --control-image"
cmp -s plain.png with.png
is "change the picture" [ $? = 1 ]
limn show with.png
holds "show names the ControlNet" '^control +net \(sha256 [0-9a-f]{64}\)$' "$T/out"
holds "and its picture" '^control img +edges\.png \(pixels. sha256 [0-9a-f]{64}\)$' "$T/out"
limn show with.png --json
holds "the recipe has both" '"control_image":\{"file":"edges.png".*"control":\{"name":"net"' "$T/out"
small apple -s 1 --control net.safetensors --control-image edges.png --control-strength 0.5 --control-range 0.4:1 -o part.png
gives 0 "--control-strength, --control-range"
limn show part.png --json
holds "are in the recipe" '"control_strength":0.5,"control_from":0.4,' "$T/out"
limn apple --control net.safetensors --control-image edges.png --steps 2 --dry-run
holds "without --size, the size is the control image's" '^size +64x64' "$T/out"

limn again with.png --control net.safetensors
gives 0 "again finds the picture in the current folder"
same_text "and draws the same" "with.png: pixels identical, file identical" "$(cat "$T/out")"
limn again with.png
refuses 66 "again without the ControlNet" "drawn with the ControlNet net .*--control PATH"
limn again with.png --set control=none -o without.png
is "can do without it" cmp -s plain.png without.png
limn again with.png --control other.safetensors
is "again with another ControlNet is another picture" [ "$status" = 1 ]
holds "and says so before" 'drawn with another ControlNet: net .*, this is other' "$T/err"
limn again plain.png --control net.safetensors
refuses 64 "again with a ControlNet that took no part" "drawn without a ControlNet"
mkdir away
mv edges.png away
limn again with.png --control net.safetensors
refuses 64 "again without the control image" "'edges\.png' \(--control-image\), which was not given"
limn again with.png --control net.safetensors --control-image away/edges.png
gives 0 "again --control-image"

printf 'apple\n{"prompt": "a pear", "control_strength": 0.3}\n' >prompts.txt
small batch prompts.txt -o batch --control net.safetensors --control-image away/edges.png
gives 0 "batch --control"
holds "a line has a strength of its own" '"control_strength":0.3' batch/manifest.jsonl
small batch prompts.txt -o batch --control net.safetensors --control-image away/edges.png
holds "batch begun again finds its pictures" 'there already' "$T/out"
small batch prompts.txt -o batch --control other.safetensors --control-image away/edges.png
gives 73 "batch with another ControlNet does not take the pictures for its own"
holds "and says so" "drawn with another ControlNet" "$T/err"

small apple --control net.safetensors -o no.png
refuses 64 "a ControlNet alone" "--control needs a picture to follow: --control-image"
small apple --control-image away/edges.png -o no.png
refuses 64 "a control image alone" "--control-image needs a ControlNet"
with="--control net.safetensors --control-image away/edges.png -o no.png"
small apple $with --control other.safetensors
refuses 64 "two ControlNets" "one --control, not two"
small apple $with --control-strength 11
refuses 64 "a strength past the end" "control_strength is 11"
small apple $with --control-range 0.7:0.2
refuses 64 "a range that ends before it begins" "--control-range ends before it begins"
small apple $with --control-from 0.7 --control-to 0.2
refuses 64 "the same by two options" "control_from is 0.7, expected at most control_to"
small apple --control missing.safetensors --control-image away/edges.png -o no.png
refuses 66 "a ControlNet that is not there" "missing\.safetensors"
small apple --control net.safetensors --control-image missing.png -o no.png
refuses 66 "a control image that is not there" "missing\.png"
small apple --control "$LIMN_MODEL" --control-image away/edges.png -o no.png
refuses 65 "a model for a ControlNet" "whole model, and no ControlNet"
limn apple -m net.safetensors -o no.png
refuses 65 "a ControlNet for a model" "this is a ControlNet, .*--control takes it"
head -c 100000 net.safetensors >cut.safetensors
small apple --control cut.safetensors --control-image away/edges.png -o no.png
refuses 65 "a ControlNet that was cut short" "cut\.safetensors"
