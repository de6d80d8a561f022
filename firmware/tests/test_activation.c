/* The stated bounds of the activations, by a sweep over float32: every 997th, with `exhaustive` every one, with `brief` every 9973rd. */
#include <math.h>

#include "check.h"
#include "edgeflow/activation.h"
#include "model_parts.h"

#define INFINITY_BITS 0x7F800000u

typedef struct worst {
    double error;
    float at;
} worst;

static worst tanh_error, tanh_relative, sigmoid_error, exp_error;

static void note(worst *so_far, double error, float at) {
    if (!(error <= so_far->error)) {
        so_far->error = error;
        so_far->at = at;
    }
}

/* The series is exact in double precision where x^5 vanishes, and ten times as fast as libm. */
static double exact_tanh(double x) {
    return fabs(x) < 1e-4 ? x - x * x * x / 3.0 : tanh(x);
}

static double exact_sigmoid(double x) {
    return fabs(x) < 1e-4 ? 0.5 + x / 4.0 : 1.0 / (1.0 + exp(-x));
}

static void check_tanh(float x) {
    float value = ef_tanh(x);
    double exact = exact_tanh(x), error = fabs(value - exact);
    note(&tanh_error, error, x);
    if (exact > 1e-30) {
        note(&tanh_relative, error / exact, x);
    }
    CHECK(value >= 0.0f && value <= 1.0f);
    CHECK(ef_bits(ef_tanh(-x)) == (ef_bits(value) ^ 0x80000000u));
}

static void check_sigmoid(float x) {
    float value = ef_sigmoid(x);
    note(&sigmoid_error, fabs(value - exact_sigmoid(x)), x);
    CHECK(value >= 0.0f && value <= 1.0f);
}

static void check_exp(float x) {
    float value = ef_exp(x);
    if (x <= EF_EXP_LOWEST) {
        CHECK(value == 0.0f);
    } else if (x > EF_EXP_HIGHEST) {
        CHECK(value == 3.40282347e38f);
    } else {
        double exact = exp((double)x);
        note(&exp_error, fabs(value - exact) / exact, x);
    }
}

static void sweep(uint32_t stride) {
    for (uint64_t bits = 0; bits <= INFINITY_BITS; bits += stride) {
        float x = ef_float((uint32_t)bits);
        check_tanh(x);
        check_sigmoid(x);
        check_sigmoid(-x);
        check_exp(x);
        check_exp(-x);
    }
}

static void check_ends(void) {
    CHECK(ef_bits(ef_tanh(0.0f)) == 0);
    CHECK(ef_bits(ef_tanh(-0.0f)) == 0x80000000u);
    CHECK(ef_sigmoid(0.0f) == 0.5f);
    CHECK(ef_exp(0.0f) == 1.0f);
    CHECK(ef_tanh(INFINITY) == 1.0f && ef_tanh(-INFINITY) == -1.0f);
    CHECK(ef_sigmoid(INFINITY) == 1.0f && ef_sigmoid(-INFINITY) == 0.0f);
    CHECK(ef_exp(-INFINITY) == 0.0f);
    CHECK(isnan(ef_tanh(NAN)) && isnan(ef_sigmoid(NAN)) && isnan(ef_exp(NAN)));
    check_exp(EF_EXP_HIGHEST);
    check_exp(nextafterf(EF_EXP_LOWEST, 0.0f));
}

int main(int count, char **arguments) {
    sweep(rounds_of(count, arguments, 9973, 997, 1));
    check_ends();
    CHECK(tanh_error.error <= EF_TANH_MAX_ERROR);
    CHECK(tanh_relative.error <= EF_TANH_MAX_RELATIVE_ERROR);
    CHECK(sigmoid_error.error <= EF_SIGMOID_MAX_ERROR);
    CHECK(exp_error.error <= EF_EXP_MAX_ERROR);
    /* A bound twice as wide as what is found would say nothing. */
    CHECK(tanh_error.error > EF_TANH_MAX_ERROR / 2 && sigmoid_error.error > EF_SIGMOID_MAX_ERROR / 2);
    printf("tanh %.3g at %.9g, relative %.3g at %.9g\n", tanh_error.error, tanh_error.at, tanh_relative.error,
           tanh_relative.at);
    printf("sigmoid %.3g at %.9g, exp relative %.3g at %.9g\n", sigmoid_error.error, sigmoid_error.at,
           exp_error.error, exp_error.at);
    return finish("test_activation");
}
