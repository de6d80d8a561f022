/* Values to int8, and the sum of int8 products. */
#include "model_parts.h"

bool ef_all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!ef_is_finite(values[i])) {
            return false;
        }
    }
    return true;
}

bool ef_all_positive(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!ef_is_finite(values[i]) || !(values[i] > 0.0f)) {
            return false;
        }
    }
    return true;
}

/* Adding a half before cutting would round 0.49999997 up, so the fraction is looked at. */
static int8_t round_to_int8(float value) {
    if (!(value < 127.0f)) {
        return 127;
    }
    if (value <= -127.0f) {
        return -127;
    }
    int32_t whole = (int32_t)value;
    float fraction = value - (float)whole;
    return (int8_t)(whole + (fraction >= 0.5f) - (fraction <= -0.5f));
}

void ef_quantise(const float *values, const float *scales, int8_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = round_to_int8(values[i] / scales[i]);
    }
}

void ef_quantise_by(const float *values, float scale, int8_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = round_to_int8(values[i] / scale);
    }
}

void ef_quantise_unit(const float *values, int8_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        to[i] = round_to_int8(127.0f * values[i]);
    }
}

int32_t ef_dot_int8(const int8_t *left, const int8_t *right, uint32_t count) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += (int32_t)left[i] * right[i];
    }
    return sum;
}
