/* Rounding to int8, and the largest sums of int8 products. */
#include <math.h>

#include "check.h"
#include "model_parts.h"

static int wanted(float value) {
    float nearest = roundf(value);
    return (int)(nearest < -127.0f ? -127.0f : nearest > 127.0f ? 127.0f : nearest);
}

static void check_both_signs(uint32_t bits) {
    float values[2] = {ef_float(bits), -ef_float(bits)};
    int8_t found[2];
    ef_quantise_by(values, 1.0f, found, 2);
    CHECK(found[0] == wanted(values[0]) && found[1] == wanted(values[1]));
}

static void check_rounding(uint32_t stride) {
    for (uint64_t bits = 0; bits <= 0x7F800000u; bits += stride) {
        check_both_signs((uint32_t)bits);
    }
    for (float half = 0.5f; half < 130.0f; half += 1.0f) {
        for (uint32_t away = 0; away < 3; away++) {
            check_both_signs(ef_bits(half) - 1u + away);
        }
    }
}

static void check_scales(void) {
    float values[4] = {1.0f, -1.0f, 0.3f, 1e30f}, scales[4] = {0.5f, 0.01f, 0.2f, 1e-30f};
    int8_t found[4];
    ef_quantise(values, scales, found, 4);
    CHECK(found[0] == 2 && found[1] == -100 && found[2] == 2 && found[3] == 127);
    ef_quantise_unit(values, found, 2);
    CHECK(found[0] == 127 && found[1] == -127);
}

static void check_largest_sum(void) {
    static int8_t left[65535], right[65535];
    memset(left, -128, sizeof left);
    memset(right, 127, sizeof right);
    CHECK_EQUAL(ef_dot_int8(left, right, 65535), -128LL * 127 * 65535);
    memset(right, -127, sizeof right);
    CHECK_EQUAL(ef_dot_int8(left, right, 65535), 128LL * 127 * 65535);
}

int main(int count, char **arguments) {
    check_rounding(is_exhaustive(count, arguments) ? 1u : 997u);
    check_scales();
    check_largest_sum();
    return finish("test_quantise");
}
