# --lora: drawn with it, drawn again with it, and told where it is missing

# lora FILE LAYER FLOAT [NAME]: a LoRA of rank 1 for the first convolution, all of one number, given
# as the four bytes of a float in printf's octal; and an empty tensor of that name.
lora() {
    local header value
    header=$(printf '{"%s.lora_down.weight":{"dtype":"F32","shape":[1,4,3,3],"data_offsets":[0,144]},' "$2"
        printf '"%s.lora_up.weight":{"dtype":"F32","shape":[32,1,1,1],"data_offsets":[144,272]}' "$2"
        [ -z "${4-}" ] || printf ',"%s":{"dtype":"F32","shape":[0],"data_offsets":[272,272]}' "$4"
        printf '}')
    value=$3
    {
        # shellcheck disable=SC2059
        printf "\\$(printf %o $((${#header} % 256)))\\$(printf %o $((${#header} / 256)))\0\0\0\0\0\0"
        printf '%s' "$header"
        # shellcheck disable=SC2059
        for _ in $(seq 68); do printf "$value"; done
    } >"$1"
}
half='\0\0\0\077' none='\0\0\0\0'
lora style.safetensors lora_unet_conv_in "$half"
lora zero.safetensors lora_unet_conv_in "$none"
lora other.safetensors lora_unet_nowhere "$half"

small apple -s 1 -o plain.png
small apple -s 1 --lora style.safetensors:0.5 -o styled.png
gives 0 "--lora FILE:SCALE"
cmp -s plain.png styled.png
is "changes the picture" [ $? = 1 ]
limn show styled.png
holds "show names it" '^lora +style\.safetensors x 0\.5 \(sha256 [0-9a-f]{64}\)$' "$T/out"
small apple -s 1 --lora style.safetensors:0 -o none.png
limn show none.png --json
holds "scale 0 is in the recipe" '"loras":\[\{"name":"style.safetensors","sha256":"[0-9a-f]{64}","scale":0\}\]' "$T/out"
limn again none.png --set loras=none -o without.png
is "and changes no bit" cmp -s plain.png without.png

limn again styled.png
gives 0 "again finds it beside the picture"
same_text "and draws the same" "styled.png: pixels identical, file identical" "$(cat "$T/out")"
mkdir away
mv style.safetensors away/moved.safetensors
limn again styled.png
refuses 66 "again without it" "style\.safetensors.*--lora"
cp zero.safetensors style.safetensors
limn again styled.png
refuses 66 "again with another file of its name" "another file"
limn again styled.png --lora away/moved.safetensors
gives 0 "again with --lora, under any name"
limn again styled.png --lora nowhere.safetensors
refuses 66 "again with a LoRA that is not there" "nowhere\.safetensors"
limn again styled.png --lora away/moved.safetensors --lora zero.safetensors
refuses 64 "again with a LoRA that it was not drawn with" "was not drawn with --lora zero"

printf 'apple\n' >prompts.txt
small batch prompts.txt -o batch --lora away/moved.safetensors
gives 0 "batch --lora"
small batch prompts.txt -o batch --lora away/moved.safetensors:0.5
gives 73 "batch with another scale does not take the picture for its own"
holds "and says so" "drawn with other LoRA files" "$T/err"

small apple -s 1 -o x.png --lora other.safetensors
refuses 65 "a LoRA of which nothing fits" "other\.safetensors: nothing in this LoRA belongs to the model"
lora partly.safetensors lora_unet_conv_in "$half" lora_unet_nowhere.alpha
small apple -s 1 -o partly.png --lora partly.safetensors
gives 0 "a LoRA of which not everything fits"
holds "is told of, with its name" \
    'partly\.safetensors: 1 of its tensors belong to nothing in this model: lora_unet_nowhere\.alpha \(1' "$T/err"
small apple -s 1 -o x.png --lora nowhere.safetensors
refuses 66 "a LoRA that is not there" "nowhere\.safetensors"
small apple -s 1 -o x.png --lora zero.safetensors:1000
refuses 64 "a scale past the end" "-100 to 100"

many=()
for _ in $(seq 17); do many+=(--lora zero.safetensors); done
small apple -s 1 -o x.png "${many[@]}"
refuses 64 "a seventeenth LoRA" "--lora can be given 16 times, not more"

mkdir peft
cp style.safetensors peft/adapter_model.safetensors
echo '{"lora_alpha": 8, "r": 4}' >peft/adapter_config.json
small apple -s 1 -o peft.png --lora peft/adapter_model.safetensors
gives 0 "a LoRA as PEFT saves it"
holds "its alpha is not read, and that is said" 'warning: peft/adapter_config\.json is not read: .*lora_alpha / r' "$T/err"
