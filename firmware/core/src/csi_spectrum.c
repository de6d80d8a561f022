/*
 * Rates from spectra of all groups together. A cycle of 32 ticks computes one group's spectrum per tick: breathing over at most
 * 48 s at 4 Hz, the heart over 24 s at 8 Hz.
 */
#include <string.h>

#include "csi_internal.h"

#define LEAST_SAMPLES 120u /* 30 s at 4 Hz */
#define HEART_SAMPLES 192u
#define FLOOR_LOW 0.8f /* Hz: above breathing */
#define FLOOR_STEP 0.13f

static float band_frequency(float low, float high, float band) {
    return low + (high - low) * band / (EF_CSI_BANDS - 1u);
}

/* Wider than the band that is reported, so that its edge is a place like any other. */
float ef_csi_breathing_frequency(const ef_csi *csi, float band) {
    const float low = csi->options.breathing_low_hz, high = csi->options.breathing_high_hz;
    return band_frequency(0.65f * low, 1.4f * high, band);
}

float ef_csi_heart_frequency(const ef_csi *csi, float band) {
    const float low = csi->options.heart_low_hz, high = csi->options.heart_high_hz;
    return band_frequency(0.9f * low, 1.1f * high, band);
}

/* Goertzel in the form that keeps its precision at low frequencies. */
static float power_at(const float *samples, size_t count, float radians) {
    const float sine = ef_csi_sin(0.5f * radians), turn = -4.0f * sine * sine;
    float sum = 0.0f, step = 0.0f, before = 0.0f;
    for (size_t i = 0; i < count; i++) {
        before = sum;
        step += samples[i] + turn * sum;
        sum += step;
    }
    return step * step - turn * sum * before;
}

/* Takes away the line through the samples and applies Hann's window, scaled to its energy. */
static void prepare(float *samples, size_t count) {
    const float middle = 0.5f * (float)(count - 1), scale = 1.633f / ef_csi_sqrt((float)count);
    float sum = 0.0f, moment = 0.0f, spread = 0.0f;
    for (size_t i = 0; i < count; i++) {
        const float away = (float)i - middle;
        sum += samples[i];
        moment += samples[i] * away;
        spread += away * away;
    }
    const float mean = sum / (float)count, slope = moment / spread;
    for (size_t i = 0; i < count; i++) {
        const float place = ((float)i + 0.5f) / (float)count;
        const float root = ef_csi_sin(EF_CSI_PI * (place < 0.5f ? place : 1.0f - place));
        samples[i] = (samples[i] - mean - slope * ((float)i - middle)) * root * root * scale;
    }
}

/* The newest samples of a group, each of `fold` ticks, oldest first. */
static void fetch(ef_csi *csi, size_t group, size_t count, size_t fold) {
    size_t at = (csi->head + EF_CSI_TICKS - count * fold) % EF_CSI_TICKS;
    for (size_t i = 0; i < count; i++) {
        float sum = 0.0f;
        for (size_t j = 0; j < fold; j++) {
            sum += (float)csi->ring[group][at];
            at = (at + 1u) % EF_CSI_TICKS;
        }
        csi->scratch[i] = sum / (float)fold;
    }
    prepare(csi->scratch, count);
}

static void add_breathing(ef_csi *csi, size_t group) {
    const float radians = 2.0f * EF_CSI_PI * 2.0f / EF_CSI_TICK_RATE;
    float own[EF_CSI_BANDS], floors[EF_CSI_FLOORS];
    fetch(csi, group, csi->span, 2);
    csi->peak[group] = 0;
    for (uint8_t i = 0; i < EF_CSI_BANDS; i++) {
        own[i] = power_at(csi->scratch, csi->span, radians * ef_csi_breathing_frequency(csi, i));
        csi->breathing_sum.power[i] += own[i];
        csi->peak[group] = own[i] > own[csi->peak[group]] ? i : csi->peak[group];
    }
    for (size_t i = 0; i < EF_CSI_FLOORS; i++) {
        floors[i] = power_at(csi->scratch, csi->span, radians * (FLOOR_LOW + FLOOR_STEP * (float)i));
        csi->breathing_sum.floors[i] += floors[i];
    }
    const float most = own[csi->peak[group]], floor = ef_csi_median(floors, EF_CSI_FLOORS);
    const float middle = ef_csi_median(own, EF_CSI_BANDS), least = middle > floor ? middle : floor;
    csi->clear[group] = least > 0.0f ? most / least : 0.0f;
}

static void add_heart(ef_csi *csi, size_t group) {
    const float radians = 2.0f * EF_CSI_PI / EF_CSI_TICK_RATE;
    fetch(csi, group, HEART_SAMPLES, 1);
    for (size_t i = 0; i < EF_CSI_BANDS; i++) {
        csi->heart_sum.power[i] += power_at(csi->scratch, HEART_SAMPLES, radians * ef_csi_heart_frequency(csi, (float)i));
    }
}

static void begin(ef_csi *csi) {
    const uint16_t quiet = (uint16_t)((csi->still < csi->filled ? csi->still : csi->filled) / 2u);
    csi->span = quiet > EF_CSI_SAMPLES ? EF_CSI_SAMPLES : quiet < LEAST_SAMPLES ? 0 : quiet;
    csi->breathing_sum = csi->heart_sum = (ef_csi_spectrum){0};
}

static void forget_rates(ef_csi *csi) {
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->persons = 0;
}

void ef_csi_cycle(ef_csi *csi) {
    if (csi->motion || csi->options.tier < 2) {
        csi->job = 0;
        forget_rates(csi);
        return;
    }
    if (csi->job == 0) {
        begin(csi);
    }
    if (csi->span == 0) {
        forget_rates(csi);
        return;
    }
    if (csi->job % 2u == 0) {
        add_breathing(csi, csi->job / 2u);
    } else {
        add_heart(csi, csi->job / 2u);
    }
    if (++csi->job == 2u * EF_CSI_GROUPS) {
        csi->job = 0;
        ef_csi_breathing_end(csi);
        ef_csi_heart_end(csi);
        ef_csi_persons_end(csi);
    }
}
