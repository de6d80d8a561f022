/* From spectra to rates: a peak must stand out of its own band and of the noise above it, and again in the next cycle. */
#include <string.h>

#include "csi_internal.h"

#define LEAST_RATIO 25.0f  /* 14 dB: what noise reaches once in ten thousand windows */
#define SURE_RATIO 100.0f  /* 20 dB: believed sooner */
#define LATER_RATIO 2.0f   /* a part with less variance must be that much clearer */
#define EDGE_LOW 0.008f    /* Hz beyond the band */
#define LEAST_HALF 0.1f    /* of the power in one half of the window is in the other: a rhythm goes on, a door does not */
#define EDGE_HIGH 0.05f
#define VALLEY 4.0f
#define AGREEMENT_BPM 1.5f
#define LEAST_HEART_RATIO 20.0f
#define HEART_AGREEMENT_BPM 4.0f
#define HEART_CYCLES 4
#define HARMONIC_HZ 0.05f
#define SUBHARMONIC 0.1f   /* of the peak's power at half its frequency: that is the breath, the peak its harmonic */

/* The place of the top of a parabola through a peak and its neighbours; roots make the peak of a window one. */
float ef_csi_refined(const float *power, size_t at) {
    float root[3];
    for (size_t i = 0; i < 3; i++) {
        root[i] = ef_csi_sqrt(ef_csi_sqrt(power[at - 1 + i]));
    }
    const float curve = root[0] - 2.0f * root[1] + root[2];
    return (float)at + (curve < 0.0f ? ef_csi_clip(0.5f * (root[0] - root[2]) / curve, -0.5f, 0.5f) : 0.0f);
}

static float median_of(const float *values, size_t count) {
    float copy[EF_CSI_BANDS];
    memcpy(copy, values, count * sizeof copy[0]);
    return ef_csi_median(copy, count);
}

static void settle(ef_csi_rate *rate, float bpm, float ratio, float within, uint8_t needed, uint64_t now) {
    const float away = bpm - rate->candidate;
    rate->agreed = (uint8_t)(away < within && away > -within && rate->agreed < 250 ? rate->agreed + 1u : 1u);
    rate->candidate = bpm;
    rate->bpm = rate->agreed >= needed ? bpm : 0.0f;
    rate->ratio = ratio;
    rate->time_us = now;
}

static size_t peak_of(const float *power) {
    size_t most = 0;
    for (size_t i = 1; i < EF_CSI_BANDS; i++) {
        most = power[i] > power[most] ? i : most;
    }
    return most;
}

/* Breath of two strokes per turn of the phase shows twice its rate: the half of it is then a peak of its own. */
static size_t fundamental(const float *power, size_t peak, float first, float step) {
    const float half = (0.5f * (first + step * (float)peak) - first) / step;
    const size_t at = half < 1.0f ? 0 : (size_t)(half + 0.5f);
    if (at < 2 || at + 2 >= peak) {
        return peak;
    }
    size_t best = at - 1;
    for (size_t i = at; i <= at + 1; i++) {
        best = power[i] > power[best] ? i : best;
    }
    const bool stands = power[best] > power[best - 1] && power[best] > power[best + 1];
    return stands && power[best] > SUBHARMONIC * power[peak] ? best : peak;
}

/* Drift rises towards zero; a rhythm has a valley below it. */
static bool has_valley(const float *power, size_t peak) {
    float least = power[peak];
    for (size_t i = 0; i < peak; i++) {
        least = power[i] < least ? power[i] : least;
    }
    return power[peak] > VALLEY * least;
}

static bool goes_on(const ef_csi *csi, float frequency) {
    const float radians = 4.0f * EF_CSI_PI / EF_CSI_TICK_RATE * frequency;
    const size_t half = csi->span / 2u;
    const float early = ef_csi_power_at(csi->scratch, half, radians);
    const float late = ef_csi_power_at(csi->scratch + csi->span - half, half, radians);
    return early > LEAST_HALF * late && late > LEAST_HALF * early;
}

static bool is_within(const ef_csi *csi, float frequency) {
    return frequency > csi->options.breathing_low_hz - EDGE_LOW && frequency < csi->options.breathing_high_hz + EDGE_HIGH;
}

void ef_csi_part_end(ef_csi *csi, size_t part) {
    const float *power = csi->own.power;
    const float middle = median_of(power, EF_CSI_BANDS), above = median_of(csi->own.floors, EF_CSI_FLOORS);
    const float floor = middle > above ? middle : above;
    const float first = ef_csi_breathing_frequency(csi, 0), step = ef_csi_breathing_frequency(csi, 1) - first;
    size_t at = peak_of(power);
    csi->found_ratio[part] = csi->found_hz[part] = 0.0f;
    if (at == 0 || at + 1 == EF_CSI_BANDS || !(floor > 0.0f)) {
        return;
    }
    ef_csi_peaks_add(csi, floor);
    const float ratio = power[at] / floor;
    at = fundamental(power, at, first, step);
    const float frequency = first + step * ef_csi_refined(power, at);
    if (is_within(csi, frequency) && has_valley(power, at) && goes_on(csi, frequency)) {
        csi->found_hz[part] = frequency;
        csi->found_ratio[part] = ratio;
    }
}

void ef_csi_breathing_end(ef_csi *csi) {
    csi->best = 0;
    for (uint8_t part = 1; part < EF_CSI_PARTS; part++) {
        csi->best = csi->found_ratio[part] > LATER_RATIO * csi->found_ratio[csi->best] ? part : csi->best;
    }
    const float ratio = csi->found_ratio[csi->best];
    if (ratio < (csi->best == 0 ? 1.0f : LATER_RATIO) * LEAST_RATIO) {
        csi->breathing = (ef_csi_rate){0};
        return;
    }
    const uint8_t needed = ratio > SURE_RATIO ? 2 : 4;
    settle(&csi->breathing, 60.0f * csi->found_hz[csi->best], ratio, AGREEMENT_BPM, needed, csi->time_us);
}

static bool is_harmonic(const ef_csi *csi, float frequency) {
    const float breath = csi->breathing.candidate / 60.0f;
    if (!(breath > 0.0f)) {
        return false;
    }
    const float times = frequency / breath, nearest = (float)(int32_t)(times + 0.5f);
    const float away = (times - nearest) * breath;
    return nearest <= 8.0f && away < HARMONIC_HZ && away > -HARMONIC_HZ;
}

/* The strongest peak that may be no harmonic of the breath; 0: none. */
static size_t beat_of(const ef_csi *csi) {
    const float *power = csi->own.power;
    size_t best = 0;
    for (size_t i = 1; i + 1 < EF_CSI_BANDS; i++) {
        const bool top = power[i] > power[i - 1] && power[i] >= power[i + 1];
        if (top && !is_harmonic(csi, ef_csi_heart_frequency(csi, (float)i)) && (best == 0 || power[i] > power[best])) {
            best = i;
        }
    }
    return best;
}

/* Only of somebody who is still and whose breath is known. */
void ef_csi_heart_end(ef_csi *csi) {
    const float *power = csi->own.power;
    const size_t at = beat_of(csi);
    const float frequency = at == 0 ? 0.0f : ef_csi_heart_frequency(csi, ef_csi_refined(power, at));
    const float middle = median_of(power, EF_CSI_BANDS), ratio = middle > 0.0f ? power[at] / middle : 0.0f;
    const bool inside = frequency >= csi->options.heart_low_hz && frequency <= csi->options.heart_high_hz;
    if (!inside || ratio < LEAST_HEART_RATIO || !(csi->breathing.bpm > 0.0f)) {
        csi->heart = (ef_csi_rate){0};
        return;
    }
    settle(&csi->heart, 60.0f * frequency, ratio, HEART_AGREEMENT_BPM, HEART_CYCLES, csi->time_us);
}
