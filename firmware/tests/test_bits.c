/* The same bits on every target: CRC-32s of answers and activations, which every compiler and machine must find again. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/activation.h"
#include "edgeflow/checksum.h"
#include "model_maker.h"
#include "model_parts.h"

static uint32_t crc_of_answers(int kind) {
    static uint32_t arena[256];
    made_model made = make_model(kind, 11);
    ef_model model;
    uint32_t crc = 0, random = 0x9E3779B9u;
    if (CHECK_EQUAL(ef_model_parse(made.bytes, made.count, &model), EF_OK)) {
        for (int run = 0; run < 50; run++) {
            float input[18], output[2];
            for (int i = 0; i < 18; i++) {
                input[i] = (float)(int32_t)next_random(&random) / 1073741824.0f;
            }
            CHECK_EQUAL(ef_model_run(&model, input, output, arena, sizeof arena), EF_OK);
            crc = ef_crc32(crc, output, sizeof output);
        }
    }
    free_model(&made);
    return crc;
}

/* From 2^-20 on: what is smaller could be a subnormal number on its way. */
static uint32_t crc_of_activation(float (*function)(float)) {
    uint32_t crc = 0;
    for (uint32_t bits = 0x35800000u; bits < 0x42C00000u; bits += 9973u) {
        float values[2] = {function(ef_float(bits)), function(-ef_float(bits))};
        crc = ef_crc32(crc, values, sizeof values);
    }
    return crc;
}

static void check_crc(const char *what, uint32_t found, uint32_t wanted) {
    if (!CHECK(found == wanted)) {
        fprintf(stderr, "  %s: 0x%08Xu\n", what, (unsigned)found);
    }
}

int main(void) {
    check_crc("tanh", crc_of_activation(ef_tanh), 0x3B764C0Bu);
    check_crc("sigmoid", crc_of_activation(ef_sigmoid), 0x1DF94E5Du);
    check_crc("exp", crc_of_activation(ef_exp), 0x7DAEB043u);
    check_crc("reference", crc_of_answers(MADE_REFERENCE), 0x48153C40u);
    check_crc("lstm", crc_of_answers(MADE_LSTM), 0x48153C40u);
    check_crc("lstm, int8", crc_of_answers(MADE_LSTM_INT8), 0x24C1C209u);
    check_crc("layers", crc_of_answers(MADE_LAYERS), 0x15848790u);
    check_crc("layers, int8", crc_of_answers(MADE_LAYERS_INT8), 0xEB479AD0u);
    return finish("test_bits");
}
