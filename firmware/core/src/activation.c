#include "edgeflow/activation.h"

#include "activation_table.h"
#include "model_parts.h"

/* b = 1 + |x| picks the cubic: its exponent and the first four bits of its fraction are the number of the piece. */
float ef_tanh(float x) {
    uint32_t sign = ef_bits(x) & 0x80000000u;
    float size = ef_float(ef_bits(x) ^ sign);
    if (!(size < EF_TANH_LIMIT)) {
        return x != x ? x : ef_float(sign | 0x3F800000u);
    }
    uint32_t bits = ef_bits(1.0f + size);
    const float *c = tanh_cubic[(bits >> 19) - (127u << 4)];
    float step = size - (ef_float(bits & 0xFFF80000u) - 1.0f);
    float value = c[0] + step * (c[1] + step * (c[2] + step * c[3]));
    return ef_float(ef_bits(value) | sign);
}

float ef_sigmoid(float x) {
    return 0.5f + 0.5f * ef_tanh(0.5f * x);
}

/* x = n ln 2 + r: 2^n is made of bits, e^r of a polynomial. Adding 1.5 * 2^23 rounds n and leaves it in the low bits. */
float ef_exp(float x) {
    if (!(x > EF_EXP_LOWEST)) {
        return x != x ? x : 0.0f;
    }
    if (x > EF_EXP_HIGHEST) {
        return 3.40282347e38f;
    }
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float high = 1.66666552e-1f + r * (4.16651964e-2f + r * (8.36871937e-3f + r * 1.38147024e-3f));
    float value = 1.0f + (r + r * r * (0.5f + r * high));
    int32_t power = (int32_t)n;
    int32_t half = power / 2;
    return value * ef_float((uint32_t)(half + 127) << 23) * ef_float((uint32_t)(power - half + 127) << 23);
}
