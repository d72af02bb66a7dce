# limn convert

limn convert "$LIMN_MODEL" model.safetensors
gives 0 "convert to one file"
same_text "says its name" model.safetensors "$(cat "$T/out")"
limn convert "$LIMN_MODEL" model.gguf --type q8_0 -q
gives 0 "convert to GGUF"
is "says nothing with -q" [ ! -s "$T/out" ]
limn convert model.safetensors folder
gives 0 "convert to a folder"
limn convert model.safetensors folder2/ --type f16
gives 0 "convert to a folder/"
for file in $(cd "$LIMN_MODEL" && ls -d unet/* vae/* text_encoder/* tokenizer/* scheduler/*); do
    is "the folder has $file" [ -f "folder/$file" ]
done
is "a configuration is the same file" cmp -s "$LIMN_MODEL/unet/config.json" folder/unet/config.json
limn quantize folder small.safetensors
gives 0 "quantize"
limn inspect small.safetensors
holds "an int8 U-Net has as many numbers as the one it was" "^unet +2446788 numbers" "$T/out"
is "makes it smaller" [ "$(stat -c %s small.safetensors)" -lt "$(stat -c %s model.safetensors)" ]
small "a cat" -s 1 --precision int8 -m small.safetensors -o int8.png
gives 0 "int8 draws"
limn quantize folder small.gguf
refuses 64 "int8 is not for GGUF" "q8_0"
small "a cat" -s 1 -m model.gguf -o cat.png
gives 0 "q8_0 draws"

limn convert "$LIMN_MODEL" model.gguf
refuses 73 "a file that is there" "model\.gguf is there already \(--force replaces it\)"
limn convert "$LIMN_MODEL" model.gguf --force
gives 0 "--force replaces it"
limn convert "$LIMN_MODEL" LOUD.GGUF --type f16 -q
small "a cat" -s 1 -m LOUD.GGUF -o loud.png
gives 0 "an ending in capitals is one"
limn convert "$LIMN_MODEL" cat.png
refuses 73 "a folder where a file is" "cat\.png: not overwritten: it exists already"
limn convert "$LIMN_MODEL" folder --force
refuses 73 "a folder that is there" "never replaced"
limn convert "$LIMN_MODEL"
refuses 64 "no output" "limn convert IN OUT"
limn convert "$LIMN_MODEL" a.gguf b.gguf
refuses 64 "two outputs" "two names"
limn convert "$LIMN_MODEL" a.gguf --type f12
refuses 64 "a type that is none" "f12.*keep, f32"
limn convert "$LIMN_MODEL" a.gguf --steps 2
refuses 64 "an option of others" "convert takes no --steps"
limn convert nowhere a.gguf
refuses 66 "a model that is not there" "nowhere"

mkdir small && cd small || exit 1
(
    ulimit -f 1000
    limn convert "$LIMN_MODEL" a.gguf
    echo $status >"$T/status"
)
status=$(cat "$T/status")
refuses 74 "a disk that is full" "a\.gguf: cannot be written"
(
    ulimit -f 1000
    limn convert "$LIMN_MODEL" a
    echo $status >"$T/status"
)
status=$(cat "$T/status")
refuses 74 "a disk that is full, a folder" "cannot be written"
is "leaves nothing" [ -z "$(ls -A)" ]
cd .. || exit 1
