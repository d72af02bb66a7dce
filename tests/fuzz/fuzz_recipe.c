/* The texts in a picture's file: limn's JSON after a '{', A1111's "parameters" otherwise. What is
 * accepted can be written as both, and limn's own form read again. */
#include "fuzz/fuzz.h"
#include "image/image.h"
#include "image/recipe.h"

static void write_both(const limn_recipe *recipe) {
    const limn_recipe_facts facts = {.request = limn_recipe_request(recipe),
                                     .model_name = limn_recipe_model_name(recipe),
                                     .model_sha256 = limn_recipe_model_sha256(recipe),
                                     .contract = limn_recipe_contract(recipe),
                                     .version = "1",
                                     .precision = limn_recipe_precision(recipe)};
    limn_error err = {0};
    char *json = NULL, *text = NULL;
    fuzz_told(limn_recipe_json(&facts, &json, &err), &err);
    fuzz_told(limn_recipe_parameters(&facts, &text, &err), &err);
    limn_recipe *again = NULL;
    fuzz_must(limn_recipe_new(&again, NULL) == LIMN_OK);
    if (json) fuzz_told(limn_recipe_from_json(json, again, &err), &err);
    limn_recipe_free(again);
    free(json);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    limn_error err = {0};
    limn_recipe *recipe = NULL;
    char *text = fuzz_text(data, size);
    fuzz_must(limn_recipe_new(&recipe, NULL) == LIMN_OK);
    const limn_status status = text[0] == '{' ? limn_recipe_from_json(text, recipe, &err)
                                              : limn_recipe_from_parameters(text, recipe, &err);
    fuzz_told(status, &err);
    if (status == LIMN_OK) write_both(recipe);
    limn_recipe_free(recipe);
    free(text);
    return 0;
}
