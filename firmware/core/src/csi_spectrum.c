/*
 * Spectra of what the groups do together, over at most 64 s for breathing and 32 s for the heart. A cycle makes one of each
 * mode, looks at what they say of breathing, and then at the heart, in small steps with each frame, so that no frame costs
 * much more than another.
 */
#include <string.h>

#include "csi_internal.h"

#define LEAST_SAMPLES 48u  /* 12 s at 4 Hz */
#define MOST_SAMPLES 244u  /* the ring moves on while they are gathered */
#define FLOORS 23u         /* places of the band above breathing that give its noise, three lines each */
#define FLOOR_FROM 48u     /* 0.75 Hz */
#define FLOOR_TO 118u      /* 1.85 Hz */
#define FLOOR_SHARE 0.8f   /* what the median of three lines of white noise is of their mean */
#define LEAST_FLOOR 0.3f   /* what rounding to the ring amounts to */
#define PREPARE EF_CSI_SLICES /* steps of a spectrum: slices to gather, one to prepare, stages, one to take lines from it */
#define TAKE (PREPARE + 1u + EF_CSI_STAGES)
#define BREATHING_JOBS EF_CSI_MODES
#define GRANTED 8u         /* steps per tick, so that a cycle takes 1.5 s, and with the heart 3 s */

static size_t first_of(float hz, float step) {
    const size_t first = (size_t)(hz / step);
    return first < 1 ? 1 : first;
}

static size_t bands_of(size_t first, float hz, float step, size_t most) {
    const size_t bands = (size_t)(hz / step) + 1u - first;
    return bands < most ? bands : most;
}

/* Wider than the band that is reported, so that its edge is a place like any other. */
size_t ef_csi_breathing_first(const ef_csi *csi) {
    return first_of(0.55f * csi->options.breathing_low_hz, EF_CSI_BREATH_STEP);
}

size_t ef_csi_breathing_bands(const ef_csi *csi) {
    return bands_of(ef_csi_breathing_first(csi), 1.4f * csi->options.breathing_high_hz, EF_CSI_BREATH_STEP, EF_CSI_BANDS);
}

size_t ef_csi_heart_first(const ef_csi *csi) {
    return first_of(0.9f * csi->options.heart_low_hz, EF_CSI_HEART_STEP);
}

size_t ef_csi_heart_bands(const ef_csi *csi) {
    return bands_of(ef_csi_heart_first(csi), 1.1f * csi->options.heart_high_hz, EF_CSI_HEART_STEP, EF_CSI_TOTALS);
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

void ef_csi_straighten(float *samples, size_t count) {
    const float middle = 0.5f * (float)(count - 1);
    float sum = 0.0f, moment = 0.0f;
    for (size_t i = 0; i < count; i++) {
        sum += samples[i];
        moment += samples[i] * ((float)i - middle);
    }
    const float n = (float)count, slope = 12.0f * moment / (n * (n * n - 1.0f));
    float line = sum / n - slope * middle;
    for (size_t i = 0; i < count; i++, line += slope) {
        samples[i] -= line;
    }
}

static float cosine(float x) {
    return ef_csi_sin(0.5f * EF_CSI_PI - x);
}

/* By a pointer that turns. */
void ef_csi_window(float *samples, size_t count) {
    const float turn = EF_CSI_PI / (float)count, scale = 0.8165f / ef_csi_sqrt((float)count);
    const float c = cosine(2.0f * turn), s = ef_csi_sin(2.0f * turn);
    float x = cosine(turn), y = ef_csi_sin(turn);
    for (size_t i = 0; i < count; i++) {
        samples[i] *= scale * (1.0f - x);
        const float next = x * c - y * s;
        y = x * s + y * c;
        x = next;
    }
}

static float worth_at(const ef_csi *csi, size_t sample, size_t fold) {
    const size_t at = csi->from + sample * fold;
    uint32_t sum = 0;
    for (size_t k = 0; k < fold; k++) {
        sum += csi->worth[(at + k) % EF_CSI_TICKS];
    }
    return (float)sum;
}

/* Weighs each sample by what it is worth, its distance from the weighted mean. */
static void apply_worth(ef_csi *csi, size_t fold) {
    float sum = 0.0f, moment = 0.0f;
    for (size_t i = 0; i < csi->span; i++) {
        const float worth = worth_at(csi, i, fold);
        sum += worth;
        moment += worth * csi->buffer[i];
    }
    if (!(sum > 0.0f)) {
        return;
    }
    const float mean = moment / sum, scale = (float)csi->span / sum;
    for (size_t i = 0; i < csi->span; i++) {
        csi->buffer[i] = (csi->buffer[i] - mean) * worth_at(csi, i, fold) * scale;
    }
}

/* One slice of the sum of modes, each by its factor; a sample is `fold` ticks. */
void ef_csi_gather(ef_csi *csi, const float *factor, size_t fold, size_t slice) {
    const size_t first = slice * csi->span / EF_CSI_SLICES, end = (slice + 1u) * csi->span / EF_CSI_SLICES;
    size_t at = (csi->from + first * fold) % EF_CSI_TICKS;
    for (size_t i = first; i < end; i++) {
        float sum = 0.0f;
        for (size_t k = 0; k < fold; k++) {
            for (size_t m = 0; m < EF_CSI_MODES; m++) {
                sum += factor[m] * (float)csi->ring[at][m];
            }
            at = at + 1u == EF_CSI_TICKS ? 0 : at + 1u;
        }
        csi->buffer[i] = sum;
    }
}

static void gather_mode(ef_csi *csi, size_t mode, size_t fold, size_t slice) {
    const size_t first = slice * csi->span / EF_CSI_SLICES, end = (slice + 1u) * csi->span / EF_CSI_SLICES;
    size_t at = (csi->from + first * fold) % EF_CSI_TICKS;
    for (size_t i = first; i < end; i++) {
        int32_t sum = csi->ring[at][mode];
        at = at + 1u == EF_CSI_TICKS ? 0 : at + 1u;
        if (fold == 2) {
            sum += csi->ring[at][mode];
            at = at + 1u == EF_CSI_TICKS ? 0 : at + 1u;
        }
        csi->buffer[i] = (float)sum;
    }
}

static void prepare(ef_csi *csi, size_t fold) {
    ef_csi_straighten(csi->buffer, csi->span);
    apply_worth(csi, fold);
    ef_csi_window(csi->buffer, csi->span);
    memset(csi->buffer + csi->span, 0, (EF_CSI_SAMPLES - csi->span) * sizeof csi->buffer[0]);
}

static float power_of(ef_csi_line line) {
    return line.real * line.real + line.imaginary * line.imaginary;
}

/* The noise of a line, by the median over a band of three lines each. */
static float floor_of(const float *spectrum, size_t from, size_t to) {
    float powers[FLOORS];
    for (size_t i = 0; i < FLOORS; i++) {
        const size_t k = from + i * (to - from) / FLOORS;
        powers[i] = 0.0f;
        for (size_t near = k; near < k + 3u; near++) {
            powers[i] += power_of(ef_csi_fourier_line(spectrum, near));
        }
    }
    return ef_csi_median(powers, FLOORS) / (3.0f * FLOOR_SHARE) + LEAST_FLOOR;
}

static void take_breathing(ef_csi *csi, size_t mode) {
    const size_t first = ef_csi_breathing_first(csi), bands = ef_csi_breathing_bands(csi);
    const size_t from = first + bands < FLOOR_FROM ? FLOOR_FROM : first + bands;
    const float weight = 1.0f / ef_csi_sqrt(floor_of(csi->buffer, from, FLOOR_TO));
    csi->weight[mode] = weight;
    for (size_t i = 0; i < bands; i++) {
        const ef_csi_line line = ef_csi_fourier_line(csi->buffer, first + i);
        csi->line[mode][i] = (ef_csi_line){weight * line.real, weight * line.imaginary};
    }
}

static void take_heart(ef_csi *csi, size_t mode) {
    const size_t first = ef_csi_heart_first(csi), bands = ef_csi_heart_bands(csi);
    const float weight = 1.0f / floor_of(csi->buffer, first, EF_CSI_SAMPLES / 2u - 4u);
    for (size_t i = 0; i < bands; i++) {
        const float own = weight * power_of(ef_csi_fourier_line(csi->buffer, first + i));
        csi->total[i] = mode == 0 ? own : csi->total[i] + own;
    }
}

static bool is_heart(const ef_csi *csi) {
    return csi->job > BREATHING_JOBS;
}

static void begin(ef_csi *csi, size_t fold) {
    const size_t quiet = (csi->still < csi->filled ? csi->still : csi->filled) / fold;
    csi->span = (uint16_t)(quiet > MOST_SAMPLES ? MOST_SAMPLES : quiet < LEAST_SAMPLES ? 0 : quiet);
    csi->from = (uint16_t)((csi->head + EF_CSI_TICKS - fold * csi->span) % EF_CSI_TICKS);
}

static void forget_rates(ef_csi *csi) {
    csi->job = csi->step = csi->granted = 0;
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->apnea = (ef_csi_apnea){0};
    csi->seen = csi->persons = csi->told = csi->cycles = 0;
}

/* A step of a mode's spectrum; true with the last. */
static bool spectrum_step(ef_csi *csi, size_t mode, size_t step) {
    if (step < PREPARE) {
        gather_mode(csi, mode, is_heart(csi) ? 1 : 2, step);
    } else if (step == PREPARE) {
        prepare(csi, is_heart(csi) ? 1 : 2);
    } else if (step < TAKE) {
        ef_csi_fourier_stage(csi->buffer, step - PREPARE - 1u);
    } else if (is_heart(csi)) {
        take_heart(csi, mode);
    } else {
        take_breathing(csi, mode);
    }
    return step == TAKE;
}

static void next_job(ef_csi *csi) {
    csi->step = 0;
    csi->job++;
    if (csi->job == BREATHING_JOBS + 1u) {
        begin(csi, 1);
        csi->job = csi->breathing.bpm > 0.0f ? csi->job : 0;
    } else if (csi->job > BREATHING_JOBS + EF_CSI_MODES) {
        ef_csi_heart_end(csi);
        csi->job = 0;
    }
}

static void do_step(ef_csi *csi) {
    const size_t step = csi->step++;
    const size_t mode = is_heart(csi) ? csi->job - BREATHING_JOBS - 1u : csi->job;
    if (csi->job == BREATHING_JOBS ? ef_csi_lines_step(csi, step) : spectrum_step(csi, mode, step)) {
        next_job(csi);
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
            begin(csi, 2);
        }
        if (csi->span == 0) {
            forget_rates(csi);
            return;
        }
        csi->granted--;
        do_step(csi);
    }
}
