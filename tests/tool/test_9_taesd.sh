# A TAESD in the place of the model's own decoder.

taesd=$top/tests/golden/tiny-taesd
small "a red apple" -s 7 -o plain.png
small "a red apple" -s 7 --taesd "$taesd" -o tiny.png
gives 0 "--taesd FOLDER"
is "gives another picture" [ "$(sha256 plain.png)" != "$(sha256 tiny.png)" ]
limn show tiny.png
holds "show names it" '^taesd +tiny-taesd' "$T/out"
limn again tiny.png
refuses 66 "again without it" "tiny-taesd.*--taesd"
limn again tiny.png --taesd "$taesd"
gives 0 "again with it"
same_text "finds the same" "tiny.png: pixels identical, file identical" "$(cat "$T/out")"
limn again tiny.png --taesd "$taesd/diffusion_pytorch_model.safetensors"
holds "the file alone decodes the same" "pixels identical" "$T/out"
limn again tiny.png --set taesd=none -o back.png
gives 0 "again --set taesd=none"
same "is what the model's own decoder draws" "$(sha256 plain.png)" "$(sha256 back.png)"
limn again plain.png --taesd "$taesd"
holds "another decoder is said first" "warning: .*decoded by the model itself" "$T/err"
echo "a red apple --seed 7" | sed 's/^/--prompt /' >one.txt
limn batch --size 64x64 --steps 2 -t 1 --taesd "$taesd" one.txt
gives 0 "batch --taesd"
limn batch --size 64x64 --steps 2 -t 1 one.txt
holds "a picture of another decoder is not taken for the same" "another decoder" "$T/err"

# A model whose own VAE is one.
cp -r "$LIMN_MODEL" model
rm -r model/vae model/golden
cp -r "$taesd" model/vae
LIMN_MODEL=model small "a red apple" -s 7 -o own.png
gives 0 "a model with AutoencoderTiny"
LIMN_MODEL=model limn again own.png
gives 0 "again"
LIMN_MODEL=model small "a red apple" -s 7 --init own.png --strength 0.5 -o from.png
gives 0 "a model with AutoencoderTiny draws from a picture"
limn show own.png
lacks "the model's hash says it all" "^taesd" "$T/out"

LIMN_MODEL=$top/weights/vignette limn "a cat" --taesd "$taesd"
refuses 65 "a TAESD that does not fit" "TAESD's number of latent channels.* 4.*24"
limn "a cat" --taesd no-such.safetensors
refuses 66 "a TAESD that is not there" "no such TAESD"
limn "a cat" --taesd plain.png
refuses 65 "a TAESD that is none" "plain\.png"
