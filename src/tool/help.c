/* What --help shows: one screen, which tests/tool holds against the options that there are. */
#include "tool/tool.h"

void limn_tool_help(FILE *to) {
    fputs("limn \"a red apple\"       draws it into a-red-apple-SEED.png\n"
          "limn batch FILE|-        draws every line of a prompt file; goes on if stopped\n"
          "limn again PICTURE.png   draws it again and says whether every bit is the same\n"
          "limn show PICTURE.png    prints its recipe;  limn inspect MODEL  what a model is\n"
          "limn samplers            lists samplers, schedules, further settings\n"
          "limn bench               measures this machine: --arch NAME, --runs N, --size\n"
          "limn convert IN OUT      to .safetensors, .gguf or folder; --type f16, q8_0 ...\n"
          "limn quantize IN OUT     the same, with the U-Net as int8\n"
          "\n"
          "  -o, --output NAME      a file (.png .jpg .bmp .tga; several: NAME-1.png ...)\n"
          "                         or a folder/ for files named after prompt and seed\n"
          "  -n, --count N          so many, seeds rising    -s, --seed N  else random\n"
          "      --size WxH         in pixels; --steps N: more take longer and are finer\n"
          "  -g, --guidance X       how closely to keep to the prompt; 1 = loosely\n"
          "      --negative TEXT    what to stay away from    --prompt-syntax plain\n"
          "      --sampler NAME     --schedule NAME, --rng NAME: see limn samplers\n"
          "      --eta X            DDIM's, TCD's noise       --guidance-range 0.2:0.8\n"
          "      --init FILE        draw from this picture, of which --strength X is lost;\n"
          "                         --mask FILE: its white alone. --upscale X: then larger\n"
          "      --control PATH     a ControlNet, which draws after --control-image FILE\n"
          "      --precision NAME   float32, or int8: less memory, nearly the same picture\n"
          "      --taesd PATH       a small decoder: faster; --vae PATH: another VAE\n"
          "      --lora FILE:SCALE  merges a LoRA into the model. --embeddings DIR: words\n"
          "  -m, --model PATH       or $LIMN_MODEL; --text-encoder PATH, --tokenizer DIR\n"
          "  -t, --threads N        --max-memory 2G: in all    --cache DIR  loads faster\n"
          "  -q, --quiet            errors only        --json     a JSON line per picture\n"
          "      --dry-run          tell, do nothing   --force    replace existing files\n"
          "      --set NAME=VALUE   with again: changes a setting    -h, --help  --version\n"
          "Exit: 0 done, 1 again: different, 64 usage, 65 bad file, 66 missing, 71 memory,\n"
          "73 cannot create, 74 I/O, 75 interrupted; batch: that of the first bad line.\n",
          to);
}

void limn_tool_usage(FILE *to) {
    fputs("usage: limn \"a red apple\"     (batch FILE, again PICTURE, show PICTURE, samplers;\n"
          "                               limn --help has the options)\n",
          to);
}
