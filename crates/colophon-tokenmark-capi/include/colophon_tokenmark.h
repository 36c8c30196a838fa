/* Token watermarks while sampling, for programs in C.
 *
 * One colophon_sampler belongs to one answer in the making. Handles are not safe for use from two threads at once;
 * different handles are independent. Functions that can fail return NULL or a negative number and, if `message` is not
 * NULL, write a reason of at most `message_len` bytes including the final zero.
 */
#ifndef COLOPHON_TOKENMARK_H
#define COLOPHON_TOKENMARK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct colophon_sampler colophon_sampler;

/* A candidate, with the layout of llama.cpp's llama_token_data. */
typedef struct colophon_candidate {
    int32_t id;
    float logit;
    float p;
} colophon_candidate;

/* How many tokens had which fate. */
typedef struct colophon_counters {
    uint64_t marked;
    uint64_t repeated;
    uint64_t gated;
    uint64_t greedy;
    uint64_t single;
    uint64_t without_context;
    uint64_t limit_reached;
    uint64_t unknown;
} colophon_counters;

/* vLLM's Gumbel watermark, the native one. `key_hex` has 1 to 16 hexadecimal digits, `context_width` is 1 to 64 (4 is
 * usual), `seed` draws the tokens that are not marked. It chooses tokens: see colophon_sampler_apply. */
colophon_sampler *colophon_sampler_gumbel(const char *key_hex, size_t context_width, uint64_t seed, char *message,
                                          size_t message_len);

/* SynthID-Text in hashing mode. `keys` has 1 to 64 entries, `ngram_len` is 2 to 65 (5 is usual). It rewrites logits. */
colophon_sampler *colophon_sampler_synthid(const int64_t *keys, size_t key_count, size_t ngram_len, uint64_t seed,
                                           char *message, size_t message_len);

/* Marks the next token. Candidates come in after temperature and truncation. A Gumbel sampler returns the index of the
 * chosen candidate; a SynthID sampler rewrites the logits in place and returns -1, and the caller samples from them.
 * Returns -2 on bad input (no candidate, a logit that is not a number), leaving the candidates as they are. */
int64_t colophon_sampler_apply(colophon_sampler *sampler, colophon_candidate *candidates, size_t count);

/* Appends the token that was chosen. Call it for generated tokens only, not for the prompt. */
void colophon_sampler_accept(colophon_sampler *sampler, int32_t token);

/* Takes the last `count` tokens back (rejected drafts). Returns 0, or -1 if fewer were accepted. */
int colophon_sampler_rollback(colophon_sampler *sampler, size_t count);

/* Starts a new answer with the same key; counters start again. */
void colophon_sampler_reset(colophon_sampler *sampler);

/* A copy in the same state, or NULL for NULL. */
colophon_sampler *colophon_sampler_clone(const colophon_sampler *sampler);

/* Frees a sampler; NULL is allowed. */
void colophon_sampler_free(colophon_sampler *sampler);

/* Name of the scheme; the string lives as long as the program. */
const char *colophon_sampler_scheme(const colophon_sampler *sampler);

/* Proof of how much of the answer was marked. */
colophon_counters colophon_sampler_counters(const colophon_sampler *sampler);

/* log10 of the p-value of `tokens` under the sampler's key, 0 or below. Returns 1 if they are too few to test (about 25
 * scored tokens) and 2 on bad input. A p-value near 0 (log10) does not mean that a person wrote the text. */
double colophon_sampler_log10_p(const colophon_sampler *sampler, const int32_t *tokens, size_t count);

#ifdef __cplusplus
}
#endif

#endif
