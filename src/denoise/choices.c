/* The names that people type: limn's own, A1111's, and those of diffusers' classes. */
#include <string.h>

#include "denoise/sampling.h"

#define SPELLING_MOST 64

/* The order is that of `samplers` in sampler.c. */
static const limn_choice samplers[] = {
    {"euler_a", "Euler a", "Euler with fresh noise in every step; lively, never settles"},
    {"euler", "Euler", "the plain one: one slope, one step"},
    {"heun", "Heun", "Euler that looks twice: half the steps for twice the work"},
    {"dpmpp_2m", "DPM++ 2M", "fast and sharp; the one to begin with"},
    {"dpmpp_2m_sde", "DPM++ 2M SDE", "DPM++ 2M with fresh noise in every step"},
    {"dpmpp_2s", "DPM++ 2S", "DPM++ in pairs of calls, without memory beyond the pair"},
    {"dpmpp_3m", "DPM++ 3M", "DPM++ 2M with one more picture of memory"},
    {"unipc", "UniPC", "DPM++ 2M that corrects each step; good at 5 to 15 steps"},
    {"ddim", "DDIM", "straight to the picture; with --eta, some noise on the way"},
    {"pndm", "PLMS", "DDIM with a memory of the last four slopes"},
    {"lms", "LMS", "Euler with a memory of the last four slopes"},
    {"kdpm2", "DPM2", "looks half-way before each step: twice the work"},
    {"kdpm2_a", "DPM2 a", "DPM2 with fresh noise in every step"},
    {"deis", "DEIS", "as DPM++ 2M, on the noise in place of the picture"},
    {"lcm", "LCM", "for models distilled to draw in 1 to 8 steps"},
    {"tcd", "TCD", "for models distilled so; with --eta 0.3, some noise too"},
    {"ddpm", "DDPM", "the first diffusion sampler; wants hundreds of steps"},
};

static const limn_choice schedules[] = {
    {"model", "Automatic", "as the model's own configuration says"},
    {"karras", "Karras", "more steps where there is little noise (Karras et al. 2022)"},
    {"exponential", "Exponential", "sigmas fall by the same factor in each step"},
    {"sgm_uniform", "SGM Uniform", "even steps from the very first, without the last"},
    {"trailing", "Trailing", "even steps from the very first; for Turbo, Lightning, v-prediction"},
    {"leading", "Leading", "even steps up to the last; as Stable Diffusion 1 was run"},
    {"linspace", "Linspace", "even steps from the very first to the very last"},
    {"zsnr", "Zero SNR",
     "trailing, from noise alone (v-prediction only); deeper blacks and whites"},
};

static const limn_choice rngs[] = {
    {"torch", "CPU", "PyTorch's generator on the processor: diffusers, ComfyUI"},
    {"philox", "GPU", "PyTorch's generator on CUDA: A1111"},
};

/* Other spellings, as `fold` leaves them. */
typedef struct alias {
    const char *spelling, *name;
} alias;

static const alias sampler_aliases[] = {
    {"eulerancestral", "euler_a"},
    {"dpm2m", "dpmpp_2m"},
    {"dpmsolverpp", "dpmpp_2m"},
    {"dpmsolvermultistep", "dpmpp_2m"},
    {"dpm2msde", "dpmpp_2m_sde"},
    {"sdedpmsolverpp", "dpmpp_2m_sde"},
    {"dpmsolversde", "dpmpp_2m_sde"},
    {"dpmpp2msdegpu", "dpmpp_2m_sde"},
    {"unipcmultistep", "unipc"},
    {"unipcbh2", "unipc"},
    {"plms", "pndm"},
    {"dpm2ancestral", "kdpm2_a"},
    {"dpmsolversinglestep", "dpmpp_2s"},
    {"deismultistep", "deis"},
    {"ddimparallel", "ddim"},
    {"ddpmparallel", "ddpm"},
};

static const alias schedule_aliases[] = {
    {"automatic", "model"}, {"auto", "model"},      {"default", "model"},
    {"sgm", "sgm_uniform"}, {"zerosnr", "zsnr"},    {"zeroterminalsnr", "zsnr"},
    {"ka", "karras"},       {"exp", "exponential"},
};

static const alias rng_aliases[] = {
    {"torchcpu", "torch"},
    {"mt19937", "torch"},
    {"cuda", "philox"},
    {"nv", "philox"},
};

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

/* Writes a spelling in small letters and digits alone, '+' as 'p': "DPM++ 2M" is "dpmpp2m". False
 * where it is too long to be any, or has other characters. */
static bool fold(const char *text, char out[SPELLING_MOST]) {
    size_t n = 0;
    for (; *text != '\0'; text++) {
        char c = *text;
        if (c == ' ' || c == '-' || c == '_') continue;
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c == '+') c = 'p';
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
        if (n + 1 == SPELLING_MOST) return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

/* The name that a folded spelling stands for: a name, a label or an alias; NULL where it is none.
 */
static const char *look_up(const char *folded, const limn_choice *choices, int choice_count,
                           const alias *aliases, int alias_count) {
    char own[SPELLING_MOST];
    for (int i = 0; i < choice_count; i++) {
        if (fold(choices[i].name, own) && strcmp(folded, own) == 0) return choices[i].name;
        if (fold(choices[i].label, own) && strcmp(folded, own) == 0) return choices[i].name;
    }
    for (int i = 0; i < alias_count; i++) {
        if (strcmp(folded, aliases[i].spelling) == 0) return aliases[i].name;
    }
    return NULL;
}

/* A folded spelling of a sampler alone, with what k-diffusion and diffusers put round it:
 * "k_euler", "EulerDiscreteScheduler". */
static const char *find_sampler(const char *folded) {
    char bare[SPELLING_MOST];
    strcpy(bare, folded);
    size_t n = strlen(bare);
    static const char *const endings[] = {"scheduler", "discrete"};
    for (int i = 0; i < COUNT(endings); i++) {
        size_t m = strlen(endings[i]);
        if (n > m && strcmp(bare + n - m, endings[i]) == 0) bare[n -= m] = '\0';
    }
    const char *start = bare[0] == 'k' ? bare + 1 : bare;
    const char *name =
        look_up(bare, samplers, COUNT(samplers), sampler_aliases, COUNT(sampler_aliases));
    if (name != NULL) return name;
    return look_up(start, samplers, COUNT(samplers), sampler_aliases, COUNT(sampler_aliases));
}

static const char *find_schedule(const char *folded) {
    return look_up(folded, schedules, COUNT(schedules), schedule_aliases, COUNT(schedule_aliases));
}

const limn_choice *limn_samplers(int *count) {
    *count = COUNT(samplers);
    return samplers;
}

const limn_choice *limn_schedules(int *count) {
    *count = COUNT(schedules);
    return schedules;
}

const limn_choice *limn_rngs(int *count) {
    *count = COUNT(rngs);
    return rngs;
}

const char *limn_sampler_find(const char *spelling, const char **schedule) {
    char folded[SPELLING_MOST];
    if (!fold(spelling, folded)) return NULL;
    const char *name = find_sampler(folded);
    if (name != NULL) return name;
    /* "DPM++ 2M Karras": a sampler, then a schedule. */
    for (size_t i = 1; folded[i] != '\0'; i++) {
        const char *also = find_schedule(folded + i);
        if (also == NULL) continue;
        char front[SPELLING_MOST];
        memcpy(front, folded, i);
        front[i] = '\0';
        name = find_sampler(front);
        if (name == NULL) continue;
        if (schedule != NULL) *schedule = also;
        return name;
    }
    return NULL;
}

const char *limn_schedule_find(const char *spelling) {
    char folded[SPELLING_MOST];
    return fold(spelling, folded) ? find_schedule(folded) : NULL;
}

const char *limn_rng_find(const char *spelling) {
    char folded[SPELLING_MOST];
    if (!fold(spelling, folded)) return NULL;
    return look_up(folded, rngs, COUNT(rngs), rng_aliases, COUNT(rng_aliases));
}
