/* `limn show PICTURE`: the recipe in a picture. */
#include "tool/tool.h"
#include <stdlib.h>
#include <string.h>

/* A file by its name and hash, where there is a name. */
static void print_file(const char *what, const char *name, const char *sha256) {
    if (!name[0] && !sha256[0]) return;
    printf("%-12s", what);
    limn_tool_print_text(stdout, name, 12);
    if (sha256[0]) fputs(" (sha256 ", stdout);
    limn_tool_print_text(stdout, sha256, 12);
    puts(sha256[0] ? ")" : "");
}

static void print_loras(const limn_recipe *recipe) {
    for (int i = 0; i < limn_recipe_lora_count(recipe); i++) {
        limn_lora_info l = limn_recipe_lora(recipe, i);
        printf("%-12s", "lora");
        limn_tool_print_text(stdout, l.name, 12);
        printf(" x %g (sha256 ", l.scale);
        limn_tool_print_text(stdout, l.sha256, 12);
        puts(")");
    }
}

static void show_words(const limn_picture *picture, const limn_recipe *recipe) {
    limn_tool_print_request(stdout, limn_recipe_request(recipe), picture->width, picture->height);
    print_file("model", limn_recipe_model_name(recipe), limn_recipe_model_sha256(recipe));
    print_file("taesd", limn_recipe_taesd_name(recipe), limn_recipe_taesd_sha256(recipe));
    print_file("control", limn_recipe_control_name(recipe), limn_recipe_control_sha256(recipe));
    if (strcmp(limn_recipe_precision(recipe), "float32") != 0)
        limn_tool_print_line(stdout, "precision", limn_recipe_precision(recipe));
    print_loras(recipe);
    if (limn_recipe_embeddings(recipe)[0])
        limn_tool_print_line(stdout, "embeddings", limn_recipe_embeddings(recipe));
    if (limn_recipe_contract(recipe) > 0)
        printf("%-12s%d\n", "contract", limn_recipe_contract(recipe));
    if (!picture->recipe) printf("%-12s%s\n", "from", "the text that A1111 writes");
}

/* limn's own recipe as it stands in the picture; one made up from A1111's text where that is all.
 */
static void show_json(const limn_picture *picture, const limn_recipe *recipe, const char *path) {
    if (picture->recipe) {
        puts(picture->recipe);
        return;
    }
    fputs("{\"file\":", stdout);
    limn_tool_json_text(stdout, path);
    limn_tool_json_request(stdout, limn_recipe_request(recipe));
    fputs(",\"model\":", stdout);
    limn_tool_json_text(stdout, limn_recipe_model_name(recipe));
    fputs(",\"model_sha256\":", stdout);
    limn_tool_json_text(stdout, limn_recipe_model_sha256(recipe));
    printf(",\"contract\":%d}\n", limn_recipe_contract(recipe));
}

int limn_tool_show(const limn_tool_options *options) {
    limn_picture *picture = NULL;
    limn_recipe *recipe = NULL;
    limn_error error;
    int status = (int)limn_picture_load(options->operand, &picture, &error);
    if (status != LIMN_OK) return limn_tool_fail_with(&error);
    status = (int)limn_recipe_read(picture, &recipe, &error);
    if (status != LIMN_OK) {
        limn_tool_fail_about(options->operand, &error);
    } else if (options->json) {
        show_json(picture, recipe, options->operand);
    } else {
        show_words(picture, recipe);
    }
    limn_recipe_free(recipe);
    limn_picture_free(picture);
    return status;
}
