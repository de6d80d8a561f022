/* What the parts of the channel state processor ask of each other. */
#ifndef EDGEFLOW_CSI_INTERNAL_H
#define EDGEFLOW_CSI_INTERNAL_H

#include <string.h>

#include "edgeflow/csi_state.h"

#define EF_CSI_TICK_S 0.125f
#define EF_CSI_TICK_RATE 8.0f
#define EF_CSI_STAGES 8u /* of a spectrum */
#define EF_CSI_SLICES 4u /* in which its samples are gathered */
#define EF_CSI_BREATH_STEP (EF_CSI_TICK_RATE / (2.0f * EF_CSI_SAMPLES)) /* Hz from line to line */
#define EF_CSI_HEART_STEP (EF_CSI_TICK_RATE / EF_CSI_SAMPLES)
#define EF_CSI_PI 3.14159265f
#define EF_CSI_LEAST_NOISE 2e-4f /* variance of a normalised amplitude that 8-bit numbers cannot be below */
#define EF_CSI_FIELD 64u /* subcarriers of one training field */
#define EF_CSI_SETTLE 10u /* frames that decide which subcarriers carry anything */

/* Mathematics without libm: the same bits everywhere. Errors below 2e-5, relative for the root. */
float ef_csi_sin(float x);             /* 0 <= x <= pi/2 */
float ef_csi_atan2(float y, float x);  /* error below 2e-5 rad */
float ef_csi_wrap(float phase);        /* into -pi..pi, from anywhere within 3 pi */
float ef_csi_median(float *values, size_t count); /* reorders them */
void ef_csi_sort(float *values, size_t count);

/* Here, so that a frame calls nothing for each of its subcarriers. */
static inline float ef_csi_sqrt(float x) {
    uint32_t bits;
    if (!(x > 1e-30f)) {
        return 0.0f;
    }
    memcpy(&bits, &x, sizeof bits);
    bits = 0x5f375a86u - (bits >> 1);
    float inverse;
    memcpy(&inverse, &bits, sizeof inverse);
    const float half = 0.5f * x;
    inverse *= 1.5f - half * inverse * inverse;
    inverse *= 1.5f - half * inverse * inverse;
    return x * inverse;
}

static inline float ef_csi_clip(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

/* The share of a forgetting mean that is replaced after a time; both in seconds. */
static inline float ef_csi_share(float elapsed, float constant) {
    return elapsed / (constant + elapsed);
}

/* Frame: raw pairs to normalised amplitudes and corrected phases. */
bool ef_csi_has_structure(const ef_csi_frame *frame);
void ef_csi_take_level(ef_csi *csi, const ef_csi_frame *frame, float share);
bool ef_csi_choose(ef_csi *csi); /* whether the subcarriers that count have changed */
void ef_csi_measure(ef_csi *csi, const ef_csi_frame *frame);
void ef_csi_correct(const ef_csi *csi, float *to, size_t most); /* phases of the newest frame, of valid subcarriers */
void ef_csi_rank(ef_csi *csi);

/* Motion and presence. */
void ef_csi_motion_frame(ef_csi *csi, float elapsed);
void ef_csi_motion_tick(ef_csi *csi, const float *groups);
void ef_csi_second(ef_csi *csi);

/* Falls. */
void ef_csi_fall_reset(ef_csi *csi);
void ef_csi_fall_frame(ef_csi *csi, const float *groups);
bool ef_csi_fall_told(const ef_csi *csi, uint64_t now);

/* The slow grid. */
void ef_csi_grid_frame(ef_csi *csi);
void ef_csi_grid_reset(ef_csi *csi);
void ef_csi_cycle_tick(ef_csi *csi);  /* grants steps of the spectra */
void ef_csi_cycle_frame(ef_csi *csi); /* does its share of them */
void ef_csi_gather(ef_csi *csi, const float *factor, size_t fold, size_t slice); /* a part of the samples of a sum of modes */
void ef_csi_straighten(float *samples, size_t count); /* takes the line through them away */
void ef_csi_window(float *samples, size_t count); /* Hann's */
float ef_csi_sine_of(size_t turn);    /* in parts of EF_CSI_SAMPLES */
void ef_csi_fourier_stage(float *samples, size_t stage);
ef_csi_line ef_csi_fourier_line(const float *spectrum, size_t k); /* 0 < k < half of EF_CSI_SAMPLES */
float ef_csi_power_at(const float *samples, size_t count, float radians);
float ef_csi_refined(const float *power, size_t at); /* the place of a peak between its neighbours */
float ef_csi_median_of(const float *values, size_t count);

/* What the lines say. */
size_t ef_csi_breathing_first(const ef_csi *csi); /* of the bands, in lines of the spectrum */
size_t ef_csi_breathing_bands(const ef_csi *csi);
size_t ef_csi_heart_first(const ef_csi *csi);
size_t ef_csi_heart_bands(const ef_csi *csi);
bool ef_csi_lines_step(ef_csi *csi, size_t step); /* true when nothing more is found */
bool ef_csi_breath_goes_on(ef_csi *csi, float hz);
float ef_csi_breath_of_late(ef_csi *csi, ef_csi_peak peak);
void ef_csi_apnea_tick(ef_csi *csi);
void ef_csi_apnea_cycle(ef_csi *csi);
void ef_csi_breathing_none(ef_csi *csi);
void ef_csi_breathing_end(ef_csi *csi, ef_csi_peak peak);
void ef_csi_heart_end(ef_csi *csi);
void ef_csi_persons_add(ef_csi *csi, ef_csi_peak peak);
void ef_csi_persons_end(ef_csi *csi);
void ef_csi_band_pass(float low, float high, float *b0, float *a1, float *a2); /* on the grid; b1 is 0, b2 is -b0 */
void ef_csi_crossing_init(ef_csi_crossing *crossing, float low, float high);
void ef_csi_crossing_push(ef_csi_crossing *crossing, float x);
void ef_csi_crossing_tick(ef_csi *csi, const float *modes);
float ef_csi_crossing_bpm(const ef_csi_crossing *crossing);

#endif
