/* What is told of the state: what has expired is gone. */
#include <string.h>

#include "csi_internal.h"

#define SIGNAL_US 3000000u /* without a frame, nothing is known of the room */
#define RATE_US 20000000u  /* without a new spectrum, a rate is old */
#define LEAST_RATE 5.0f    /* frames per second */
#define FIRST_TICKS 4u     /* before, the score is of too few frames */
#define CERTAIN 8.0f       /* the ratio at which half is believed */
#define CLEAR_BREATH 18.0f /* the ratio from which on a breath is one */
#define LEAST_SHARE 0.3f   /* of the frames belong to the measured stream */

static bool fresh(const ef_csi_rate *rate, uint64_t now) {
    return rate->bpm > 0.0f && now - rate->time_us < RATE_US;
}

static float confidence(float ratio) {
    return ratio > 0.0f ? 1.0f - CERTAIN / (CERTAIN + ratio) : 0.0f;
}

static bool is_mixed(const ef_csi *csi) {
    uint32_t all = 0;
    for (size_t i = 0; i < EF_CSI_STREAMS; i++) {
        all += csi->streams[i].seen;
    }
    return csi->streams[csi->stream].seen < LEAST_SHARE * (float)all;
}

static void tell_rates(const ef_csi *csi, uint64_t now, ef_csi_vitals *vitals) {
    if (fresh(&csi->breathing, now)) {
        vitals->breathing_bpm = csi->breathing.bpm;
        vitals->breathing_confidence = confidence(csi->breathing.ratio);
    }
    if (fresh(&csi->heart, now)) {
        vitals->heart_bpm = csi->heart.bpm;
        vitals->heart_confidence = confidence(csi->heart.ratio);
    }
    const float crossed = ef_csi_crossing_bpm(&csi->crossing_breathing);
    if (csi->options.zero_crossing && vitals->breathing_bpm > 0.0f && crossed > 0.0f) {
        vitals->breathing_bpm = crossed;
    }
    const float beaten = ef_csi_crossing_bpm(&csi->crossing_heart);
    if (csi->options.zero_crossing && vitals->heart_bpm > 0.0f && beaten > 0.0f) {
        vitals->heart_bpm = beaten;
    }
}

void ef_csi_get_vitals(const ef_csi *csi, uint64_t now_us, ef_csi_vitals *vitals) {
    *vitals = (ef_csi_vitals){.time_us = now_us, .frames = csi->frames, .refused = csi->refused, .rssi = csi->rssi};
    vitals->calibrated = csi->calibrated;
    vitals->motion_threshold = csi->threshold;
    const uint64_t now = now_us > csi->time_us ? now_us : csi->time_us;
    if (!csi->started || now - csi->time_us > SIGNAL_US) {
        vitals->degraded = true;
        return;
    }
    vitals->frame_rate = csi->interval > 0.0f ? 1.0f / csi->interval : 0.0f;
    vitals->degraded = vitals->frame_rate < LEAST_RATE || csi->filled < FIRST_TICKS || is_mixed(csi);
    vitals->motion_score = csi->filled < FIRST_TICKS ? 0.0f : csi->score;
    vitals->motion = csi->motion;
    vitals->fall = ef_csi_fall_told(csi, now);
    vitals->fall_us = csi->fall.fell_us;
    vitals->presence = csi->present;
    tell_rates(csi, now, vitals);
    const float moved = csi->score / (csi->score + csi->threshold), breathes = csi->seen > 0 ? confidence(csi->clearness) : 0.0f;
    vitals->presence_confidence = moved > breathes ? moved : breathes;
    const float by_motion = csi->score / csi->threshold, by_breath = csi->seen > 0 ? csi->clearness / CLEAR_BREATH : 0.0f;
    vitals->presence_score = by_motion > by_breath ? by_motion : by_breath;
    vitals->apnea = csi->apnea.stopped && csi->present;
    vitals->persons = vitals->presence ? 1 : 0;
    if (vitals->presence && csi->persons > 0) {
        vitals->persons = csi->persons;
        memcpy(vitals->person_bpm, csi->person_bpm, csi->told * sizeof csi->person_bpm[0]);
    }
}

static size_t copy(const ef_csi *csi, const float *from, float *to, size_t most) {
    const size_t count = csi->valid == 0 ? 0 : csi->subcarriers < most ? csi->subcarriers : most;
    memcpy(to, from, count * sizeof *to);
    return count;
}

size_t ef_csi_amplitudes(const ef_csi *csi, float *to, size_t most) {
    return copy(csi, csi->amplitude, to, most);
}

size_t ef_csi_phases(const ef_csi *csi, float *to, size_t most) {
    const size_t count = csi->valid == 0 ? 0 : csi->subcarriers < most ? csi->subcarriers : most;
    memset(to, 0, count * sizeof *to);
    ef_csi_correct(csi, to, count);
    return count;
}

size_t ef_csi_variances(const ef_csi *csi, float *to, size_t most) {
    return copy(csi, csi->variance, to, most);
}

size_t ef_csi_top(const ef_csi *csi, uint16_t *to, size_t most) {
    const size_t count = csi->tops < most ? csi->tops : most;
    memcpy(to, csi->top, count * sizeof *to);
    return count;
}
