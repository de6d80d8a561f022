#include "versioned_model.h"

#include <string.h>

#include "check.h"
#include "edgeflow/checksum.h"
#include "little_endian.h"

static uint32_t weights_of(made_shape shape) {
    uint32_t hidden = shape.hidden;
    return 4u * hidden * (shape.features + hidden + 1u) + shape.horizon * (hidden + 1u);
}

static void put_float(uint8_t *at, float value) {
    memcpy(at, &value, 4);
}

static void draw_weights(uint8_t *at, made_shape shape, uint32_t version) {
    uint32_t state = version * 2654435761u + 1u;
    for (uint32_t i = 0; i < weights_of(shape); i++) {
        put_float(at + 4u * i, (float)(next_random(&state) % 2001u) / 1000.0f - 1.0f);
    }
}

static uint8_t *put_shape(uint8_t *at, made_shape shape) {
    at = ef_put16(at, shape.steps);
    at = ef_put16(at, shape.features);
    at = ef_put16(at, shape.horizon);
    return ef_put16(at, shape.hidden);
}

uint32_t make_reference(uint8_t *to, made_shape shape, uint32_t version) {
    memcpy(to, "LST0", 4);
    ef_put32(put_shape(to + 4, shape), 0);
    draw_weights(to + 16, shape, version);
    return 16u + 4u * weights_of(shape);
}

static void seal(uint8_t *to, made_shape shape, uint32_t version, uint32_t payload, uint32_t test) {
    ef_sha256 hash;
    uint32_t own = 4u * weights_of(shape);
    memset(to, 0, EF_MODEL_HEADER_BYTES);
    memcpy(to, "EFM1", 4);
    ef_put16(to + 4, 1);
    ef_put16(to + 6, EF_MODEL_HEADER_BYTES);
    ef_put32(to + 8, payload);
    ef_put32(to + 12, ef_crc32(0, to + EF_MODEL_HEADER_BYTES, payload));
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, to + EF_MODEL_HEADER_BYTES, payload);
    ef_sha256_end(&hash, to + 16);
    to[48] = EF_KIND_LSTM;
    put_shape(to + 52, shape);
    ef_put32(to + 60, version);
    ef_put32(to + 64, weights_of(shape));
    ef_put32(to + 68, test > 0 ? own : 0);
    ef_put32(to + 72, test);
    ef_put32(to + 76, own);
    memcpy(to + 80, "made", 4);
    ef_put32(to + 124, ef_crc32(0, to, 124));
}

static void put_test(uint8_t *to, made_shape shape) {
    static _Alignas(8) uint8_t arena[1u << 16];
    static float input[1024], output[256];
    ef_model model;
    uint32_t values = (uint32_t)shape.steps * shape.features;
    CHECK_EQUAL(ef_model_parse(to, EF_MODEL_HEADER_BYTES + 4u * weights_of(shape), &model), EF_OK);
    for (uint32_t i = 0; i < values; i++) {
        input[i] = 0.25f * (float)(i % 7u);
    }
    CHECK_EQUAL(ef_model_run(&model, input, output, arena, sizeof arena), EF_OK);
    uint8_t *at = to + EF_MODEL_HEADER_BYTES + 4u * weights_of(shape);
    put_float(at, 1e-5f);
    memcpy(at + 4, input, 4u * values);
    memcpy(at + 4 + 4u * values, output, 4u * shape.horizon);
}

uint32_t make_container(uint8_t *to, made_shape shape, uint32_t version, bool self_test) {
    uint32_t own = 4u * weights_of(shape), test = 4u + 4u * shape.steps * shape.features + 4u * shape.horizon;
    draw_weights(to + EF_MODEL_HEADER_BYTES, shape, version);
    seal(to, shape, version, own, 0);
    if (self_test) {
        put_test(to, shape);
        seal(to, shape, version, own + test, test);
    }
    return EF_MODEL_HEADER_BYTES + own + (self_test ? test : 0);
}

uint32_t make_failing_container(uint8_t *to, made_shape shape, uint32_t version) {
    uint32_t bytes = make_container(to, shape, version, true);
    uint32_t own = 4u * weights_of(shape);
    put_float(to + bytes - 4, 1000.0f);
    seal(to, shape, version, bytes - EF_MODEL_HEADER_BYTES, bytes - EF_MODEL_HEADER_BYTES - own);
    return bytes;
}
