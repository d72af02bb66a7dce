# What a model is taken for, and SDXL's second prompt.

small "a red apple" -s 7 -o own.png
small "a red apple" -s 7 --prediction v --zero-snr on -o v.png
gives 0 "--prediction v --zero-snr on"
is "gives another picture" [ "$(sha256 own.png)" != "$(sha256 v.png)" ]
limn again v.png
gives 0 "again"
same_text "finds the same" "v.png: pixels identical, file identical" "$(cat "$T/out")"
limn again v.png --set prediction=model --set zero_snr=off -o back.png
same "--set takes it back" "$(sha256 own.png)" "$(sha256 back.png)"
limn "a cat" --prediction w
refuses 64 "no prediction" "prediction is 'w', expected epsilon, v_prediction, sample"
limn "a cat" --zero-snr on
refuses 64 "zero terminal SNR with epsilon" "needs a model that predicts v"
limn samplers
holds "limn samplers lists it" '--prediction +epsilon, v_prediction, sample' "$T/out"
limn "a cat" --prompt-2 "oil painting"
refuses 64 "a second prompt for one encoder" "prompt_2 is set.*one text encoder"

xl=$top/tests/golden/tiny-sdxl
echo '{"prompt": "a red apple", "prompt_2": "oil painting", "seed": 7}' >one.jsonl
LIMN_MODEL=$xl small "a red apple" -s 7 --prompt-2 "oil painting" -o two.png
LIMN_MODEL=$xl small batch one.jsonl -o batch/
gives 0 "a second prompt in a prompt file"
same "is the same picture" "$(sha256 two.png)" "$(sha256 batch/*.png)"
