/* The state behind csi.h, open only so that callers can place it: nothing in here is for them to touch. */
#ifndef EDGEFLOW_CSI_STATE_H
#define EDGEFLOW_CSI_STATE_H

#include "edgeflow/csi.h"

#define EF_CSI_GROUPS 16u      /* neighbouring subcarriers together */
#define EF_CSI_MODES 6u        /* waves over the groups that echoes of a room can make; what is finer is noise */
#define EF_CSI_TICK_US 125000u /* the slow grid: 8 Hz, whatever the frame rate */
#define EF_CSI_TICKS 512u      /* 64 s of it */
#define EF_CSI_SAMPLES 256u    /* of one spectrum */
#define EF_CSI_BANDS 72u       /* frequencies at which all modes are kept */
#define EF_CSI_TOTALS 112u     /* frequencies at which their sum is */
#define EF_CSI_COUNTS 7u
#define EF_CSI_SCORES 64u      /* seconds that the calibration looks back */
#define EF_CSI_STREAMS 4u
#define EF_CSI_FALL_SLOTS 180u
#define EF_CSI_FALL_PAST 3u
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

/* A rate and what speaks for it: its power above the noise, in units of the noise. */
typedef struct ef_csi_rate {
    float bpm, ratio, candidate;
    uint8_t agreed; /* cycles in a row */
    uint64_t time_us;
} ef_csi_rate;

/* One frequency of one mode, in units of the mode's noise. */
typedef struct ef_csi_line {
    float real, imaginary;
} ef_csi_line;

/* Something that breathes: where, and its power in units of the noise. */
typedef struct ef_csi_peak {
    float hz, power;
} ef_csi_peak;

/* The watch for a breath that stops. */
typedef struct ef_csi_apnea {
    float direction[EF_CSI_MODES];
    float usual, score; /* power of a quarter of a minute in units of the noise, score of motion */
    uint64_t told_us, since_us;
    uint8_t learnt, missed; /* cycles */
    bool stopped;
} ef_csi_apnea;

/* A band-pass of second order with its crossings of zero. */
typedef struct ef_csi_crossing {
    float b0, a1, a2, x1, x2, y1, y2;
    float since, mean; /* ticks */
    uint16_t crossings;
} ef_csi_crossing;

/* What the patterns did in slots of 50 ms: roots of mean squared steps, coded; see csi_fall.c. */
typedef struct ef_csi_fall {
    uint64_t slot, reference_us;
    uint64_t told_us, fell_us; /* when a fall was told last, and when it was */
    float reference[EF_CSI_GROUPS];
    float sums[EF_CSI_GROUPS];
    float past[EF_CSI_FALL_PAST][EF_CSI_GROUPS];
    float squares, pair_s;
    float noise, share; /* of one pair; the part of it that is left in a slot's mean */
    float last_fast[2], last_slow[2];
    uint16_t fast[EF_CSI_FALL_SLOTS], slow[EF_CSI_FALL_SLOTS];
    uint16_t in_slot, pairs;
    uint8_t head, filled, turn;
} ef_csi_fall;

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

    float roughness; /* of a frame that nothing disturbs */
    float trust;     /* in the newest frame, 1 when it is as smooth as others */
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
    float in_tick; /* trust in its frames */
    float usual_trust;
    int16_t ring[EF_CSI_TICKS][EF_CSI_MODES];
    uint8_t worth[EF_CSI_TICKS]; /* of these: none without a frame, less with disturbed ones */
    uint16_t head, filled, still, calm; /* still: ticks since the last motion; calm: since the last score of presence */

    uint8_t job;             /* of the cycle: a mode for breathing, what they say, a mode for the heart */
    uint8_t step, granted;   /* within the job, and steps that may be done now */
    uint16_t span, from;     /* samples of this cycle (0: too few), and the tick that they begin with */
    float buffer[EF_CSI_SAMPLES];
    float weight[EF_CSI_MODES]; /* one over the deviation of the mode's noise */
    ef_csi_line line[EF_CSI_MODES][EF_CSI_BANDS];
    float total[EF_CSI_TOTALS]; /* power of all modes */
    float direction[EF_CSI_MODES], best[EF_CSI_MODES]; /* of the peak that is looked at, of the breath */
    uint8_t round, at;       /* peaks taken away, and the place of the next */
    ef_csi_peak found, peaks[EF_CSI_MAX_PERSONS];
    uint8_t peak_count;
    uint8_t seen;            /* cycles in a row with a breath, of whatever rate */
    float clearness;         /* of it: a ratio as of a rate */
    ef_csi_rate breathing, heart;
    ef_csi_apnea apnea;
    uint8_t leader; /* the mode whose zero crossings are counted */
    ef_csi_crossing crossing_breathing, crossing_heart;
    ef_csi_fall fall;
    float person_bpm[EF_CSI_MAX_PERSONS];
    uint8_t persons, told;   /* told: those whose rate is known */
    uint8_t counted[EF_CSI_COUNTS], cycles; /* counts of the cycles before */
};

#endif
