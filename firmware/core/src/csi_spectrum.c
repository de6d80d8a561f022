/*
 * Rates from spectra of all groups together: breathing over at most 48 s at 4 Hz, the heart over 24 s at 8 Hz. A cycle computes
 * 32 of them, a few frequencies with each frame, so that no frame costs much more than another.
 */
#include <string.h>

#include "csi_internal.h"

#define LEAST_SAMPLES 120u /* 30 s at 4 Hz */
#define HEART_SAMPLES 192u
#define GRANTED 24u          /* frequencies per tick, so that a cycle takes 6 s */
#define SHARED_BANDS 26.0f   /* in a tick: a few more than are granted */
#define FLOOR_LOW 0.8f /* Hz: above breathing */
#define FLOOR_STEP 0.14f

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

static void add(ef_csi_spectrum *sum, const ef_csi_spectrum *own) {
    for (size_t i = 0; i < EF_CSI_BANDS; i++) {
        sum->power[i] += own->power[i];
    }
    for (size_t i = 0; i < EF_CSI_FLOORS; i++) {
        sum->floors[i] += own->floors[i];
    }
}

static void end_breathing(ef_csi *csi, size_t group) {
    ef_csi_spectrum *own = &csi->own;
    add(&csi->breathing_sum, own);
    uint8_t peak = 0;
    for (uint8_t i = 1; i < EF_CSI_BANDS; i++) {
        peak = own->power[i] > own->power[peak] ? i : peak;
    }
    const float most = own->power[peak], floor = ef_csi_median(own->floors, EF_CSI_FLOORS);
    const float middle = ef_csi_median(own->power, EF_CSI_BANDS), least = middle > floor ? middle : floor;
    csi->peak[group] = peak;
    csi->clear[group] = least > 0.0f ? most / least : 0.0f;
}

/* Even jobs are of breathing, odd ones of the heart, which has no floors. */
static uint8_t bands_of(const ef_csi *csi) {
    return csi->job % 2u == 0 ? EF_CSI_BANDS + EF_CSI_FLOORS : EF_CSI_BANDS;
}

static void compute(ef_csi *csi) {
    const float turn = 2.0f * EF_CSI_PI / EF_CSI_TICK_RATE;
    const uint8_t band = csi->band;
    if (csi->job % 2u == 1) {
        csi->own.power[band] = power_at(csi->scratch, HEART_SAMPLES, turn * ef_csi_heart_frequency(csi, band));
    } else if (band < EF_CSI_BANDS) {
        const float radians = 2.0f * turn * ef_csi_breathing_frequency(csi, band);
        csi->own.power[band] = power_at(csi->scratch, csi->span, radians);
    } else {
        const float radians = 2.0f * turn * (FLOOR_LOW + FLOOR_STEP * (float)(band - EF_CSI_BANDS));
        csi->own.floors[band - EF_CSI_BANDS] = power_at(csi->scratch, csi->span, radians);
    }
}

static void begin(ef_csi *csi) {
    const uint16_t quiet = (uint16_t)((csi->still < csi->filled ? csi->still : csi->filled) / 2u);
    csi->span = quiet > EF_CSI_SAMPLES ? EF_CSI_SAMPLES : quiet < LEAST_SAMPLES ? 0 : quiet;
    csi->breathing_sum = csi->heart_sum = csi->own = (ef_csi_spectrum){0};
}

static void forget_rates(ef_csi *csi) {
    csi->job = csi->band = csi->granted = 0;
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->persons = 0;
}

static void end_job(ef_csi *csi) {
    if (csi->job % 2u == 0) {
        end_breathing(csi, csi->job / 2u);
    } else {
        add(&csi->heart_sum, &csi->own);
    }
    csi->band = 0;
    if (++csi->job == 2u * EF_CSI_GROUPS) {
        csi->job = 0;
        ef_csi_breathing_end(csi);
        ef_csi_heart_end(csi);
        ef_csi_persons_end(csi);
    }
}

void ef_csi_cycle_tick(ef_csi *csi) {
    if (csi->motion || csi->options.tier < 2) {
        forget_rates(csi);
        return;
    }
    csi->granted = GRANTED;
}

void ef_csi_cycle_frame(ef_csi *csi) {
    uint16_t share = (uint16_t)(ef_csi_clip(csi->interval / EF_CSI_TICK_S, 0.05f, 1.0f) * SHARED_BANDS) + 1u;
    while (share-- > 0 && csi->granted > 0) {
        if (csi->job == 0 && csi->band == 0) {
            begin(csi);
        }
        if (csi->span == 0) {
            forget_rates(csi);
            return;
        }
        if (csi->band == 0) {
            fetch(csi, csi->job / 2u, csi->job % 2u == 0 ? csi->span : HEART_SAMPLES, csi->job % 2u == 0 ? 2 : 1);
        }
        compute(csi);
        csi->granted--;
        if (++csi->band == bands_of(csi)) {
            end_job(csi);
        }
    }
}
