/* The fast transform against the plain one. */
#include "check.h"
#include "csi_internal.h"

static double plain_power(const float *samples, size_t k) {
    double real = 0, imaginary = 0;
    for (size_t i = 0; i < EF_CSI_SAMPLES; i++) {
        const size_t turn = i * k % EF_CSI_SAMPLES;
        real += samples[i] * ef_csi_sine_of(turn + EF_CSI_SAMPLES / 4u);
        imaginary -= samples[i] * ef_csi_sine_of(turn);
    }
    return real * real + imaginary * imaginary;
}

static void test_sines(void) {
    CHECK(ef_csi_sine_of(0) == 0.0f && ef_csi_sine_of(64) == 1.0f && ef_csi_sine_of(192) == -1.0f);
    for (size_t turn = 0; turn <= 64; turn++) {
        const float away = ef_csi_sine_of(turn) - ef_csi_sin(2.0f * EF_CSI_PI * (float)turn / EF_CSI_SAMPLES);
        CHECK(away < 2e-5f && away > -2e-5f);
        CHECK(ef_csi_sine_of(128 - turn) == ef_csi_sine_of(turn) && ef_csi_sine_of(128 + turn) == -ef_csi_sine_of(turn));
    }
}

static void test_lines_are_those_of_the_plain_transform(void) {
    float samples[EF_CSI_SAMPLES], spectrum[EF_CSI_SAMPLES];
    uint32_t random = 7;
    for (size_t i = 0; i < EF_CSI_SAMPLES; i++) {
        const float noise = (float)(next_random(&random) & 0xffff) / 65536.0f - 0.5f;
        samples[i] = spectrum[i] = noise + 3.0f * ef_csi_sine_of(9 * i + 11) + ef_csi_sine_of(70 * i);
    }
    for (size_t stage = 0; stage < EF_CSI_STAGES; stage++) {
        ef_csi_fourier_stage(spectrum, stage);
    }
    for (size_t k = 1; k < EF_CSI_SAMPLES / 2u; k++) {
        const ef_csi_line line = ef_csi_fourier_line(spectrum, k);
        const double power = line.real * line.real + line.imaginary * line.imaginary, away = power - plain_power(samples, k);
        CHECK(away < 1e-3 * (1 + power) && away > -1e-3 * (1 + power));
        CHECK((power > 10000) == (k == 9 || k == 70));
    }
}

int main(void) {
    test_sines();
    test_lines_are_those_of_the_plain_transform();
    return finish("csi fourier");
}
