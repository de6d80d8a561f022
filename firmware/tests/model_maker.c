#include "model_maker.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "edgeflow/checksum.h"

enum { STEPS = 6, FEATURES = 3, HORIZON = 2, HIDDEN = 5, CAPACITY = 16384 };

/* Bytes that are being written. */
typedef struct writer {
    uint8_t *bytes;
    size_t count;
    uint32_t random;
} writer;

static void put(writer *w, const void *bytes, size_t count) {
    if (w->count + count > CAPACITY) {
        abort();
    }
    memcpy(w->bytes + w->count, bytes, count);
    w->count += count;
}

static void put_u16(writer *w, uint32_t value) {
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    put(w, bytes, sizeof bytes);
}

static void put_u32(writer *w, uint32_t value) {
    put_u16(w, value & 0xFFFFu);
    put_u16(w, value >> 16);
}

static void put_float(writer *w, float value) {
    put(w, &value, sizeof value);
}

/* Between low and low + width. */
static void put_floats(writer *w, uint32_t count, float low, float width) {
    for (uint32_t i = 0; i < count; i++) {
        put_float(w, low + width * (float)(next_random(&w->random) >> 8) / 16777216.0f);
    }
}

static void put_int8(writer *w, uint32_t count) {
    for (uint32_t i = 0; i < (count + 3u) / 4u * 4u; i++) {
        uint8_t byte = i < count ? (uint8_t)(next_random(&w->random) >> 24) : 0;
        put(w, &byte, 1);
    }
}

static void put_lstm(writer *w) {
    put_floats(w, 4 * HIDDEN * (FEATURES + HIDDEN + 1) + HORIZON * (HIDDEN + 1), -0.5f, 1.0f);
}

static void put_lstm_int8(writer *w) {
    put_floats(w, FEATURES, 0.01f, 0.02f);
    put_floats(w, 8 * HIDDEN, 0.0001f, 0.0001f);
    put_floats(w, 4 * HIDDEN, -0.5f, 1.0f);
    put_floats(w, HORIZON, 0.0001f, 0.0001f);
    put_floats(w, HORIZON, -0.5f, 1.0f);
    put_int8(w, 4 * HIDDEN * FEATURES);
    put_int8(w, 4 * HIDDEN * HIDDEN);
    put_int8(w, HORIZON * HIDDEN);
}

/* One row of the table; the shapes are steps in, channels in, steps out, channels out, kernel. */
static void put_row(writer *w, const uint8_t head[4], const uint16_t shape[5], uint32_t offset, uint32_t bytes,
                    float scale) {
    put(w, head, 4);
    for (int i = 0; i < 5; i++) {
        put_u16(w, shape[i]);
    }
    put_u16(w, 0);
    put_u32(w, offset);
    put_u32(w, bytes);
    put_float(w, scale);
    put_u32(w, 0);
}

static void put_weights(writer *w, bool int8, uint32_t out, uint32_t in) {
    if (int8) {
        put_floats(w, out, 0.0001f, 0.0001f);
        put_floats(w, out, -0.5f, 1.0f);
        put_int8(w, out * in);
    } else {
        put_floats(w, out * in + out, -0.5f, 1.0f);
    }
}

static uint32_t weight_bytes(bool int8, uint32_t out, uint32_t in) {
    return int8 ? 8 * out + (out * in + 3) / 4 * 4 : 4 * (out * in + out);
}

/* conv1d (6, 3) -> (3, 4) with ReLU, max pool -> (2, 4), flatten, dense -> 2 with softmax; the widest has 18 values */
static void put_layers(writer *w, bool int8) {
    uint32_t conv = weight_bytes(int8, 4, 9), dense = weight_bytes(int8, 2, 8);
    float scale = int8 ? 0.02f : 0.0f;
    put_u32(w, 4);
    put_row(w, (uint8_t[]){2, 1, 2, 1}, (uint16_t[]){6, 3, 3, 4, 3}, 4 + 4 * 32, conv, scale);
    put_row(w, (uint8_t[]){3, 0, 1, 0}, (uint16_t[]){3, 4, 2, 4, 2}, 0, 0, 0.0f);
    put_row(w, (uint8_t[]){6, 3, 0, 0}, (uint16_t[]){2, 4, 1, 8, 0}, 0, 0, 0.0f);
    put_row(w, (uint8_t[]){1, 4, 0, 0}, (uint16_t[]){1, 8, 1, 2, 0}, 4 + 4 * 32 + conv, dense, scale);
    put_weights(w, int8, 4, 9);
    put_weights(w, int8, 2, 8);
}

static void put_header(writer *w, int kind, uint32_t parameters) {
    bool layers = kind >= MADE_LAYERS, int8 = kind == MADE_LSTM_INT8 || kind == MADE_LAYERS_INT8;
    uint8_t kind_and_dtype[2] = {layers ? 2 : 1, int8};
    uint8_t zeros[48] = {0};
    char name[32] = "made \xC3\xA4";
    put(w, "EFM1", 4);
    put_u16(w, 1);
    put_u16(w, 128);
    put(w, zeros, 40);
    put(w, kind_and_dtype, 2);
    put_u16(w, 0);
    put_u16(w, STEPS);
    put_u16(w, FEATURES);
    put_u16(w, HORIZON);
    put_u16(w, layers ? STEPS * FEATURES : HIDDEN);
    put_u32(w, 7);
    put_u32(w, parameters);
    put(w, zeros, 12);
    put(w, name, sizeof name);
    put(w, zeros, 16);
}

static void put_own_part(writer *w, int kind) {
    if (kind == MADE_LSTM) {
        put_lstm(w);
    } else if (kind == MADE_LSTM_INT8) {
        put_lstm_int8(w);
    } else {
        put_layers(w, kind == MADE_LAYERS_INT8);
    }
}

static void write_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_container(writer *w, int kind) {
    bool layers = kind >= MADE_LAYERS;
    put_header(w, kind, layers ? 4 * 9 + 4 + 2 * 8 + 2 : 4 * HIDDEN * (FEATURES + HIDDEN + 1) + HORIZON * (HIDDEN + 1));
    put_own_part(w, kind);
    uint32_t own = (uint32_t)w->count - 128;
    put_float(w, 1000.0f);
    put_floats(w, STEPS * FEATURES + HORIZON, -1.0f, 2.0f);
    write_u32(w->bytes + 8, (uint32_t)w->count - 128);
    write_u32(w->bytes + 68, own);
    write_u32(w->bytes + 72, 4 * (1 + STEPS * FEATURES + HORIZON));
    write_u32(w->bytes + 76, own);
}

made_model make_model(int kind, uint32_t seed) {
    writer w = {malloc(CAPACITY), 0, seed | 1u};
    if (w.bytes == NULL) {
        abort();
    }
    if (kind == MADE_REFERENCE) {
        put(&w, "LST0", 4);
        put_u16(&w, STEPS);
        put_u16(&w, FEATURES);
        put_u16(&w, HORIZON);
        put_u16(&w, HIDDEN);
        put_u32(&w, 0);
        put_lstm(&w);
    } else {
        put_container(&w, kind);
    }
    made_model model = {realloc(w.bytes, w.count), w.count};
    seal(&model);
    return model;
}

void seal(made_model *model) {
    if (model->count < 128 || memcmp(model->bytes, "EFM1", 4) != 0) {
        return;
    }
    uint8_t *payload = model->bytes + 128;
    uint32_t stated;
    memcpy(&stated, model->bytes + 8, sizeof stated);
    size_t count = stated < model->count - 128 ? stated : model->count - 128;
    ef_sha256 hash;
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, payload, count);
    ef_sha256_end(&hash, model->bytes + 16);
    write_u32(model->bytes + 12, ef_crc32(0, payload, count));
    write_u32(model->bytes + 124, ef_crc32(0, model->bytes, 124));
}

void free_model(made_model *model) {
    free(model->bytes);
    model->bytes = NULL;
}
