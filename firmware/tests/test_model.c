/* Model files that are right, damaged, cut off or lying: what is accepted can be run within its arena. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "model_maker.h"

enum { MUTATIONS = 3000, MUTATIONS_EXHAUSTIVE = 1000000 };

/* Everything that a caller does with a model it accepted; the sanitizers watch the exact sizes. */
static void use(const ef_model *model) {
    const ef_model_info *info = &model->info;
    size_t values = (size_t)info->steps * info->features;
    float *input = calloc(values, sizeof *input), *output = calloc(info->horizon, sizeof *output);
    float *state = calloc(2u * info->hidden, sizeof *state);
    void *arena = malloc(info->arena_bytes);
    if (input == NULL || output == NULL || state == NULL || arena == NULL) {
        abort();
    }
    for (size_t i = 0; i < values; i++) {
        input[i] = (float)(i % 7) - 3.0f;
    }
    ef_status status = ef_model_run(model, input, output, arena, info->arena_bytes);
    CHECK(status == EF_OK || status == EF_ERROR_NOT_FINITE);
    CHECK(ef_model_run(model, input, output, arena, info->arena_bytes - 1u) == EF_ERROR_MEMORY);
    ef_self_test result;
    status = ef_model_self_test(model, arena, info->arena_bytes, &result);
    CHECK(status == EF_OK || status == EF_ERROR_NOT_FINITE || status == EF_ERROR_SELF_TEST);
    CHECK(result.present == (model->test_bytes > 0));
    CHECK(result.present || (result.error == 0.0f && result.tolerance == 0.0f));
    status = ef_model_step(model, input, state, output, arena, info->arena_bytes);
    CHECK(status == EF_OK || status == (info->kind == EF_KIND_LSTM ? EF_ERROR_NOT_FINITE : EF_ERROR_UNSUPPORTED));
    free(arena);
    free(state);
    free(output);
    free(input);
}

static void check_right(int kind) {
    made_model made = make_model(kind, 1);
    ef_model model;
    if (CHECK_EQUAL(ef_model_parse(made.bytes, made.count, &model), EF_OK)) {
        CHECK_EQUAL(model.info.file_bytes, made.count);
        CHECK(model.info.reference == (kind == MADE_REFERENCE));
        CHECK(strcmp(model.info.name, kind == MADE_REFERENCE ? "" : "made \xC3\xA4") == 0);
        CHECK_EQUAL(model.info.version, kind == MADE_REFERENCE ? 0 : 7);
        use(&model);
    }
    free_model(&made);
}

/* The model's own part ends where the block does, so that a read behind a weight is seen. */
static void check_without_vector(int kind) {
    made_model made = make_model(kind, 6);
    ef_model model;
    uint32_t own;
    memcpy(&own, made.bytes + 76, sizeof own);
    memcpy(made.bytes + 8, &own, sizeof own);
    memset(made.bytes + 68, 0, 8);
    made.count = EF_MODEL_HEADER_BYTES + own;
    made.bytes = realloc(made.bytes, made.count);
    seal(&made);
    if (CHECK_EQUAL(ef_model_parse(made.bytes, made.count, &model), EF_OK)) {
        use(&model);
    }
    free_model(&made);
}

/* In a block of the size that is left, so that a read behind the end is seen. */
static void check_cut_off(int kind) {
    made_model made = make_model(kind, 2);
    for (size_t count = 0; count < made.count; count++) {
        uint8_t *bytes = malloc(count + 1u);
        ef_model model;
        memcpy(bytes, made.bytes, count);
        uint8_t *exact = realloc(bytes, count > 0 ? count : 1);
        CHECK(ef_model_parse(exact, count, &model) != EF_OK);
        CHECK(model.payload == NULL && model.info.horizon == 0);
        free(exact);
    }
    free_model(&made);
}

static void check_flipped_bits(int kind) {
    made_model made = make_model(kind, 3);
    for (size_t bit = 0; bit < 8u * made.count; bit++) {
        ef_model model;
        made.bytes[bit / 8u] ^= (uint8_t)(1u << bit % 8u);
        CHECK(ef_model_parse(made.bytes, made.count, &model) != EF_OK);
        made.bytes[bit / 8u] ^= (uint8_t)(1u << bit % 8u);
    }
    free_model(&made);
}

static void mutate(made_model *made, uint32_t *random) {
    uint32_t changes = 1u + next_random(random) % 3u;
    while (changes-- > 0) {
        /* Half of them where the sizes and shapes are: header, and the table of layers behind it. */
        bool early = next_random(random) % 2u == 0;
        size_t reach = early && made->count > 264u ? 264u : made->count;
        size_t at = next_random(random) % reach;
        static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
        uint32_t choice = next_random(random);
        made->bytes[at] = choice % 2u ? edges[choice / 2u % 5u] : (uint8_t)(choice >> 16);
    }
}

/* With every checksum made right again: the checks of the structure alone must hold. Returns whether it was accepted. */
static bool try_mutation(int kind, uint32_t *random) {
    made_model made = make_model(kind, next_random(random));
    mutate(&made, random);
    seal(&made);
    ef_model model;
    bool accepted = ef_model_parse(made.bytes, made.count, &model) == EF_OK;
    /* A cut that leaves the bytes aligned is a file as well. */
    if (accepted) {
        CHECK(model.info.file_bytes <= made.count);
        use(&model);
    }
    free_model(&made);
    return accepted;
}

static void check_mutations(uint32_t count) {
    uint32_t random = 0x2545F491u, accepted = 0;
    for (uint32_t i = 0; i < count; i++) {
        accepted += try_mutation((int)(i % MADE_KINDS), &random);
    }
    printf("%u of %u mutated files accepted, and run\n", (unsigned)accepted, (unsigned)count);
    CHECK(accepted > count / 100u && accepted < count);
}

static void set_u16(made_model *made, size_t at, uint32_t value) {
    made->bytes[at] = (uint8_t)value;
    made->bytes[at + 1u] = (uint8_t)(value >> 8);
    seal(made);
}

static void check_status_after(int kind, size_t at, uint32_t value, ef_status wanted) {
    made_model made = make_model(kind, 4);
    ef_model model;
    set_u16(&made, at, value);
    if (!CHECK_EQUAL(ef_model_parse(made.bytes, made.count, &model), wanted)) {
        fprintf(stderr, "  kind %d, offset %u set to %u\n", kind, (unsigned)at, (unsigned)value);
    }
    free_model(&made);
}

static void check_lies(void) {
    check_status_after(MADE_REFERENCE, 4, 0, EF_ERROR_SHAPE);
    check_status_after(MADE_REFERENCE, 4, EF_MAX_STEPS + 1u, EF_ERROR_SHAPE);
    check_status_after(MADE_REFERENCE, 6, EF_MAX_FEATURES + 1u, EF_ERROR_SHAPE);
    check_status_after(MADE_REFERENCE, 8, EF_MAX_HORIZON + 1u, EF_ERROR_SHAPE);
    check_status_after(MADE_REFERENCE, 10, EF_MAX_HIDDEN + 1u, EF_ERROR_SHAPE);
    check_status_after(MADE_REFERENCE, 10, EF_MAX_HIDDEN, EF_ERROR_LENGTH);
    check_status_after(MADE_REFERENCE, 18, 0x7FC0u, EF_ERROR_NOT_FINITE);
    check_status_after(MADE_LSTM, 4, 2, EF_ERROR_UNSUPPORTED);
    check_status_after(MADE_LSTM, 6, 132, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 10, 0xFFFFu, EF_ERROR_LENGTH);
    check_status_after(MADE_LSTM, 48, 3, EF_ERROR_UNSUPPORTED);
    check_status_after(MADE_LSTM, 48, 0x0201u, EF_ERROR_UNSUPPORTED);
    check_status_after(MADE_LSTM, 50, 1, EF_ERROR_UNSUPPORTED);
    check_status_after(MADE_LSTM, 58, 6, EF_ERROR_LENGTH);
    check_status_after(MADE_LSTM, 64, 1, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 70, 0xFFFFu, EF_ERROR_LENGTH);
    check_status_after(MADE_LSTM, 68, 0, EF_ERROR_LENGTH);
    check_status_after(MADE_LSTM, 72, 0, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 78, 0xFFFFu, EF_ERROR_LENGTH);
    check_status_after(MADE_LSTM, 80, 0x80C3u, EF_OK);
    check_status_after(MADE_LSTM, 80, 0x28C3u, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 80, 0x0061u, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 80, 0x0A61u, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 110, 0x00C3u, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM, 112, 1, EF_ERROR_MODEL);
    check_status_after(MADE_LSTM_INT8, 130, 0x8000u, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS, 128, 33, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 128, 0, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 132, 0x0104u, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS, 132, 7, EF_ERROR_UNSUPPORTED);
    check_status_after(MADE_LAYERS, 134, 0x0301u, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS, 134, 0x0100u, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS, 136, 7, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS, 148, 0xFFFCu, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 148, 4, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 244, 288, EF_OK);
    check_status_after(MADE_LAYERS, 244, 296, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 244, 294, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 244, 128, EF_ERROR_LENGTH);
    check_status_after(MADE_LAYERS, 262, 0x7FC0u, EF_ERROR_NOT_FINITE);
    check_status_after(MADE_LAYERS_INT8, 158, 0x8000u, EF_ERROR_MODEL);
    check_status_after(MADE_LAYERS_INT8, 262, 0x7FC0u, EF_ERROR_NOT_FINITE);
    check_status_after(MADE_LAYERS_INT8, 290, 0x7FC0u, EF_ERROR_NOT_FINITE);
}

static void check_callers(void) {
    made_model made = make_model(MADE_LSTM, 5);
    static ef_model none, model;
    static uint32_t arena[64];
    float input[18] = {0}, output[2];
    CHECK_EQUAL(ef_model_run(&none, input, output, arena, sizeof arena), EF_ERROR_NO_MODEL);
    CHECK_EQUAL(ef_model_parse(made.bytes, made.count, &model), EF_OK);
    CHECK_EQUAL(ef_model_run(&model, input, output, NULL, sizeof arena), EF_ERROR_MEMORY);
    CHECK_EQUAL(ef_model_run(&model, input, output, (uint8_t *)arena + 2, 128), EF_ERROR_MEMORY);
    CHECK_EQUAL(ef_model_run(&model, input, output, arena, sizeof arena), EF_OK);
    input[17] = NAN;
    CHECK_EQUAL(ef_model_run(&model, input, output, arena, sizeof arena), EF_ERROR_NOT_FINITE);
    uint8_t *shifted = malloc(made.count + 4u);
    memcpy(shifted + 2, made.bytes, made.count);
    CHECK_EQUAL(ef_model_parse(shifted + 2, made.count, &model), EF_ERROR_MEMORY);
    free(shifted);
    free_model(&made);
}

int main(int count, char **arguments) {
    for (int kind = 0; kind < MADE_KINDS; kind++) {
        check_right(kind);
        check_cut_off(kind);
        if (kind != MADE_REFERENCE) {
            check_flipped_bits(kind);
            check_without_vector(kind);
        }
    }
    check_lies();
    check_callers();
    check_mutations(is_exhaustive(count, arguments) ? MUTATIONS_EXHAUSTIVE : MUTATIONS);
    return finish("test_model");
}
