/* What the files of a model share; no part of the public interface. */
#ifndef EDGEFLOW_MODEL_PARTS_H
#define EDGEFLOW_MODEL_PARTS_H

#include <string.h>

#include "edgeflow/model.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian and are used where they lie"
#endif

static inline uint16_t ef_u16_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | ((uint32_t)bytes[1] << 8));
}

static inline uint32_t ef_u32_at(const uint8_t *bytes) {
    return ef_u16_at(bytes) | ((uint32_t)ef_u16_at(bytes + 2) << 16);
}

static inline uint32_t ef_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ef_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ef_pad4(uint32_t bytes) {
    return (bytes + 3u) & ~3u;
}

static inline bool ef_is_finite(float value) {
    return (ef_bits(value) & 0x7F800000u) != 0x7F800000u;
}

/* All of count floats are finite. */
bool ef_all_finite(const float *values, size_t count);

/* All of count floats are finite and above zero. */
bool ef_all_positive(const float *values, size_t count);

/* The floats at an offset of the payload; the offset is a multiple of 4. */
static inline const float *ef_floats_at(const ef_model *model, uint32_t offset) {
    return (const float *)(const void *)(model->payload + offset);
}

/* round(value / scale), half away from zero, clamped to -127..127. */
void ef_quantise(const float *values, const float *scales, int8_t *to, uint32_t count);

/* The same with one scale for all. */
void ef_quantise_by(const float *values, float scale, int8_t *to, uint32_t count);

/* round(127 * value), likewise: for values between -1 and 1. */
void ef_quantise_unit(const float *values, int8_t *to, uint32_t count);

/* Sum of products; |sum| stays below 2^31 for up to 65,535 values. */
int32_t ef_dot_int8(const int8_t *left, const int8_t *right, uint32_t count);

/*
 * Check the model's own part, which is the first `bytes` of the payload, and fill parameters, arena_bytes,
 * multiply_adds and activations. The dimensions are in range.
 */
EF_MUST_CHECK ef_status ef_lstm_parse(ef_model *model, uint32_t bytes);

/* Run from a state of zeros; the arena holds info.arena_bytes. */
void ef_lstm_run(const ef_model *model, const float *input, float *output, void *arena);

/* One time step; output may be NULL. */
void ef_lstm_step(const ef_model *model, const float *input, float *state, float *output, void *arena);

/* The same for layers; info.hidden is checked to be the widest activation. */
EF_MUST_CHECK ef_status ef_layers_parse(ef_model *model, uint32_t bytes);
void ef_layers_run(const ef_model *model, const float *input, float *output, void *arena);

#endif
