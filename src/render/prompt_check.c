/* What becomes of a prompt: how many tokens the model reads of it, and what it does not. */
#include "prompt/prompt.h"
#include "render/speech.h"

#include <string.h>

limn_status limn_prompt_inspect(const limn_model *model, const char *prompt,
                                limn_prompt_check *check, limn_error *error) {
    int32_t ids[LIMN_TEXT_POSITIONS_MOST];
    return limn_tokenizer_encode(model->tokenizer[0], prompt, ids, check, error);
}

/* The most tokens that a text of a row has. */
static int tokens_of(const limn_speech *s, bool negative) {
    int most = 0;
    for (int i = 0; i < s->states * s->rows; i++) {
        bool is_negative = s->rows > 1 && i % s->rows == 0;
        int tokens = s->said[0][s->text_of[i]].tokens;
        if (is_negative == negative && tokens > most) most = tokens;
    }
    return most;
}

limn_status limn_request_inspect(const limn_model *model, const limn_request *request,
                                 bool negative, limn_prompt_check *check, limn_error *error) {
    limn_speech s;
    const char *text = negative ? request->negative : request->prompt;
    limn_status status = limn_prompt_inspect(model, text, check, error);
    if (status == LIMN_OK) status = limn_speech_make(model, request, &s, error);
    if (status != LIMN_OK) return status;
    check->chunks = s.chunks;
    if (strcmp(limn_prompt_syntax_find(request->prompt_syntax), "plain") != 0) {
        check->tokens = tokens_of(&s, negative);
        check->max_tokens = s.chunks * limn_tokenizer_room(model->tokenizer[0]);
        check->dropped[0] = '\0';
    }
    limn_speech_free(&s);
    return LIMN_OK;
}
