/* Rates from zero crossings of a band-pass on the slow grid, whose rate is known: the requirement's estimator. */
#include "csi_internal.h"

#define LEAST_CROSSINGS 3u
#define LONGEST 120.0f /* ticks without a crossing: nothing breathes */

static float tangent(float angle) {
    return ef_csi_sin(angle) / ef_csi_sin(0.5f * EF_CSI_PI - angle);
}

/* The bilinear transform, with both edges at -3 dB. */
void ef_csi_band_pass(float low, float high, float *b0, float *a1, float *a2) {
    const float below = tangent(low * EF_CSI_PI / EF_CSI_TICK_RATE), above = tangent(high * EF_CSI_PI / EF_CSI_TICK_RATE);
    const float width = above - below, square = above * below, norm = 1.0f / (1.0f + width + square);
    *b0 = width * norm;
    *a1 = 2.0f * (square - 1.0f) * norm;
    *a2 = (1.0f - width + square) * norm;
}

void ef_csi_crossing_init(ef_csi_crossing *crossing, float low, float high) {
    *crossing = (ef_csi_crossing){0};
    ef_csi_band_pass(low, high, &crossing->b0, &crossing->a1, &crossing->a2);
}

void ef_csi_crossing_push(ef_csi_crossing *crossing, float x) {
    const float y = crossing->b0 * (x - crossing->x2) - crossing->a1 * crossing->y1 - crossing->a2 * crossing->y2;
    crossing->x2 = crossing->x1;
    crossing->x1 = x;
    crossing->since += 1.0f;
    if (crossing->since > LONGEST) {
        crossing->crossings = 0;
        crossing->since = 0.0f;
    }
    if (crossing->y1 <= 0.0f && y > 0.0f) {
        const float late = y / (y - crossing->y1), span = crossing->since - late;
        const float share = crossing->crossings < 2 ? 1.0f : 0.25f;
        crossing->mean += crossing->crossings == 0 ? 0.0f : share * (span - crossing->mean);
        crossing->crossings = (uint16_t)(crossing->crossings < UINT16_MAX ? crossing->crossings + 1u : UINT16_MAX);
        crossing->since = late;
    }
    crossing->y2 = crossing->y1;
    crossing->y1 = y;
}

static void begin(ef_csi_crossing *crossing, float low, float high, float x) {
    ef_csi_crossing_init(crossing, low, high);
    crossing->x1 = crossing->x2 = x;
}

/* Follows the mode with most part in the clearest breath. */
void ef_csi_crossing_tick(ef_csi *csi, const float *modes) {
    const float *part = csi->best;
    uint8_t best = csi->leader;
    for (uint8_t m = 0; m < EF_CSI_MODES; m++) {
        best = part[m] * part[m] > 2.0f * part[best] * part[best] ? m : best;
    }
    if (best != csi->leader || csi->filled == 1) {
        csi->leader = best;
        begin(&csi->crossing_breathing, csi->options.breathing_low_hz, csi->options.breathing_high_hz, modes[best]);
        begin(&csi->crossing_heart, csi->options.heart_low_hz, csi->options.heart_high_hz, modes[best]);
    }
    ef_csi_crossing_push(&csi->crossing_breathing, modes[best]);
    ef_csi_crossing_push(&csi->crossing_heart, modes[best]);
}

float ef_csi_crossing_bpm(const ef_csi_crossing *crossing) {
    const bool known = crossing->crossings > LEAST_CROSSINGS && crossing->mean > 0.0f;
    return known ? 60.0f * EF_CSI_TICK_RATE / crossing->mean : 0.0f;
}
