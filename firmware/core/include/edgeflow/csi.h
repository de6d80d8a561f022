/*
 * Sensing from WiFi channel state: one state per node, fed frame by frame, asked for vitals when it suits. No allocation,
 * no globals; every value forgets, and expires when the signal is gone: no reading is better than a wrong one.
 *
 *      frame -> checks -> amplitudes, normalised per frame -> quality, top-K subcarriers -> motion, presence
 *                      \-> phase without common offset and slope, when asked         \-> breathing, heart, persons
 */
#ifndef EDGEFLOW_CSI_H
#define EDGEFLOW_CSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_CSI_MAX_SUBCARRIERS 192u
#define EF_CSI_MAX_PERSONS 4u
#define EF_CSI_STATE_BUDGET 24576u /* bytes of an ef_csi, its rings included */

/* One frame as the driver delivers it. */
typedef struct ef_csi_frame {
    uint64_t time_us;     /* monotonic, of the node or of the receiver; frames may come late or twice */
    const int8_t *pairs;  /* imaginary part first, then real, for each subcarrier */
    uint16_t subcarriers; /* 52, 64, 128 or 192 */
    int8_t rssi;          /* dBm */
    int8_t noise_floor;   /* dBm */
    uint8_t channel;
    uint8_t source;       /* tells senders apart (a hash of the MAC); their frames are not mixed */
} ef_csi_frame;

typedef struct ef_csi_options {
    uint8_t tier;              /* 1 basic, 2 vitals */
    uint8_t top_subcarriers;   /* K, 1 to 32 */
    uint16_t calibration_frames; /* 1200 */
    float presence_threshold;  /* 0: from the calibration */
    float presence_sigma;      /* 3: threshold = mean + sigma * deviation of the empty room */
    float fall_threshold;      /* 50 rad/s^2: how fast the pattern turned before somebody lay still; csi_fall.c */
    float breathing_low_hz, breathing_high_hz; /* 0.1, 0.5 */
    float heart_low_hz, heart_high_hz;         /* 0.8, 2.0 */
    bool zero_crossing;        /* rates from zero crossings instead of the spectrum */
} ef_csi_options;

/* Confidences are 0 to 1; a rate without confidence is 0 and means: no reading. */
typedef struct ef_csi_vitals {
    uint64_t time_us;
    bool presence, motion;
    bool fall;                /* somebody fell and has been still since; true for 3 s, 8 s after the fall; tier 2, 37 Hz or more */
    uint64_t fall_us;         /* when the last one was; 0: none */
    bool calibrated;          /* a threshold of this room is known */
    bool degraded;            /* too few frames, or of too mixed a kind, to say anything */
    float motion_score;       /* continuous; what the threshold is compared with */
    float motion_threshold;
    float presence_confidence;
    float presence_score;     /* 1 or more is somebody, by motion or by breath */
    bool apnea;               /* somebody who breathed and did not move does not breathe, for 15 s or more */
    float breathing_bpm, breathing_confidence;
    float heart_bpm, heart_confidence;
    uint8_t persons;          /* 0 to 4 */
    float person_bpm[EF_CSI_MAX_PERSONS];
    float frame_rate;         /* Hz, estimated from the time stamps */
    int8_t rssi;
    uint32_t frames, refused; /* refused: null, damaged, of an unknown length, late */
} ef_csi_vitals;

/* What a calibration learnt of the empty room, to be kept over a restart. */
typedef struct ef_csi_calibration {
    uint32_t frames;
    float mean, deviation; /* of the motion score */
    float threshold;
} ef_csi_calibration;

typedef struct ef_csi ef_csi; /* defined in csi_state.h, so that callers can place it */

ef_csi_options ef_csi_default_options(void);
EF_MUST_CHECK ef_status ef_csi_init(ef_csi *csi, const ef_csi_options *options);

/* EF_ERROR_LENGTH for a number of subcarriers that is not known, EF_ERROR_STATE for a frame that is too late, EF_ERROR_CRC for
 * one without structure (all null); such frames are counted and change nothing else. */
EF_MUST_CHECK ef_status ef_csi_push(ef_csi *csi, const ef_csi_frame *frame);

/* The vitals as of a time, which may be after the last frame: what has expired is gone. */
void ef_csi_get_vitals(const ef_csi *csi, uint64_t now_us, ef_csi_vitals *vitals);

/* Start to learn the empty room anew; take over what was learnt before; tell what is known now. */
void ef_csi_calibrate(ef_csi *csi);
void ef_csi_set_calibration(ef_csi *csi, const ef_csi_calibration *calibration);
bool ef_csi_get_calibration(const ef_csi *csi, ef_csi_calibration *calibration);

/* Of the newest frame, for modules and plots: amplitude after normalisation, phase after correction (rad), running variance. */
size_t ef_csi_amplitudes(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_phases(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_variances(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_top(const ef_csi *csi, uint16_t *to, size_t most);

#endif
