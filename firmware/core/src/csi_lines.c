/*
 * What breathes. A chest moves all modes at once, in step, each by its own factor: the power of all modes in units of their
 * noise shows a breath that no mode shows alone, and noise has a known chance to reach as far. The clearest breath has a
 * direction among the modes; without that direction, the next one can be seen, however near its rate.
 */
#include <string.h>

#include "csi_internal.h"

#define ROUNDS (EF_CSI_MODES - 1u)
#define EDGE_LOW 0.008f  /* Hz beyond the band */
#define EDGE_HIGH 0.03f
#define CLEAR 24.0f      /* power of six modes that noise reaches once in 400,000 lines */
#define KEPT 20.0f       /* once in 15,000: enough for the rate that was told before */
#define VALLEY 4.0f
#define LEAST_OF_MOST 0.01f /* of the clearest breath: nobody breathes as evenly as to leave less elsewhere */
#define SUBHARMONIC 0.1f /* of the peak's power at half its frequency: that is the breath, the peak its harmonic */
#define STRONG 100.0f    /* 20 dB: weaker ones count only where nothing else moved; a cat's leaps are no breath */
#define LEAST_TURNS 2.0f /* of a breath in the window */
#define NEAR_HZ 0.025f   /* of the rate before */
#define NEARLY 0.5f      /* of the clearest peak: then the rate before is preferred */
#define POWER_TURNS 10u

/* Once in 250 lines, by the modes that are left: the count of most of the cycles is what counts. */
static const float another[EF_CSI_MODES + 1u] = {0.0f, 5.5f, 7.7f, 9.5f, 11.3f, 12.9f, 14.5f};

static void add_up(ef_csi *csi, size_t bands) {
    memset(csi->total, 0, bands * sizeof csi->total[0]);
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        const ef_csi_line *line = csi->line[m];
        for (size_t i = 0; i < bands; i++) {
            csi->total[i] += line[i].real * line[i].real + line[i].imaginary * line[i].imaginary;
        }
    }
}

static float hz_of(const ef_csi *csi, float band) {
    return EF_CSI_BREATH_STEP * ((float)ef_csi_breathing_first(csi) + band);
}

static bool is_peak(const ef_csi *csi, size_t at) {
    const float *power = csi->total, hz = hz_of(csi, (float)at);
    const float low = csi->options.breathing_low_hz - EDGE_LOW - EF_CSI_BREATH_STEP;
    return power[at] > power[at - 1u] && power[at] >= power[at + 1u] && hz > low && hz < csi->options.breathing_high_hz + EDGE_HIGH;
}

static bool is_near(const ef_csi *csi, size_t at) {
    const float away = hz_of(csi, (float)at) - csi->breathing.candidate / 60.0f;
    return csi->breathing.candidate > 0.0f && away < NEAR_HZ && away > -NEAR_HZ;
}

/* The clearest peak; in the first round, the one that was told before if it is nearly as clear. 0: none. */
static size_t clearest(const ef_csi *csi, size_t bands) {
    size_t most = 0, near = 0;
    for (size_t i = 1; i + 1u < bands; i++) {
        if (!is_peak(csi, i)) {
            continue;
        }
        most = most == 0 || csi->total[i] > csi->total[most] ? i : most;
        near = is_near(csi, i) && (near == 0 || csi->total[i] > csi->total[near]) ? i : near;
    }
    return csi->round == 0 && near > 0 && csi->total[near] > NEARLY * csi->total[most] ? near : most;
}

/* Breath of two strokes per turn of the phase shows twice its rate: the half of it is then a peak of its own. */
static size_t fundamental(const ef_csi *csi, size_t peak, float least) {
    const size_t first = ef_csi_breathing_first(csi), half = (first + peak) / 2u;
    size_t best = peak;
    for (size_t k = half > 0 ? half - 1u : half; k <= half + 1u; k++) {
        if (k > first && k - first + 2u < peak && is_peak(csi, k - first) && csi->total[k - first] > least) {
            best = csi->total[k - first] > SUBHARMONIC * csi->total[peak] ? k - first : best;
        }
    }
    return best;
}

/* Drift rises towards zero; a rhythm has a valley below it. */
static bool has_valley(const ef_csi *csi, size_t peak) {
    float least = csi->total[peak];
    for (size_t i = 0; i < peak; i++) {
        least = csi->total[i] < least ? csi->total[i] : least;
    }
    return csi->total[peak] > VALLEY * least;
}

/* Where the noise of a mode was taken for less than it is, the median of all tells. */
static float noise_of(const ef_csi *csi, size_t bands) {
    const float usual = ef_csi_median_of(csi->total, bands) / ((float)(EF_CSI_MODES - csi->round) - 0.33f);
    return usual > 1.0f ? usual : 1.0f;
}

static bool look(ef_csi *csi) {
    const size_t bands = ef_csi_breathing_bands(csi), left = EF_CSI_MODES - csi->round;
    add_up(csi, bands);
    const float noise = noise_of(csi, bands);
    size_t at = clearest(csi, bands);
    const bool known = csi->breathing.bpm > 0.0f && at > 0 && is_near(csi, at);
    const float least = noise * (csi->round > 0 ? another[left] : known ? KEPT : CLEAR);
    if (at == 0 || csi->total[at] < least) {
        return false;
    }
    if (csi->round == 0) {
        at = fundamental(csi, at, noise * another[left]);
    }
    if (csi->round == 0 && !has_valley(csi, at)) {
        return false;
    }
    float power[3];
    for (size_t i = 0; i < 3; i++) {
        const float above = csi->total[at - 1u + i] / noise - (float)left;
        power[i] = above > 0.0f ? above : 0.0f;
    }
    if (csi->round > 0 && power[1] < LEAST_OF_MOST * csi->clearness) {
        return false;
    }
    csi->at = (uint8_t)at;
    csi->found = (ef_csi_peak){hz_of(csi, (float)at - 1.0f + ef_csi_refined(power, 1)), power[1]};
    return true;
}

static void turn(const float matrix[EF_CSI_MODES][EF_CSI_MODES], float *vector) {
    float turned[EF_CSI_MODES], length = 0.0f;
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        turned[m] = 0.0f;
        for (size_t n = 0; n < EF_CSI_MODES; n++) {
            turned[m] += matrix[m][n] * vector[n];
        }
        length += turned[m] * turned[m];
    }
    const float scale = length > 0.0f ? 1.0f / ef_csi_sqrt(length) : 0.0f;
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        vector[m] = scale * turned[m];
    }
}

/* The direction in which the modes move together at the peak and beside it, by the power method. */
static void find_direction(ef_csi *csi) {
    float matrix[EF_CSI_MODES][EF_CSI_MODES];
    size_t most = 0;
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        for (size_t n = 0; n <= m; n++) {
            float sum = 0.0f;
            for (size_t i = csi->at - 1u; i <= csi->at + 1u; i++) {
                const ef_csi_line one = csi->line[m][i], other = csi->line[n][i];
                sum += one.real * other.real + one.imaginary * other.imaginary;
            }
            matrix[m][n] = matrix[n][m] = sum;
        }
        most = matrix[m][m] > matrix[most][most] ? m : most;
    }
    memcpy(csi->direction, matrix[most], sizeof csi->direction);
    for (size_t i = 0; i < POWER_TURNS; i++) {
        turn(matrix, csi->direction);
    }
}

static void take_away(ef_csi *csi) {
    const size_t bands = ef_csi_breathing_bands(csi);
    for (size_t i = 0; i < bands; i++) {
        float real = 0.0f, imaginary = 0.0f;
        for (size_t m = 0; m < EF_CSI_MODES; m++) {
            real += csi->direction[m] * csi->line[m][i].real;
            imaginary += csi->direction[m] * csi->line[m][i].imaginary;
        }
        for (size_t m = 0; m < EF_CSI_MODES; m++) {
            csi->line[m][i].real -= csi->direction[m] * real;
            csi->line[m][i].imaginary -= csi->direction[m] * imaginary;
        }
    }
}

/* Whether the first peak is a breath, and its rate of late. */
static bool is_breath(ef_csi *csi) {
    const float turns = csi->found.hz * (float)csi->span * 2.0f / EF_CSI_TICK_RATE;
    const bool calm = csi->calm >= 2u * csi->span || csi->breathing.bpm > 0.0f || csi->found.power > STRONG;
    return calm && turns > LEAST_TURNS && csi->found.hz > csi->options.breathing_low_hz - EDGE_LOW && ef_csi_breath_goes_on(csi, csi->found.hz);
}

static void take_peak(ef_csi *csi) {
    find_direction(csi);
    if (csi->round == 0) {
        if (!is_breath(csi)) {
            csi->round = ROUNDS;
            return;
        }
        memcpy(csi->best, csi->direction, sizeof csi->best);
        ef_csi_breathing_end(csi, (ef_csi_peak){ef_csi_breath_of_late(csi, csi->found), csi->found.power});
    }
    ef_csi_persons_add(csi, csi->found);
    take_away(csi);
    csi->round++;
}

bool ef_csi_lines_step(ef_csi *csi, size_t step) {
    if (step == 0) {
        csi->round = csi->peak_count = 0;
    }
    if (step % 2u == 0 && look(csi)) {
        return false;
    }
    if (step % 2u == 1u) {
        take_peak(csi);
        if (csi->round < ROUNDS && csi->peak_count < EF_CSI_MAX_PERSONS) {
            return false;
        }
    }
    if (csi->peak_count == 0) {
        ef_csi_breathing_none(csi);
    }
    ef_csi_persons_end(csi);
    ef_csi_apnea_cycle(csi);
    return true;
}
