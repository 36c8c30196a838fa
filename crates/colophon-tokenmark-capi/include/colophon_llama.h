/* A colophon_sampler as a sampler of llama.cpp's chain. Include it after llama.h; it needs nothing but C99.
 *
 * Add it last, after penalties, top-k, top-p and temperature. A Gumbel sampler takes the place of `dist`; a SynthID
 * sampler stands before `dist`. llama.cpp's own tools also accept the prompt's tokens: reset the sampler after that.
 *
 * The table of functions is filled here, in C, so that members which newer versions of llama.h append are zero.
 */
#ifndef COLOPHON_LLAMA_H
#define COLOPHON_LLAMA_H

#include "colophon_tokenmark.h"

static const char *colophon_llama_name(const struct llama_sampler *sampler) {
    return colophon_sampler_scheme((const colophon_sampler *)sampler->ctx);
}

static void colophon_llama_accept(struct llama_sampler *sampler, llama_token token) {
    colophon_sampler_accept((colophon_sampler *)sampler->ctx, token);
}

static void colophon_llama_apply(struct llama_sampler *sampler, llama_token_data_array *candidates) {
    const int64_t chosen = colophon_sampler_apply((colophon_sampler *)sampler->ctx,
                                                  (colophon_candidate *)candidates->data, candidates->size);
    if (chosen >= 0) {
        candidates->selected = chosen;
    } else if (chosen == -1) {
        candidates->sorted = false;
    }
}

static void colophon_llama_reset(struct llama_sampler *sampler) {
    colophon_sampler_reset((colophon_sampler *)sampler->ctx);
}

static void colophon_llama_free(struct llama_sampler *sampler) {
    colophon_sampler_free((colophon_sampler *)sampler->ctx);
}

static struct llama_sampler *colophon_llama_clone(const struct llama_sampler *sampler);

static struct llama_sampler_i colophon_llama_functions(void) {
    struct llama_sampler_i functions = {0};
    functions.name = colophon_llama_name;
    functions.accept = colophon_llama_accept;
    functions.apply = colophon_llama_apply;
    functions.reset = colophon_llama_reset;
    functions.clone = colophon_llama_clone;
    functions.free = colophon_llama_free;
    return functions;
}

/* Hands `sampler` over to llama.cpp, which frees it with the chain. `functions` must outlive the chain; make it once
 * with colophon_llama_functions. */
static struct llama_sampler *colophon_llama_init(struct llama_sampler_i *functions, colophon_sampler *sampler) {
    return llama_sampler_init(functions, sampler);
}

static struct llama_sampler *colophon_llama_clone(const struct llama_sampler *sampler) {
    return llama_sampler_init(sampler->iface, colophon_sampler_clone((const colophon_sampler *)sampler->ctx));
}

#endif
