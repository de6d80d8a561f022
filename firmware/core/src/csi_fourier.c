/* The spectrum of 256 real samples, in place and a stage at a time, as 128 complex ones. */
#include "csi_internal.h"

#define HALF (EF_CSI_SAMPLES / 2u)
#define QUARTER (EF_CSI_SAMPLES / 4u)

static const float quarter[QUARTER + 1u] = {
    0.00000000f, 0.02454123f, 0.04906767f, 0.07356456f, 0.09801714f, 0.12241068f, 0.14673047f, 0.17096189f,
    0.19509032f, 0.21910124f, 0.24298018f, 0.26671276f, 0.29028468f, 0.31368174f, 0.33688985f, 0.35989504f,
    0.38268343f, 0.40524131f, 0.42755509f, 0.44961133f, 0.47139674f, 0.49289819f, 0.51410274f, 0.53499762f,
    0.55557023f, 0.57580819f, 0.59569930f, 0.61523159f, 0.63439328f, 0.65317284f, 0.67155895f, 0.68954054f,
    0.70710678f, 0.72424708f, 0.74095113f, 0.75720885f, 0.77301045f, 0.78834643f, 0.80320753f, 0.81758481f,
    0.83146961f, 0.84485357f, 0.85772861f, 0.87008699f, 0.88192126f, 0.89322430f, 0.90398929f, 0.91420976f,
    0.92387953f, 0.93299280f, 0.94154407f, 0.94952818f, 0.95694034f, 0.96377607f, 0.97003125f, 0.97570213f,
    0.98078528f, 0.98527764f, 0.98917651f, 0.99247953f, 0.99518473f, 0.99729046f, 0.99879546f, 0.99969882f,
    1.00000000f,
};

float ef_csi_sine_of(size_t turn) {
    const size_t within = turn % HALF;
    const float sine = quarter[within <= QUARTER ? within : HALF - within];
    return turn % EF_CSI_SAMPLES < HALF ? sine : -sine;
}

static void swap_pairs(float *z) {
    for (size_t i = 0, other = 0; i < HALF; i++) {
        for (size_t k = 0; i < other && k < 2; k++) {
            const float kept = z[2 * i + k];
            z[2 * i + k] = z[2 * other + k];
            z[2 * other + k] = kept;
        }
        size_t bit = HALF / 2u;
        for (; (other & bit) != 0; bit /= 2u) {
            other ^= bit;
        }
        other |= bit;
    }
}

void ef_csi_fourier_stage(float *z, size_t stage) {
    if (stage == 0) {
        swap_pairs(z);
        return;
    }
    const size_t half = (size_t)1 << (stage - 1u);
    for (size_t j = 0; j < half; j++) {
        const float real = ef_csi_sine_of(j * (HALF / half) + QUARTER), imaginary = -ef_csi_sine_of(j * (HALF / half));
        for (float *a = z + 2 * j, *b = a + 2 * half; b < z + 2 * HALF; a += 4 * half, b += 4 * half) {
            const float x = b[0] * real - b[1] * imaginary, y = b[0] * imaginary + b[1] * real;
            b[0] = a[0] - x;
            b[1] = a[1] - y;
            a[0] += x;
            a[1] += y;
        }
    }
}

ef_csi_line ef_csi_fourier_line(const float *z, size_t k) {
    const float *one = z + 2 * k, *other = z + 2 * (HALF - k);
    const float even[2] = {one[0] + other[0], one[1] - other[1]}, odd[2] = {one[1] + other[1], other[0] - one[0]};
    const float real = ef_csi_sine_of(k + QUARTER), imaginary = -ef_csi_sine_of(k);
    return (ef_csi_line){
        .real = 0.5f * (even[0] + odd[0] * real - odd[1] * imaginary),
        .imaginary = 0.5f * (even[1] + odd[0] * imaginary + odd[1] * real),
    };
}
