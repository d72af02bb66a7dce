# limn again and --embeddings: it says beforehand where a word stands for something else.

# embedding BYTE: words/redapple.safetensors, one vector of that byte
embedding() {
    header='{"emb_params":{"dtype":"F32","shape":[1,32],"data_offsets":[0,128]}}'
    {
        printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
        head -c 128 /dev/zero | tr '\0' "$1"
    } >words/redapple.safetensors
}
mkdir words
embedding '\001'
small "a redapple" -s 7 --embeddings words -o word.png
gives 0 "--embeddings"
limn again word.png --embeddings words
gives 0 "again with the folder"
lacks "and without a word" "embeddings" "$T/err"
limn again word.png
holds "again without the folder says so" "was drawn with the embeddings redapple \(.*, this is drawn with none" "$T/err"
embedding '\002'
limn again word.png --embeddings words
holds "again with another file says so" "with the embeddings redapple \(.*, this is drawn with the embeddings redapple \(" "$T/err"
limn again word.png --embeddings words --set prompt=x --force -o other.png
lacks "but not where the prompt is another" "embeddings" "$T/err"
limn show word.png
holds "show names them" "^embeddings .*redapple" "$T/out"

echo "a redapple" >prompts.txt
small batch prompts.txt -s 7 --embeddings words -o drawn
gives 0 "batch --embeddings"
small batch prompts.txt -s 7 --embeddings words -o drawn
holds "finds its picture again" "there already" "$T/out"
embedding '\001'
small batch prompts.txt -s 7 --embeddings words -o drawn
gives 73 "but not where the word stands for something else"
holds "and says so" "drawn with other embeddings" "$T/err"
small batch prompts.txt -s 7 -o drawn
gives 73 "nor where it stands for nothing"

small "a lamp [in red:in redapple:3]" -s 7 --upscale 1.5 --upscale-steps 5 --embeddings words -o second.png
limn show second.png
holds "a word of the second pass alone is told of too" "^embeddings .*redapple" "$T/out"
