/*
 * Motion and presence. Noise is new in every frame, what moves in the room is not: the covariance of the amplitudes with those
 * of the frame before holds no noise. Its ratio to the noise is the score, a number without unit that needs no gain.
 */
#include "csi_internal.h"

#define MEAN_SECONDS 1.0f
#define SCORE_SECONDS 2.0f
#define VARIANCE_SECONDS 10.0f
#define LONGEST_STEP 0.35f /* seconds between two frames that are compared */
#define LARGEST_CHANGE 0.6f
#define LOWEST_THRESHOLD 0.12f
#define HIGHEST_THRESHOLD 0.5f
#define RELEASE 0.6f /* of the threshold: below, presence ends */
#define HOLD_US 3000000u
#define WALKING_SHARE 0.3f /* of the variance changes within a tick: breathing stays far below */
#define WALKING_SCORE 2.0f /* times the threshold */
#define LEAST_SECONDS 8u   /* of scores, for a calibration */
#define DRIFT_SECONDS 600.0f
#define SETTLING_SECONDS 4u

static void blend(float *mean, float value, float share) {
    *mean += share * (value - *mean);
}

void ef_csi_motion_frame(ef_csi *csi, float elapsed) {
    const bool comparable = csi->used > EF_CSI_SETTLE && elapsed <= LONGEST_STEP;
    const float towards = ef_csi_share(elapsed, MEAN_SECONDS), slowly = ef_csi_share(elapsed, VARIANCE_SECONDS);
    float noise = 0.0f, common = 0.0f;
    for (size_t i = 0; i < csi->subcarriers; i++) {
        if (!ef_csi_is_valid(csi, i)) {
            continue;
        }
        const float change = ef_csi_clip(csi->amplitude[i] - csi->mean[i], -LARGEST_CHANGE, LARGEST_CHANGE);
        const float step = change - csi->change[i], product = change * csi->change[i];
        blend(&csi->mean[i], csi->amplitude[i], towards);
        blend(&csi->variance[i], change * change, slowly);
        csi->change[i] = change;
        noise += step * step;
        common += product;
        blend(&csi->persistent[i], product, slowly);
    }
    if (comparable && csi->valid > 0) {
        const float first = 1.0f / (float)(csi->used - EF_CSI_SETTLE), usual = ef_csi_share(elapsed, SCORE_SECONDS);
        const float share = usual > first ? usual : first;
        blend(&csi->noise, 0.5f * noise / csi->valid, share);
        blend(&csi->common, common / csi->valid, share);
        csi->score = (csi->common > 0.0f ? csi->common : 0.0f) / (csi->noise + EF_CSI_LEAST_NOISE);
    }
}

/* How much of the slow variance is gone within one tick tells walking from breathing. */
void ef_csi_motion_tick(ef_csi *csi, const float *groups) {
    float changed = 0.0f, total = 0.0f;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        const float step = groups[g] - csi->last[g], away = groups[g] - csi->slow[g];
        csi->slow[g] += ef_csi_share(EF_CSI_TICK_S, 4.0f) * away;
        changed += 0.5f * step * step;
        total += away * away;
    }
    blend(&csi->moving_change, changed, ef_csi_share(EF_CSI_TICK_S, SCORE_SECONDS));
    blend(&csi->moving_total, total, ef_csi_share(EF_CSI_TICK_S, SCORE_SECONDS));
    if (csi->filled < SETTLING_SECONDS * 8u) {
        csi->still = csi->filled;
        return;
    }
    const bool strong = csi->score > WALKING_SCORE * csi->threshold;
    csi->motion = strong && csi->moving_change > WALKING_SHARE * csi->moving_total;
    csi->still = csi->motion ? 0 : (uint16_t)(csi->still < UINT16_MAX ? csi->still + 1 : csi->still);
    const float needed = csi->present ? RELEASE * csi->threshold : csi->threshold;
    if (csi->score > needed || csi->breathing.bpm > 0.0f) {
        csi->present = true;
        csi->present_us = csi->time_us;
    } else if (csi->time_us - csi->present_us > HOLD_US) {
        csi->present = false;
    }
}

static float threshold_of(const ef_csi *csi) {
    if (csi->options.presence_threshold > 0.0f) {
        return csi->options.presence_threshold;
    }
    const float wide = csi->learnt.mean + csi->options.presence_sigma * csi->learnt.deviation;
    return ef_csi_clip(wide, LOWEST_THRESHOLD, HIGHEST_THRESHOLD);
}

/* The quieter half of the seconds speaks for the empty room, so somebody may walk through it, or leave it late. */
static void learn(ef_csi *csi) {
    float sorted[EF_CSI_SCORES];
    for (size_t i = 0; i < csi->scored; i++) {
        sorted[i] = csi->scores[i];
    }
    ef_csi_sort(sorted, csi->scored);
    const float middle = sorted[csi->scored / 2], quarter = sorted[csi->scored / 4];
    csi->learnt.mean = middle < HIGHEST_THRESHOLD ? middle : quarter;
    csi->learnt.deviation = 1.4826f * (middle - quarter) * 1.5f;
    csi->learnt.frames = csi->learning;
    csi->learnt.threshold = csi->threshold = threshold_of(csi);
}

/* An empty room may change slowly; what is above the threshold is somebody and teaches nothing. */
static void follow(ef_csi *csi) {
    if (csi->present || csi->score > csi->threshold) {
        return;
    }
    const float away = csi->score - csi->learnt.mean, size = away < 0.0f ? -away : away;
    csi->learnt.mean += away / DRIFT_SECONDS;
    csi->learnt.deviation += (1.25f * size - csi->learnt.deviation) / DRIFT_SECONDS;
    csi->learnt.threshold = csi->threshold = threshold_of(csi);
}

void ef_csi_second(ef_csi *csi) {
    if (csi->filled < SETTLING_SECONDS * 8u) {
        return;
    }
    if (csi->calibrated) {
        follow(csi);
        return;
    }
    csi->scores[csi->next_score] = csi->score;
    csi->next_score = (uint8_t)((csi->next_score + 1u) % EF_CSI_SCORES);
    csi->scored = (uint8_t)(csi->scored < EF_CSI_SCORES ? csi->scored + 1u : csi->scored);
    if (csi->scored < LEAST_SECONDS) {
        return;
    }
    learn(csi);
    csi->calibrated = csi->learning >= csi->options.calibration_frames;
}

void ef_csi_calibrate(ef_csi *csi) {
    csi->calibrated = false;
    csi->scored = csi->next_score = 0;
    csi->learning = 0;
    csi->learnt = (ef_csi_calibration){0};
    csi->threshold = threshold_of(csi);
}

void ef_csi_set_calibration(ef_csi *csi, const ef_csi_calibration *calibration) {
    const bool sound = calibration->frames > 0 && calibration->mean >= 0.0f && calibration->deviation >= 0.0f;
    if (sound) {
        csi->learnt = *calibration;
        csi->calibrated = true;
        csi->learnt.threshold = csi->threshold = threshold_of(csi);
    }
}

bool ef_csi_get_calibration(const ef_csi *csi, ef_csi_calibration *calibration) {
    *calibration = csi->learnt;
    return csi->learnt.frames > 0;
}
