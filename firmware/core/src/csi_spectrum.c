/*
 * Spectra of what the groups do together: breathing over at most 46 s at 4 Hz, the heart over 23 s at 8 Hz. A cycle looks at
 * four parts and then at the heart in the clearest of them, in small steps with each frame, so that no frame costs much more
 * than another.
 */
#include <string.h>

#include "csi_internal.h"

#define LEAST_SAMPLES 120u /* 30 s at 4 Hz */
#define FLOOR_LOW 0.8f     /* Hz: above breathing */
#define FLOOR_STEP 0.14f
#define TURNS 8u           /* steps of a job: turns of the direction, slices to gather, one to prepare, frequencies */
#define SLICES 16u
#define GATHERED (TURNS + SLICES)
#define PREPARED (GATHERED + 1u)
#define GRANTED 24u        /* steps per tick, so that a cycle takes 2 s */

static float band_frequency(float low, float high, float band) {
    return low + (high - low) * band / (EF_CSI_BANDS - 1u);
}

/* Wider than the band that is reported, so that its edge is a place like any other. */
float ef_csi_breathing_frequency(const ef_csi *csi, float band) {
    const float low = csi->options.breathing_low_hz, high = csi->options.breathing_high_hz;
    return band_frequency(0.55f * low, 1.4f * high, band);
}

float ef_csi_heart_frequency(const ef_csi *csi, float band) {
    const float low = csi->options.heart_low_hz, high = csi->options.heart_high_hz;
    return band_frequency(0.9f * low, 1.1f * high, band);
}

/* Goertzel in the form that keeps its precision at low frequencies. */
float ef_csi_power_at(const float *samples, size_t count, float radians) {
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

/* What the groups do together at some of the samples, each of `fold` ticks. */
static void gather(ef_csi *csi, const float *direction, size_t slice, size_t fold) {
    float factor[EF_CSI_GROUPS];
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        factor[g] = direction[g] * csi->weight[g] / (float)fold;
    }
    const size_t ticks = csi->span * fold, first = slice * csi->span / SLICES, end = (slice + 1u) * csi->span / SLICES;
    size_t at = (csi->from + 2u * csi->span - ticks + first * fold) % EF_CSI_TICKS;
    for (size_t i = first; i < end; i++) {
        const int16_t *tick = csi->ring[at];
        at = at + 1u == EF_CSI_TICKS ? 0 : at + 1u;
        const int16_t *next = csi->ring[at];
        float sum = 0.0f;
        if (fold == 2) {
            at = at + 1u == EF_CSI_TICKS ? 0 : at + 1u;
            for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
                sum += factor[g] * (float)(tick[g] + next[g]);
            }
        } else {
            for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
                sum += factor[g] * (float)tick[g];
            }
        }
        csi->scratch[i] = sum;
    }
}

static bool is_heart(const ef_csi *csi) {
    return csi->job == EF_CSI_PARTS;
}

static void compute(ef_csi *csi, size_t band) {
    const float turn = 2.0f * EF_CSI_PI / EF_CSI_TICK_RATE;
    if (is_heart(csi)) {
        csi->own.power[band] = ef_csi_power_at(csi->scratch, csi->span, turn * ef_csi_heart_frequency(csi, (float)band));
    } else if (band < EF_CSI_BANDS) {
        const float radians = 2.0f * turn * ef_csi_breathing_frequency(csi, (float)band);
        csi->own.power[band] = ef_csi_power_at(csi->scratch, csi->span, radians);
    } else {
        const float radians = 2.0f * turn * (FLOOR_LOW + FLOOR_STEP * (float)(band - EF_CSI_BANDS));
        csi->own.floors[band - EF_CSI_BANDS] = ef_csi_power_at(csi->scratch, csi->span, radians);
    }
}

static void begin(ef_csi *csi) {
    const uint16_t quiet = (uint16_t)((csi->still < csi->filled ? csi->still : csi->filled) / 2u);
    csi->span = quiet > EF_CSI_SAMPLES ? EF_CSI_SAMPLES : quiet < LEAST_SAMPLES ? 0 : quiet;
    csi->from = (uint16_t)((csi->head + EF_CSI_TICKS - 2u * csi->span) % EF_CSI_TICKS);
    ef_csi_parts_begin(csi);
}

static void forget_rates(ef_csi *csi) {
    csi->job = csi->peak_count = 0;
    csi->step = csi->granted = 0;
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->persons = 0;
}

static void end_job(ef_csi *csi) {
    csi->step = 0;
    if (!is_heart(csi)) {
        ef_csi_part_end(csi, csi->job++);
        if (is_heart(csi)) {
            ef_csi_breathing_end(csi);
            ef_csi_persons_end(csi);
        }
        return;
    }
    ef_csi_heart_end(csi);
    csi->job = 0;
}

static void do_step(ef_csi *csi) {
    const size_t step = csi->step++, part = is_heart(csi) ? csi->best : csi->job, fold = is_heart(csi) ? 1 : 2;
    if (step < TURNS) {
        if (!is_heart(csi)) {
            ef_csi_parts_turn(csi, part);
        }
    } else if (step < GATHERED) {
        gather(csi, csi->direction[part], step - TURNS, fold);
    } else if (step < PREPARED) {
        prepare(csi->scratch, csi->span);
    } else {
        compute(csi, step - PREPARED);
        if (csi->step == PREPARED + EF_CSI_BANDS + (is_heart(csi) ? 0 : EF_CSI_FLOORS)) {
            end_job(csi);
        }
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
    const float part = ef_csi_clip(csi->interval / EF_CSI_TICK_S, 0.05f, 1.0f);
    for (uint16_t share = (uint16_t)(part * GRANTED) + 1u; share > 0 && csi->granted > 0; share--) {
        if (csi->job == 0 && csi->step == 0) {
            begin(csi);
        }
        if (csi->span == 0) {
            forget_rates(csi);
            return;
        }
        csi->granted--;
        do_step(csi);
    }
}
