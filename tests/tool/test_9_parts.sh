# Parts from elsewhere: --vae, --text-encoder, --text-encoder-2, --tokenizer

model=$LIMN_MODEL
golden=$top/tests/golden
small "a red apple" -s 7 -o own.png
own=$(sha256 own.png)
small "a red apple" -s 7 --vae "$model/vae" --text-encoder "$model/text_encoder" \
    --tokenizer "$model/tokenizer" -o named.png
gives 0 "every part from where it is anyway"
same "is the same model: the same file" "$own" "$(sha256 named.png)"

# The hash has what was read in it, not where it was; the name is the folder's.
bare=bare/tiny-sd15
mkdir -p $bare
cp "$model/model_index.json" $bare
cp -r "$model/unet" "$model/scheduler" $bare
chmod -R u+w $bare
for lacking in "--vae --text-encoder" "--vae --tokenizer" "--text-encoder --tokenizer"; do
    set --
    for option in $lacking; do
        part=${option#--}
        set -- "$@" "$option" "$model/${part/-/_}"
    done
    small "a red apple" -m $bare "$@" -o no.png
    refuses 66 "a model of two parts, with $lacking alone" "bare"
done
small "a red apple" -s 7 -m $bare --vae "$model/vae" --text-encoder "$model/text_encoder" \
    --tokenizer "$model/tokenizer" -o put-together.png
gives 0 "a model that lacks three parts, with all of them"
same "is the same model again" "$own" "$(sha256 put-together.png)"
small "a red apple" -s 7 -m $bare --vae "$model" --text-encoder "$model" --tokenizer "$model" \
    -o whole.png
same "so it is with parts of a whole model's folder" "$own" "$(sha256 whole.png)"

small "a red apple" -s 7 --vae "$model/vae/diffusion_pytorch_model.safetensors" -o file.png
gives 0 "--vae FILE"
limn again file.png
gives 1 "is another model to the recipe"
holds "with the same pixels" "pixels identical, file differs" "$T/out"

small "a red apple" -s 7 --vae "$golden/tiny-sd21/vae" -o vae.png
gives 0 "another --vae"
is "is another picture" [ "$own" != "$(sha256 vae.png)" ]
limn again vae.png
holds "of another model" "another model: tiny-sd15 .*this is tiny-sd15" "$T/err"
limn again vae.png --vae "$golden/tiny-sd21/vae"
gives 0 "again --vae"
same_text "finds the same" "vae.png: pixels identical, file identical" "$(cat "$T/out")"
cp -r "$model/text_encoder" encoder
chmod -R u+w encoder
sed -i 's/"num_attention_heads": 4/"num_attention_heads": 2/' encoder/config.json
small "a red apple" -s 7 --text-encoder encoder -o encoder.png
gives 0 "another --text-encoder"
is "is another picture too" [ "$own" != "$(sha256 encoder.png)" ]
limn again encoder.png --text-encoder encoder
gives 0 "again --text-encoder"
cp -r "$model/tokenizer" words
chmod -R u+w words
sed -i '/^a p$/d; /^ap p/d; /^app le/d' words/merges.txt
small "a red apple" -s 7 --tokenizer words -o words.png
gives 0 "another --tokenizer"
is "reads the prompt in another way" [ "$own" != "$(sha256 words.png)" ]
echo '{"prompt": "a red apple", "seed": 7}' >one.jsonl
small batch one.jsonl --vae "$golden/tiny-sd21/vae" -o batch
same "batch --vae draws the same" "$(sha256 vae.png)" "$(sha256 batch/0001-a-red-apple-7.png)"

xl=$golden/tiny-sdxl
small "a red apple" -s 7 -m "$xl" -o xl.png
small "a red apple" -s 7 -m "$xl" --text-encoder "$xl/text_encoder" \
    --text-encoder-2 "$xl/text_encoder_2" -o xl-parts.png
gives 0 "SDXL's two text encoders from folders"
same "are the same model" "$(sha256 xl.png)" "$(sha256 xl-parts.png)"
small "a red apple" -s 7 -m "$xl" --text-encoder "$xl/text_encoder" -o xl-first.png
gives 0 "the first one's folder alone"
same "leaves the second" "$(sha256 xl.png)" "$(sha256 xl-first.png)"
limn again xl.png -m "$xl" --text-encoder "$xl" --tokenizer "$xl"
gives 0 "a whole model's brings both, which are the same model too"
limn again xl.png -m "$xl" --tokenizer "$xl/tokenizer"
holds "one vocabulary for both leaves each its own special tokens" "pixels identical" "$T/out"
small "a red apple" -m "$xl" --text-encoder-2 "$xl/text_encoder" -o no.png
refuses 65 "the first where the second belongs" "hidden_size together is 32.*cross_attention_dim is 40"

refused_part() { # STATUS NAME RE OPTION PATH
    small "a red apple" "$4" "$5" -o no.png
    refuses "$1" "$2" "$3"
}
vae=$model/vae/diffusion_pytorch_model.safetensors
refused_part 65 "a VAE for a text encoder" "no text_encoder in it; it is a VAE alone" --text-encoder "$vae"
refused_part 65 "a text encoder for a VAE" "no vae in it; it is a text encoder alone" \
    --vae "$model/text_encoder/model.safetensors"
refused_part 65 "a folder without a VAE" "tokenizer: there is no vae in it" --vae "$model/tokenizer"
refused_part 65 "a VAE of other channels" "24" --vae "$top/weights/vignette/vae"
refused_part 65 "a text encoder of another width" "hidden_size is 16.*cross_attention_dim is 32" \
    --text-encoder "$xl/text_encoder"
refused_part 65 "a tokenizer that is none" "no tokenizer in it; expected vocab.json" --tokenizer "$model/vae"
refused_part 65 "a folder that is an encoder" "text_encoder: there is no vae in it" --vae "$model/text_encoder"
refused_part 65 "a folder that is a VAE" "vae: there is no text_encoder in it" --text-encoder "$model/vae"
for option in vae text-encoder text-encoder-2 tokenizer; do
    refused_part 66 "--$option that is not there" "nowhere: there is no such" --$option nowhere
done

# limn convert puts parts together in one file.
limn convert "$model" own.safetensors -q
limn convert $bare together.safetensors -q --vae "$model/vae" --text-encoder "$model/text_encoder" \
    --tokenizer "$model/tokenizer"
gives 0 "convert with parts"
is "gives the file of the whole model" cmp -s own.safetensors together.safetensors
limn convert "$model" other.safetensors -q --vae "$golden/tiny-sd21/vae"
limn again vae.png -m other.safetensors
holds "convert with another VAE" "pixels identical" "$T/out"
limn convert "$model" no.safetensors --vae "$model/text_encoder/model.safetensors"
refuses 65 "convert with a VAE that is none" "no vae in it; it is a text encoder alone"
is "leaves nothing" [ ! -e no.safetensors ]
rm -f ./*.safetensors
