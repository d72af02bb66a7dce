# Options, and what is said about wrong ones.

limn
refuses_usage() { # limn alone: a short usage, not an error sentence
    [ "$status" = 64 ] && grep -q '^usage: limn' "$T/err" && [ ! -s "$T/out" ]
}
is "limn alone says how it is used" refuses_usage

for option in --help -h; do
    limn $option
    gives 0 "$option"
    is "$option fits a screen" [ "$(wc -l <"$T/out")" -le 30 ]
    lacks "$option is at most 80 columns wide" '.{81}' "$T/out"
done
# Every option in the program's table is on that screen, but for these, which docs/formats.md has.
rows=$(sed -n "/limn_tool_option own\[\]/,/^};/s/^ *{\"\([a-z0-9-]*\)\", \(0\|'[a-z]'\),.*/--\1 \2/p" \
    "$top/src/tool/option_rows.c" | sed "s/ 0$//; s/'\(.\)'/-\1/")
is "the table of options was read" [ "$(wc -l <<<"$rows")" -ge 40 ]
same_text "whole" "--version" "$(tail -1 <<<"$rows")"
limn --help
for option in $rows --strength --upscale \
    batch again show samplers inspect convert quantize bench; do
    case $option in
        --control-range | --text-encoder-2 | --tensors) ;;
        *) holds "--help tells of $option" "(^|[ (,])$option( |,|:|$)" "$T/out" ;;
    esac
done
for option in --control-range --text-encoder-2 --tensors; do
    holds "docs/formats.md tells of $option" "$option" "$top/docs/formats.md"
done
statuses=$(sed -n 's/^ *LIMN_E_[A-Z]* *= *\([0-9]*\),.*/\1/p' "$top/include/limn.h")
is "the statuses were read" [ "$(wc -w <<<"$statuses")" -ge 7 ]
for number in 0 1 $statuses; do
    holds "--help tells of the status $number" "(^|[ ,:])$number [a-zA-Z]" "$T/out"
done
for command in batch again show samplers inspect convert quantize bench; do
    limn $command --help
    gives 0 "$command --help"
done
limn --version
gives 0 "--version"
holds "--version says which" '^limn [0-9]+\.[0-9]+\.[0-9]+' "$T/out"

wrong() { # STATUS NAME RE ARGUMENT...
    local status_wanted=$1 name=$2 re=$3
    shift 3
    limn "$@"
    refuses "$status_wanted" "$name" "$re"
}
wrong 64 "an unknown long option" "no option --stpes.*--steps" "a cat" --stpes 4
wrong 64 "an unknown letter" "no option -z" "a cat" -z
wrong 64 "an unknown letter in a cluster" "no option -z" "a cat" -qz
wrong 64 "an unknown option like nothing" "no option --wwwwwww" "a cat" --wwwwwww
wrong 64 "a value for an option that takes none" "json takes no value" "a cat" --json=3
wrong 64 "a long option without its value" "steps wants a value" "a cat" --steps
wrong 64 "a short option without its value" "-s wants a value" "a cat" -s
wrong 64 "no prompt" "no prompt" --steps 3
wrong 64 "a prompt without quotes" 'quotes.*"a red \.\.\."' a red apple
wrong 64 "a command after options" "limn batch" -q batch prompts.txt
wrong 64 "an unknown sampler" "no sampler 'eulr'.*euler" "a cat" --sampler eulr
wrong 64 "a sampler like no other" "no sampler 'qqqqqqqqq'.*limn samplers" "a cat" --sampler qqqqqqqqq
wrong 64 "an unknown schedule" "no schedule 'karas'.*karras" "a cat" --schedule karas
wrong 64 "an unknown precision" "no precision 'int4'.*float32 and int8" "a cat" --precision int4
wrong 64 "a precision without its value" "precision wants a value" "a cat" --precision
wrong 64 "again with a precision" "again takes no --precision.*--set" again x.png --precision int8
wrong 64 "an unknown generator" "no random generator 'touch'.*torch" "a cat" --rng touch
for seed in -1 1.5 x "" 18446744073709551616 " 1" 0x10; do
    wrong 64 "the seed '$seed'" "--seed wants a whole number" "a cat" --seed "$seed"
done
wrong 64 "seeds past the last" "past the last seed" "a cat" -s 18446744073709551615 -n 2
for size in 64 64x x64 64x64x64 0x64 64x99999 -64x64 64*64 "64 x 64" 1e2x64; do
    wrong 64 "the size '$size'" "--size wants" "a cat" --size "$size"
done
wrong 64 "a size that the model cannot take" "65" "a cat" --size 65x64
for steps in 0 1001 -3 x 2.5; do
    wrong 64 "--steps $steps" "--steps wants a whole number from 1 to 1000" "a cat" --steps $steps
done
for guidance in -1 101 x nan inf 0x1 ""; do
    wrong 64 "--guidance '$guidance'" "--guidance wants a number from 0 to 100" "a cat" \
        --guidance "$guidance"
done
wrong 64 "a further setting out of range" "cache_interval is 1, expected 0 .not used. or a whole number from 2 to 100" "a cat" --cache-interval 1
wrong 64 "a further setting that is no number" "--cache-interval wants a number" "a cat" --cache-interval x
wrong 64 "a further setting misspelt" "did you mean --cache-interval" "a cat" --cache-intervall 2
wrong 64 "a further setting where it does not belong" "show takes no --cache-interval" show x.png --cache-interval 2
wrong 64 "--guidance-range without a colon" "wants FROM:TO" "a cat" --guidance-range 0.5
wrong 64 "--guidance-range past the end" "wants a number from 0 to 1" "a cat" --guidance-range 0.5:2
wrong 64 "--guidance-range backwards" "ends before it begins" "a cat" --guidance-range 0.8:0.2
wrong 64 "--clip-skip of more layers than there are" "clip_skip is 40, the model" "a cat" --clip-skip 40
wrong 64 "--eta 2" "--eta wants a number from 0 to 1" "a cat" --eta 2
wrong 64 "--count 0" "--count wants" "a cat" --count 0
wrong 64 "--threads -1" "--threads wants" "a cat" --threads -1
wrong 64 "an option of another command" "show takes no --steps" show --steps 3 x.png
wrong 64 "again with an option of drawing" "--set" again --steps 3 x.png
wrong 64 "--set outside again" "takes no --set" "a cat" --set seed=3
wrong 64 "--set without a value" "NAME=VALUE" again --set seed x.png
wrong 64 "batch without a file" "batch wants a prompt file" batch
wrong 64 "again without a picture" "again wants a picture" again
wrong 64 "show without a picture" "show wants a picture" show
wrong 64 "two files for batch" "too much" batch a b
wrong 64 "samplers with a name" "too much" samplers x
wrong 64 "an ending that is none" "\.png, \.jpg" "a cat" -o cat.gif
wrong 64 "a name without ending" "\.png, \.jpg" "a cat" -o cat
for option in output model init mask vae taesd embeddings cache control; do
    wrong 64 "an empty --$option" "--$option wants a name, not an empty one" "a cat" --$option ""
done
for command in again show inspect batch; do
    wrong 64 "$command with an empty name" "$command wants a name, not an empty one" $command ""
done
wrong 64 "a prompt that looks like an option" "after --" "-zebra"
empty "wrong options leave nothing behind" .

limn samplers
gives 0 "samplers"
for name in ddim euler euler_a heun dpmpp_2m dpmpp_2m_sde unipc lcm pndm ddpm model karras \
    exponential sgm_uniform trailing torch philox; do
    holds "samplers lists $name" "^ +$name +" "$T/out"
done
