/* What the parts of the channel state processor ask of each other. */
#ifndef EDGEFLOW_CSI_INTERNAL_H
#define EDGEFLOW_CSI_INTERNAL_H

#include <string.h>

#include "edgeflow/csi_state.h"

#define EF_CSI_TICK_S 0.125f
#define EF_CSI_TICK_RATE 8.0f
#define EF_CSI_PI 3.14159265f
#define EF_CSI_LEAST_NOISE 2e-4f /* variance of a normalised amplitude that 8-bit numbers cannot be below */
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

/* The slow grid. */
void ef_csi_grid_frame(ef_csi *csi);
void ef_csi_grid_reset(ef_csi *csi);
void ef_csi_cycle_tick(ef_csi *csi);  /* grants steps of the spectra */
void ef_csi_cycle_frame(ef_csi *csi); /* does its share of them */
float ef_csi_power_at(const float *samples, size_t count, float radians);
void ef_csi_parts_reset(ef_csi *csi);
void ef_csi_parts_tick(ef_csi *csi, const float *groups);
void ef_csi_parts_begin(ef_csi *csi);
void ef_csi_parts_turn(ef_csi *csi, size_t part); /* one step towards its direction */
void ef_csi_part_end(ef_csi *csi, size_t part);   /* the peak of its spectrum */
float ef_csi_refined(const float *power, size_t at);  /* the place of a peak between the bands */
void ef_csi_peaks_add(ef_csi *csi, float floor);     /* what could be breaths in it */
void ef_csi_breathing_end(ef_csi *csi);
void ef_csi_heart_end(ef_csi *csi);
void ef_csi_persons_end(ef_csi *csi);
float ef_csi_breathing_frequency(const ef_csi *csi, float band);
float ef_csi_heart_frequency(const ef_csi *csi, float band);
void ef_csi_band_pass(float low, float high, float *b0, float *a1, float *a2); /* on the grid; b1 is 0, b2 is -b0 */
void ef_csi_crossing_init(ef_csi_crossing *crossing, float low, float high);
void ef_csi_crossing_push(ef_csi_crossing *crossing, float x);
void ef_csi_crossing_tick(ef_csi *csi, const float *groups);
float ef_csi_crossing_bpm(const ef_csi_crossing *crossing);

#endif
