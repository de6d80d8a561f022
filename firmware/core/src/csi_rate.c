/* From lines to rates: what stands out must do so again in the next cycles. */
#include <string.h>

#include "csi_internal.h"

#define LEAST_SPAN 120u    /* samples: 30 s, before a rate is told */
#define LEAST_RATIO 24.0f  /* 14 dB: somebody is there earlier than the rate is sure */
#define SURE_RATIO 100.0f  /* 20 dB: believed sooner */
#define AGREEMENT_BPM 1.5f
#define LEAST_HEART 113.0f /* 13 dB above the rest of its band */
#define LEAST_OF_BREATH 0.01f /* of its power; what an uneven breath leaves at several times its rate is less */
#define VALLEY 10.0f
#define SWAY_HZ 0.95f /* bodies sway as fast: below, nothing is a heart */
#define HEART_AGREEMENT_BPM 4.0f
#define HEART_CYCLES 4
#define HARMONIC_HZ 0.05f
#define HARMONICS 16.0f

/* The place of the top of a parabola through a peak and its neighbours; roots make the peak of a window one. */
float ef_csi_refined(const float *power, size_t at) {
    float root[3];
    for (size_t i = 0; i < 3; i++) {
        root[i] = ef_csi_sqrt(ef_csi_sqrt(power[at - 1 + i]));
    }
    const float curve = root[0] - 2.0f * root[1] + root[2];
    return (float)at + (curve < 0.0f ? ef_csi_clip(0.5f * (root[0] - root[2]) / curve, -0.5f, 0.5f) : 0.0f);
}

float ef_csi_median_of(const float *values, size_t count) {
    float copy[EF_CSI_TOTALS];
    memcpy(copy, values, count * sizeof copy[0]);
    return ef_csi_median(copy, count);
}

static void settle(ef_csi_rate *rate, float bpm, float ratio, float within, uint8_t needed, uint64_t now) {
    const float away = bpm - rate->candidate;
    rate->agreed = (uint8_t)(away < within && away > -within ? (rate->agreed < 250 ? rate->agreed + 1u : 250u) : 1u);
    rate->candidate = bpm;
    rate->bpm = rate->agreed >= needed ? bpm : 0.0f;
    rate->ratio = ratio;
    rate->time_us = now;
}

void ef_csi_breathing_none(ef_csi *csi) {
    csi->breathing = (ef_csi_rate){0};
    csi->seen = 0;
}

void ef_csi_breathing_end(ef_csi *csi, ef_csi_peak peak) {
    csi->seen = (uint8_t)(csi->seen < 250 ? csi->seen + 1u : 250u);
    csi->clearness = peak.power;
    if (csi->span >= LEAST_SPAN && (csi->breathing.bpm > 0.0f || peak.power > LEAST_RATIO)) {
        settle(&csi->breathing, 60.0f * peak.hz, peak.power, AGREEMENT_BPM, peak.power > SURE_RATIO ? 2 : 4, csi->time_us);
    }
}

static float heart_hz(const ef_csi *csi, float band) {
    return EF_CSI_HEART_STEP * ((float)ef_csi_heart_first(csi) + band);
}

static bool is_harmonic(const ef_csi *csi, float frequency) {
    const float breath = csi->breathing.candidate / 60.0f;
    if (!(breath > 0.0f)) {
        return false;
    }
    const float times = frequency / breath, nearest = (float)(int32_t)(times + 0.5f);
    const float away = (times - nearest) * breath;
    return nearest <= HARMONICS && away < HARMONIC_HZ && away > -HARMONIC_HZ;
}

/* The strongest peak that may be no harmonic of the breath; 0: none. */
static size_t beat_of(const ef_csi *csi, size_t bands) {
    const float *power = csi->total;
    size_t best = 0;
    for (size_t i = 1; i + 1 < bands; i++) {
        const bool top = power[i] > power[i - 1] && power[i] >= power[i + 1];
        if (top && !is_harmonic(csi, heart_hz(csi, (float)i)) && (best == 0 || power[i] > power[best])) {
            best = i;
        }
    }
    return best;
}

/* The harmonics of a breath fall towards the heart's band: their shoulder has no valley below. */
static bool has_valley(const ef_csi *csi, size_t at) {
    float least = csi->total[at];
    for (size_t i = 0; i < at; i++) {
        least = csi->total[i] < least ? csi->total[i] : least;
    }
    return csi->total[at] > VALLEY * least;
}

/* Only of somebody who is still and whose breath is known. */
void ef_csi_heart_end(ef_csi *csi) {
    const size_t bands = ef_csi_heart_bands(csi), at = beat_of(csi, bands);
    const float hz = at == 0 ? 0.0f : heart_hz(csi, ef_csi_refined(csi->total, at));
    const float usual = ef_csi_median_of(csi->total, bands) / ((float)EF_CSI_MODES - 0.33f);
    const float power = csi->total[at] / (usual > 1.0f ? usual : 1.0f);
    const bool inside = hz >= csi->options.heart_low_hz && hz > SWAY_HZ && hz <= csi->options.heart_high_hz;
    const bool deep = power > LEAST_OF_BREATH * csi->breathing.ratio;
    if (!inside || !deep || !has_valley(csi, at) || power < LEAST_HEART || !(csi->breathing.bpm > 0.0f)) {
        csi->heart = (ef_csi_rate){0};
        return;
    }
    settle(&csi->heart, 60.0f * hz, power - (float)EF_CSI_MODES, HEART_AGREEMENT_BPM, HEART_CYCLES, csi->time_us);
}
