/* The little mathematics that the channel state processor needs, without libm. */
#include "csi_internal.h"

float ef_csi_sin(float x) {
    const float s = x * x;
    return x * (1.0f + s * (-1.0f / 6 + s * (1.0f / 120 + s * (-1.0f / 5040 + s * (1.0f / 362880)))));
}

float ef_csi_atan2(float y, float x) {
    const float across = x < 0.0f ? -x : x, up = y < 0.0f ? -y : y;
    const float most = across > up ? across : up, least = across > up ? up : across;
    if (!(most > 0.0f)) {
        return 0.0f;
    }
    const float r = least / most, s = r * r;
    float angle = 0.99997726f + s * (-0.33262347f + s * (0.19354346f + s * (-0.11643287f + s * (0.05265332f - s * 0.01172120f))));
    angle *= r;
    if (up > across) {
        angle = 0.5f * EF_CSI_PI - angle;
    }
    if (x < 0.0f) {
        angle = EF_CSI_PI - angle;
    }
    return y < 0.0f ? -angle : angle;
}

float ef_csi_wrap(float phase) {
    if (phase > EF_CSI_PI) {
        return phase - 2.0f * EF_CSI_PI;
    }
    return phase < -EF_CSI_PI ? phase + 2.0f * EF_CSI_PI : phase;
}

void ef_csi_sort(float *values, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const float value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

float ef_csi_median(float *values, size_t count) {
    ef_csi_sort(values, count);
    return count == 0 ? 0.0f : values[count / 2];
}
