# limn inspect

limn inspect "$LIMN_MODEL"
gives 0 "inspect"
for line in "name +tiny-sd15" "kind +folder in diffusers' layout" "family +Stable Diffusion 1\.x" \
    "sha256 +[0-9a-f]{64}" "unet +2446788 numbers in 684 tensors \(F16 684\), 4893576 bytes" \
    "vae +1399879 numbers in 244 tensors \(F16 244\), [0-9]+ bytes" \
    "text_encoder +1621696 numbers in 53 tensors \(F16 52, I64 1\), [0-9]+ bytes" "tokenizer +there" \
    "defaults +128x128, 20 steps, guidance 7\.5, sampler pndm, epsilon"; do
    holds "inspect prints $line" "^$line$" "$T/out"
done
lacks "nothing is wrong with it" "^wrong" "$T/out"
words=$(sed -n 's/^sha256 *//p' "$T/out")
small "a red apple" --dry-run --json
holds "its hash is the one in recipes" "\"model_sha256\":\"$words\"" "$T/out"

limn inspect "$top/tests/golden/tiny-sdxl"
holds "SDXL has two text encoders" "^text_encoder_2 +1217064 numbers in 69 tensors" "$T/out"
limn inspect "$top/tests/golden/tiny-sd21"
holds "the family is told" "^family +Stable Diffusion 2\.x, 768 px, v-prediction" "$T/out"
holds "what a model predicts is told" ", sampler ddim, v_prediction$" "$T/out"
limn inspect "$top/weights/vignette"
holds "so is a schedule that ends in pure noise" ", v_prediction, zero terminal SNR$" "$T/out"

limn inspect "$LIMN_MODEL" --json
gives 0 "inspect --json"
same_text "it is one line" 1 "$(wc -l <"$T/out")"
for member in '"container":"folder"' '"kind":null' '"family":"sd1"' "\"sha256\":\"$words\"" \
    '"unet":\{"parameters":2446788,"tensors":684,"bytes":4893576,"types":"F16 684"\}' \
    '"tokenizer":true' '"complete":true' '"prediction":"epsilon"' '"zero_snr":false' '"faults":\[\]'; do
    holds "with $member" "^\{.*$member.*\}$" "$T/out"
done
lacks "and without the tensors" '"tensors":\[' "$T/out"
limn inspect "$LIMN_MODEL" --tensors
gives 0 "inspect --tensors"
same_text "a line for each" 981 "$(grep -cE '^(unet|vae|text_encoder) [^ ]+ (F16|I64) \[[0-9, ]*\]$' "$T/out")"
holds "with name, type and shape" '^unet conv_in\.weight F16 \[32, 4, 3, 3\]$' "$T/out"
limn inspect "$LIMN_MODEL" --tensors --json
holds "or an object for each" '\{"part":"unet","name":"conv_in.weight","type":"F16","shape":\[32, 4, 3, 3\]\}' "$T/out"
if command -v jq >/dev/null; then
    same_text "all of them, in good JSON" "981 unet" \
        "$(jq -r '"\(.tensors | length) \(.tensors[0].part)"' "$T/out")"
fi
limn inspect "$LIMN_MODEL" --vae "$top/tests/golden/tiny-sd21/vae"
gives 0 "inspect --vae"
holds "tells of the part from elsewhere" "^vae +354391 numbers in 244 tensors \(F32 244\)" "$T/out"

vae=$LIMN_MODEL/vae/diffusion_pytorch_model.safetensors
limn inspect "$vae"
gives 65 "inspect of a VAE alone"
holds "says what it is" "^is +VAE$" "$T/out"
holds "and what takes it" "^wrong .*this is a VAE alone; --vae takes it, beside a model$" "$T/out"
holds "and has no family" "^family +cannot be told without a U-Net$" "$T/out"
holds "A1111's hash is the first ten digits" "^A1111's hash +$(sha256 "$vae" | head -c 10)$" "$T/out"
limn inspect "$vae" --json
gives 65 "inspect --json of it"
holds "says the same" '"kind":"VAE","family":null,.*"complete":false.*"faults":\["[^"]*a VAE alone' "$T/out"
limn inspect "$LIMN_MODEL/vae"
refuses 65 "inspect of its folder" "this is a VAE alone; --vae takes it"

cp -r "$LIMN_MODEL" lacking
chmod -R u+w lacking
rm lacking/vae/*.safetensors lacking/tokenizer/*
limn inspect lacking
gives 65 "inspect of a folder that lacks files"
holds "tells what is missing" "^wrong .*lacking/vae: there is neither model\.safetensors nor" "$T/out"
holds "and that a tokenizer is" "^tokenizer +missing$" "$T/out"
holds "and what is there all the same" "^unet +2446788 numbers" "$T/out"
limn inspect lacking --json
gives 65 "inspect --json of it too"
holds "is incomplete" '"tokenizer":false,"complete":false,.*"faults":\["lacking/vae: ' "$T/out"

limn inspect "$top/Makefile"
refuses 65 "inspect of no model" "Makefile: .*no safetensors file"
limn inspect "$top/src"
refuses 66 "inspect of a folder of other things" "no model_index\.json"
limn inspect nowhere
refuses 66 "inspect of what is not there" "nowhere"
