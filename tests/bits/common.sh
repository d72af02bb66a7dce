# What the suites on bits share: the renders of requests.txt, and their hashes.
pictures=build/bits

# Names that end in -int8 are drawn with that precision.
precision_of() { case $1 in *-int8) echo int8 ;; *) echo float32 ;; esac; }

# Whether options stand before a line's prompt.
has_options() { case $1 in -*" -- "*) ;; *) false ;; esac; }

# requests [PREFIX]: the lines of requests.txt whose name begins with PREFIX.
requests() { grep -E "^${1:-[a-z]}" tests/bits/requests.txt; }

# render FOLDER PREFIX COMMAND...: draws the requests with COMMAND (a limn, with what runs it) into
# FOLDER/NAME.png.
render() {
    local folder=$1 prefix=$2 name model seed steps guidance size sampler schedule rng prompt options
    shift 2
    rm -rf "$folder"
    mkdir -p "$folder"
    while read -r name model seed steps guidance size sampler schedule rng prompt; do
        options=
        if has_options "$prompt"; then
            options=${prompt%% -- *}
            prompt=${prompt#* -- }
        fi
        # shellcheck disable=SC2086 # they are words
        "$@" -q -m "$model" --precision "$(precision_of "$name")" -s "$seed" --steps "$steps" -g "$guidance" --size "$size" \
            --sampler "$sampler" --schedule "$schedule" --rng "$rng" -o "$folder/$name.png" \
            $options -- "$prompt" </dev/null 2>&1
    done < <(requests "$prefix")
}

sha256_of() { [ -e "$1" ] && sha256sum <"$1" | cut -d' ' -f1; }

# same_pictures WHAT FOLDER PREFIX COMMAND...: renders, and compares each file byte for byte with
# that of the default build, in $pictures/plain. One test for each picture.
same_pictures() {
    local what=$1 folder=$2 prefix=$3 name rest said
    shift 3
    said=$(render "$folder" "$prefix" "$@")
    [ -z "$said" ] || printf '%s\n' "$said"
    while read -r name rest; do
        same "$what: $name" "$(sha256_of "$pictures/plain/$name.png")" \
            "$(sha256_of "$folder/$name.png")"
    done < <(requests "$prefix")
}

# plain: draws the pictures that all others are compared with.
plain() {
    [ -x build/limn ] || make --no-print-directory -j"$jobs" BUILD=build build/limn >/dev/null
    render $pictures/plain '' build/limn
}
