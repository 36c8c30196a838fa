/* A sampler chain of the shape of llama.cpp's, with a model of its own, run against the C interface.
 * The declarations below are what the adapter needs of llama.h; a program with the real one includes that instead. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t llama_token;
typedef struct llama_token_data {
    llama_token id;
    float logit;
    float p;
} llama_token_data;
typedef struct llama_token_data_array {
    llama_token_data *data;
    size_t size;
    int64_t selected;
    bool sorted;
} llama_token_data_array;
struct llama_sampler;
struct llama_sampler_i {
    const char *(*name)(const struct llama_sampler *);
    void (*accept)(struct llama_sampler *, llama_token);
    void (*apply)(struct llama_sampler *, llama_token_data_array *);
    void (*reset)(struct llama_sampler *);
    struct llama_sampler *(*clone)(const struct llama_sampler *);
    void (*free)(struct llama_sampler *);
    /* newer versions append members; the adapter must leave them empty */
    void (*appended_later)(struct llama_sampler *);
};
struct llama_sampler {
    struct llama_sampler_i *iface;
    void *ctx;
};
static struct llama_sampler *llama_sampler_init(struct llama_sampler_i *iface, void *ctx) {
    struct llama_sampler *sampler = malloc(sizeof *sampler);
    sampler->iface = iface;
    sampler->ctx = ctx;
    return sampler;
}

#include "colophon_llama.h"

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "line %d: %s is false\n", __LINE__, #condition);   \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

enum { VOCABULARY = 500, KEPT = 60, LENGTH = 200 };

static uint32_t mix(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x45D9F3Bu;
    x = (x ^ (x >> 16)) * 0x45D9F3Bu;
    return x ^ (x >> 16);
}

/* The model: logits that depend on the last token. */
static void model(llama_token last, llama_token_data *data) {
    for (int32_t id = 0; id < VOCABULARY; id++) {
        data[id].id = id;
        data[id].logit = 5.0f * (float)(mix((uint32_t)(last * 1009 + id)) % 1000) / 1000.0f;
        data[id].p = 0.0f;
    }
}

static int by_logit(const void *a, const void *b) {
    const float x = ((const llama_token_data *)a)->logit, y = ((const llama_token_data *)b)->logit;
    return (x < y) - (x > y);
}

/* What stands before the watermark in a chain: top-k and temperature. */
static void truncate_and_scale(llama_token_data_array *candidates) {
    qsort(candidates->data, candidates->size, sizeof(llama_token_data), by_logit);
    candidates->size = KEPT;
    candidates->sorted = true;
    for (size_t i = 0; i < candidates->size; i++) candidates->data[i].logit /= 0.8f;
}

/* What stands after a sampler that rewrites: `dist`. */
static void dist(llama_token_data_array *candidates, uint32_t draw) {
    double total = 0.0, sum = 0.0, top = -INFINITY;
    for (size_t i = 0; i < candidates->size; i++) top = fmax(top, candidates->data[i].logit);
    for (size_t i = 0; i < candidates->size; i++) total += exp(candidates->data[i].logit - top);
    const double goal = total * (mix(draw) / 4294967296.0);
    for (size_t i = 0; i < candidates->size; i++) {
        sum += exp(candidates->data[i].logit - top);
        candidates->selected = (int64_t)i;
        if (sum > goal) break;
    }
}

static llama_token step(struct llama_sampler *mark, llama_token last, uint32_t draw) {
    llama_token_data data[VOCABULARY];
    llama_token_data_array candidates = {data, VOCABULARY, -1, false};
    model(last, data);
    truncate_and_scale(&candidates);
    mark->iface->apply(mark, &candidates);
    if (candidates.selected < 0) dist(&candidates, draw);
    const llama_token token = candidates.data[candidates.selected].id;
    mark->iface->accept(mark, token);
    return token;
}

static void generate(struct llama_sampler *mark, llama_token *tokens, int from, int to) {
    for (int i = from; i < to; i++) tokens[i] = step(mark, i == 0 ? 7 : tokens[i - 1], (uint32_t)i * 77u + 5u);
}

static void run(struct llama_sampler_i *functions, colophon_sampler *sampler, const char *name) {
    llama_token tokens[LENGTH], again[LENGTH], plain[LENGTH];
    CHECK(sampler != NULL);
    struct llama_sampler *mark = colophon_llama_init(functions, sampler);
    CHECK(strcmp(mark->iface->name(mark), name) == 0);
    generate(mark, tokens, 0, LENGTH / 2);
    struct llama_sampler *copy = mark->iface->clone(mark);
    memcpy(again, tokens, sizeof tokens);
    generate(mark, tokens, LENGTH / 2, LENGTH);
    generate(copy, again, LENGTH / 2, LENGTH);
    CHECK(memcmp(tokens, again, sizeof tokens) == 0);

    const colophon_counters counters = colophon_sampler_counters(sampler);
    CHECK(counters.marked > LENGTH * 9 / 10);
    CHECK(counters.marked + counters.repeated + counters.single == LENGTH);

    const double marked = colophon_sampler_log10_p(sampler, tokens, LENGTH);
    for (int i = 0; i < LENGTH; i++) plain[i] = (llama_token)(mix((uint32_t)i * 31u + 1u) % VOCABULARY);
    const double unmarked = colophon_sampler_log10_p(sampler, plain, LENGTH);
    printf("%s: %llu of %d marked, log10 p %.1f, unmarked %.1f\n", name, (unsigned long long)counters.marked, LENGTH,
           marked, unmarked);
    CHECK(marked < -20.0);
    CHECK(unmarked > -4.0 && unmarked <= 0.0);
    CHECK(colophon_sampler_log10_p(sampler, tokens, 10) == 1.0);

    /* rejected drafts leave no trace */
    CHECK(colophon_sampler_rollback(sampler, 50) == 0);
    CHECK(colophon_sampler_rollback(sampler, LENGTH) == -1);
    generate(mark, again, LENGTH - 50, LENGTH);
    CHECK(memcmp(tokens, again, sizeof tokens) == 0);

    mark->iface->reset(mark);
    CHECK(colophon_sampler_counters(sampler).marked == 0);
    generate(mark, again, 0, LENGTH);
    CHECK(memcmp(tokens, again, sizeof tokens) == 0);

    llama_token_data bad[2] = {{1, NAN, 0.0f}, {2, 1.0f, 0.0f}};
    CHECK(colophon_sampler_apply(sampler, (colophon_candidate *)bad, 2) == -2);
    CHECK(colophon_sampler_apply(sampler, NULL, 0) == -2);

    copy->iface->free(copy);
    mark->iface->free(mark);
    free(copy);
    free(mark);
}

int main(void) {
    char message[120];
    int64_t keys[20];
    for (int i = 0; i < 20; i++) keys[i] = (int64_t)mix((uint32_t)i + 99u) << 20;
    struct llama_sampler_i functions = colophon_llama_functions();
    CHECK(functions.appended_later == NULL);
    CHECK(sizeof(colophon_candidate) == sizeof(llama_token_data));

    run(&functions, colophon_sampler_gumbel("5d0c2b9a7e1f4638", 4, 11, NULL, 0), "colophon-gumbel");
    run(&functions, colophon_sampler_synthid(keys, 20, 5, 11, NULL, 0), "colophon-synthid-text");

    CHECK(colophon_sampler_gumbel("2a", 4, 1, message, sizeof message) == NULL);
    CHECK(strstr(message, "published") != NULL);
    CHECK(colophon_sampler_gumbel("xyz", 4, 1, message, 10) == NULL);
    CHECK(strlen(message) == 9);
    CHECK(colophon_sampler_synthid(NULL, 0, 5, 1, message, sizeof message) == NULL);
    CHECK(strstr(message, "length 0") != NULL);
    return 0;
}
