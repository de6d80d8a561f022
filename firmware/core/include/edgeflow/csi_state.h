/* The state behind csi.h, open only so that callers can place it: nothing in here is for them to touch. */
#ifndef EDGEFLOW_CSI_STATE_H
#define EDGEFLOW_CSI_STATE_H

#include "edgeflow/csi.h"

#define EF_CSI_GROUPS 16u      /* neighbouring subcarriers together: less noise, less memory */
#define EF_CSI_TICK_US 125000u /* the slow grid: 8 Hz, whatever the frame rate */
#define EF_CSI_TICKS 384u      /* 48 s of it */
#define EF_CSI_SAMPLES 184u    /* of one spectrum; the ring moves on while they are gathered */
#define EF_CSI_BANDS 48u       /* frequencies of one spectrum */
#define EF_CSI_PARTS 4u        /* independent movements that are looked at */
#define EF_CSI_PEAKS 8u
#define EF_CSI_COUNTS 2u
#define EF_CSI_PAIRS 136u      /* of groups, each with itself and the later ones */
#define EF_CSI_FLOORS 8u       /* frequencies above breathing that give its noise */
#define EF_CSI_SCORES 64u      /* seconds that the calibration looks back */
#define EF_CSI_STREAMS 4u
#define EF_CSI_MAX_TOP 32u

/* Frames of one sender and length; the one with most frames is measured, the others are only counted. */
typedef struct ef_csi_stream {
    uint16_t subcarriers;
    uint8_t source;
    uint16_t seen;
} ef_csi_stream;

/* The valid subcarriers of one training field, and the sums of their places. */
typedef struct ef_csi_field {
    uint8_t first, count;
    float sum, squares;
} ef_csi_field;

/* A rate and what speaks for it. Power is that of the peak over the larger of two floors. */
typedef struct ef_csi_rate {
    float bpm, ratio, candidate;
    uint8_t agreed; /* cycles in a row */
    uint64_t time_us;
} ef_csi_rate;

typedef struct ef_csi_spectrum {
    float power[EF_CSI_BANDS];
    float floors[EF_CSI_FLOORS];
} ef_csi_spectrum;

/* A peak that could be somebody's breath. */
typedef struct ef_csi_peak {
    float hz, ratio;
} ef_csi_peak;

/* A band-pass of second order with its crossings of zero. */
typedef struct ef_csi_crossing {
    float b0, a1, a2, x1, x2, y1, y2;
    float since, mean; /* ticks */
    uint16_t crossings;
} ef_csi_crossing;

struct ef_csi {
    ef_csi_options options;
    uint32_t frames, refused;

    ef_csi_stream streams[EF_CSI_STREAMS];
    uint8_t stream;
    uint16_t window; /* frames since the counts were halved */

    uint64_t time_us; /* of the newest frame */
    uint8_t late;     /* in a row */
    int8_t rssi;
    bool started;
    uint32_t used; /* frames since the start of this stretch */
    float interval; /* seconds between frames */

    uint16_t subcarriers, valid;
    uint8_t bins[EF_CSI_MAX_SUBCARRIERS];  /* the valid ones, in the order of frequency within each field */
    uint8_t place[EF_CSI_MAX_SUBCARRIERS]; /* of these in that order, null ones counted */
    ef_csi_field fields[EF_CSI_MAX_SUBCARRIERS / 64u];
    float level[EF_CSI_MAX_SUBCARRIERS];     /* raw amplitude, forgetting */
    float amplitude[EF_CSI_MAX_SUBCARRIERS]; /* normalised */
    float mean[EF_CSI_MAX_SUBCARRIERS];      /* of it, forgetting */
    float change[EF_CSI_MAX_SUBCARRIERS];    /* from it, last frame */
    float variance[EF_CSI_MAX_SUBCARRIERS];
    float persistent[EF_CSI_MAX_SUBCARRIERS]; /* the part of the variance that survives one frame */
    int8_t newest[2u * EF_CSI_MAX_SUBCARRIERS]; /* the pairs, for the phases when somebody asks */
    uint16_t top[EF_CSI_MAX_TOP];
    uint8_t tops;

    float noise, common; /* means over subcarriers and time: half the squared steps, products with the frame before */
    float power, nearby; /* squared changes, products with subcarriers nearby */
    float score, threshold;
    float moving_change, moving_total; /* of groups on the grid */
    bool motion, present;
    uint64_t present_us;

    ef_csi_calibration learnt;
    bool calibrated;
    float scores[EF_CSI_SCORES];
    uint8_t scored, next_score;
    uint32_t learning;

    uint64_t tick, stored; /* the one that fills now, and the last in the ring */
    float sums[EF_CSI_GROUPS], last[EF_CSI_GROUPS], slow[EF_CSI_GROUPS];
    uint16_t in_tick;
    int16_t ring[EF_CSI_TICKS][EF_CSI_GROUPS];
    uint16_t head, filled, still; /* still: ticks since the last motion */

    /* What the groups do together in the band of breathing: their filters, covariance, and noise. */
    float filter[4][EF_CSI_GROUPS];
    float covariance[EF_CSI_PAIRS], tick_noise[EF_CSI_GROUPS];
    uint16_t covered; /* ticks in it */

    uint8_t job;             /* of the cycle: the part that is looked at; the last is the heart */
    uint16_t step, granted;  /* within the job, and steps that may be done now */
    uint16_t span, from;     /* samples of this cycle (0: too few), and the tick that they begin with */
    float weight[EF_CSI_GROUPS];
    float direction[EF_CSI_PARTS][EF_CSI_GROUPS];
    float scratch[EF_CSI_SAMPLES];
    ef_csi_spectrum own;
    float found_hz[EF_CSI_PARTS], found_ratio[EF_CSI_PARTS]; /* 0: no peak within the band */
    uint8_t best;            /* the part whose breath was clearest */
    ef_csi_peak peaks[EF_CSI_PEAKS]; /* of all parts of this cycle, clearest first */
    uint8_t peak_count;
    ef_csi_rate breathing, heart;
    uint8_t leader; /* the group whose zero crossings are counted */
    ef_csi_crossing crossing_breathing, crossing_heart;
    float person_bpm[EF_CSI_MAX_PERSONS];
    uint8_t persons, counted[EF_CSI_COUNTS]; /* the counts of the cycles before */
};

#endif
