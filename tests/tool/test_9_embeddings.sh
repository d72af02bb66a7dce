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
