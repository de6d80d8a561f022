/* What a module has no library for. Errors are the largest that occur, measured by the tests. */
#ifndef EDGEFLOW_MATH_H
#define EDGEFLOW_MATH_H

#include <stdbool.h>
#include <stdint.h>

#define EF_PI 3.14159265f

static inline float ef_abs(float value) {
    return __builtin_fabsf(value);
}

static inline float ef_min(float a, float b) {
    return a < b ? a : b;
}

static inline float ef_max(float a, float b) {
    return a > b ? a : b;
}

static inline float ef_clamp(float value, float low, float high) {
    return ef_min(ef_max(value, low), high);
}

/* Exact; 0 for what is negative. */
static inline float ef_sqrt(float value) {
    return value > 0.0f ? __builtin_elementwise_sqrt(value) : 0.0f;
}

/* An angle in rad, brought into -pi to pi. */
static inline float ef_wrap(float angle) {
    return angle - 2.0f * EF_PI * __builtin_floorf(angle / (2.0f * EF_PI) + 0.5f);
}

/* Within 0.0002 (Abramowitz and Stegun 4.3.97). */
static inline float ef_sin(float angle) {
    float x = ef_wrap(angle);
    if (x > 0.5f * EF_PI) {
        x = EF_PI - x;
    } else if (x < -0.5f * EF_PI) {
        x = -EF_PI - x;
    }
    const float square = x * x;
    return x * (1.0f - square * (0.16605f - square * 0.00761f));
}

static inline float ef_cos(float angle) {
    return ef_sin(angle + 0.5f * EF_PI);
}

/* Within 0.00002 rad (Abramowitz and Stegun 4.4.49); 0 for the origin. */
static inline float ef_atan2(float y, float x) {
    const float across = ef_abs(x), up = ef_abs(y), longer = ef_max(across, up);
    if (longer == 0.0f) {
        return 0.0f;
    }
    const float part = ef_min(across, up) / longer, square = part * part;
    float angle = part * (0.999866f
        + square * (-0.3302995f + square * (0.180141f + square * (-0.085133f + square * 0.0208351f))));
    angle = up > across ? 0.5f * EF_PI - angle : angle;
    angle = x < 0.0f ? EF_PI - angle : angle;
    return y < 0.0f ? -angle : angle;
}

/* Decibels of a ratio of powers, within 0.02 dB; -120 for what is not above 1e-12. */
static inline float ef_decibels(float ratio) {
    if (ratio <= 1e-12f) {
        return -120.0f;
    }
    union { float value; uint32_t bits; } own = {ratio};
    const float exponent = (float)(int32_t)(own.bits >> 23) - 127.0f;
    own.bits = (own.bits & 0x007FFFFFu) | 0x3F800000u;
    const float m = own.value;
    /* log2 of 1 to 2 by (m-1)/(m+1), whose series needs few terms. */
    const float z = (m - 1.0f) / (m + 1.0f), square = z * z;
    return 3.0103f * (exponent + z * (2.8853901f + square * (0.9617967f + square * 0.5770780f)));
}

#endif
