# The further settings that `limn samplers` lists: each is taken, told, recorded, and does something.

# A value of each.
declare -A value=(
    [cache-interval]=3 [cache-branch]=2 [guidance-rescale]=0.5 [guidance-from]=0.25
    [guidance-to]=0.75 [clip-skip]=2 [upscale]=1.5 [upscale-strength]=0.6 [upscale-steps]=3
    [vae-tile]=64 [prediction]=v_prediction [zero-snr]=on
    [original-width]=32 [original-height]=48 [crop-x]=5 [crop-y]=6 [target-width]=80
    [target-height]=96 [prompt-2]=oil [negative-2]=blur
    [strength]=0.4 [image-guidance]=1.25
    [control-strength]=0.5 [control-from]=0.125 [control-to]=0.875
)
listed=$("$LIMN" samplers | sed -n '/^Settings/,$s/^  *--\([a-z0-9-]*\) .*/\1/p')
same_text "every setting that there is has a value here" "$(sort <<<"$listed")" \
    "$(printf '%s\n' "${!value[@]}" | sort)"

xl=$top/tests/golden/tiny-sdxl
# told NAME MODEL ARGUMENT... -- SETTING...: a dry run with these settings has each in its JSON line.
told() {
    local name=$1 model=$2 setting member
    local -a arguments=()
    shift 2
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    for setting in "$@"; do arguments+=("--$setting" "${value[$setting]}"); done
    limn "a red apple" -m "$model" --size 96x96 --steps 8 --dry-run --json "${arguments[@]}"
    gives 0 "settings $name"
    for setting in "$@"; do
        member=${setting//-/_}
        [ "$setting" != negative-2 ] || member=negative_prompt_2
        holds "--$setting is in the JSON line" "\"$member\":\"?${value[$setting]}\"?," "$T/out"
    done
}
told "of any model" "$LIMN_MODEL" -- cache-interval cache-branch guidance-rescale guidance-from \
    guidance-to clip-skip upscale upscale-strength upscale-steps vae-tile prediction zero-snr
told "of SDXL" "$xl" --negative grey -- original-width original-height crop-x crop-y target-width \
    target-height prompt-2 negative-2
told "of a picture to begin with" "$LIMN_MODEL" --init "$top/tests/golden/pipelines/init.png" -- strength
idle=(control-strength control-from control-to image-guidance)
# shellcheck disable=SC2046 # two words for each
limn "a red apple" --dry-run --json $(for s in "${idle[@]}"; do echo "--$s ${value[$s]}"; done)
gives 0 "settings that have nothing to do"
for setting in "${idle[@]}"; do
    lacks "--$setting is then not in the JSON line" "\"${setting//-/_}\"" "$T/out"
    holds "but is warned of" "warning: ${setting//-/_} is ${value[$setting]}" "$T/err"
done
limn "a red apple" --dry-run --json --guidance-range 0.25:0.75
holds "--guidance-range says two" '"guidance_from":0.25,"guidance_to":0.75,' "$T/out"

# Each alone draws another picture than none does, which is drawn again from its recipe.
other_picture() { # MODEL ARGUMENT...
    local model=$1 name="${*:2}" plain=plain-${1##*/}.png
    shift
    settings="-s 7 -t 1 --size 64x64 --steps 5 --negative grey -q"
    # shellcheck disable=SC2086 # a word for each
    [ -e "$plain" ] || limn "a red apple" -m "$model" $settings -o "$plain"
    # shellcheck disable=SC2086
    limn "a red apple" -m "$model" $settings "$@" -o other.png --force
    gives 0 "$name draws"
    is "$name draws another picture" [ "$(sha256 "$plain")" != "$(sha256 other.png)" ]
    "$LIMN" show other.png --json >>recipes
}
for setting in guidance-from guidance-to cache-interval clip-skip guidance-rescale; do
    other_picture "$LIMN_MODEL" --$setting "${value[$setting]}"
done
for setting in original-width original-height crop-x crop-y target-width target-height negative-2; do
    other_picture "$xl" --$setting "${value[$setting]}"
done
for setting in guidance_from guidance_to cache_interval clip_skip original_width original_height \
    crop_x crop_y target_width target_height negative_prompt_2; do
    same_text "$setting is in the recipe of its picture alone" 1 "$(grep -c "\"$setting\":" recipes)"
done
for setting in upscale-strength upscale-steps; do
    small "a red apple" -s 7 --upscale 1.5 -o up.png --force
    small "a red apple" -s 7 --upscale 1.5 --$setting "${value[$setting]}" -o up2.png --force
    is "--$setting draws another picture" [ "$(sha256 up.png)" != "$(sha256 up2.png)" ]
done
limn "a red apple" -s 7 -t 1 --size 64x64 --steps 5 --cache-interval 3 -q -o branch1.png
limn "a red apple" -s 7 -t 1 --size 64x64 --steps 5 --cache-interval 3 --cache-branch 2 -q -o branch2.png
is "--cache-branch draws another picture" [ "$(sha256 branch1.png)" != "$(sha256 branch2.png)" ]
