/*
 * Motion and presence. Noise is new in every frame and every subcarrier, what moves in the room is not: the covariances of the
 * changes with those of the frame before, and with those of subcarriers nearby, hold no noise. The score is the smaller of
 * their ratios to the noise, a number without unit that needs no gain. Where frames are so far apart that a walker is
 * elsewhere in the next one, only the subcarriers nearby speak.
 */
#include "csi_internal.h"

#define MEAN_SECONDS 1.0f
#define SCORE_SECONDS 2.0f
#define VARIANCE_SECONDS 10.0f
#define LONGEST_STEP 0.35f /* seconds between two frames that are compared */
#define LARGEST_CHANGE 0.6f
#define FIRST_FRAMES 20u   /* that make the usual roughness */
#define ROUGHNESS_SECONDS 5.0f
#define LARGEST_ROUGHNESS 4.0f
#define NEARBY 3u          /* subcarriers: further than noise and leakage reach, nearer than the echoes of a room */
#define SPARSE_RATE 12.0f  /* Hz: up to here the frame before says nothing */
#define DENSE_RATE 40.0f   /* from here on it must agree */
#define LOWEST_THRESHOLD 0.12f
#define LOWEST_SPARSE 0.3f /* few frames, wide estimates */
#define HIGHEST_THRESHOLD 0.5f
#define HIGHEST_SPARSE 1.0f /* some chips shake all subcarriers alike */
#define RELEASE 0.6f /* of the threshold: below, presence ends */
#define SEEN 2u      /* cycles in a row with a breath, whatever its rate: nobody else breathes */
#define HOLD_US 3000000u
#define WALKING_SHARE 0.3f /* of the variance changes within a tick: breathing stays far below */
#define WALKING_SCORE 2.0f /* times the threshold */
#define LEAST_SECONDS 8u   /* of scores, for a calibration */
#define DRIFT_SECONDS 600.0f
#define SETTLING_SECONDS 4u

static void blend(float *mean, float value, float share) {
    *mean += share * (value - *mean);
}

/* 0 where frames are sparse, 1 where they are dense. */
static float density(const ef_csi *csi) {
    const float rate = csi->interval > 0.0f ? 1.0f / csi->interval : DENSE_RATE;
    return ef_csi_clip((rate - SPARSE_RATE) / (DENSE_RATE - SPARSE_RATE), 0.0f, 1.0f);
}

static float ratio_to(float common, float noise) {
    return (common > 0.0f ? common : 0.0f) / ((noise > 0.0f ? noise : 0.0f) + EF_CSI_LEAST_NOISE);
}

static float score_of(const ef_csi *csi) {
    const float over_time = ratio_to(csi->common, csi->noise);
    const float nearby = ratio_to(csi->nearby, csi->power - csi->nearby);
    const float both = over_time < nearby ? over_time : nearby, dense = density(csi);
    return nearby + dense * (both - nearby);
}

typedef struct sums {
    float noise, common, power, nearby;
} sums;

static sums take_changes(ef_csi *csi, float elapsed) {
    const float towards = ef_csi_share(elapsed, MEAN_SECONDS), slowly = ef_csi_share(elapsed, VARIANCE_SECONDS);
    float beside[NEARBY] = {0};
    sums all = {0};
    for (size_t v = 0; v < csi->valid; v++) {
        const size_t i = csi->bins[v];
        const float change = ef_csi_clip(csi->amplitude[i] - csi->mean[i], -LARGEST_CHANGE, LARGEST_CHANGE);
        const float step = change - csi->change[i], product = change * csi->change[i];
        blend(&csi->mean[i], csi->amplitude[i], towards);
        blend(&csi->variance[i], change * change, slowly);
        blend(&csi->persistent[i], product, slowly);
        csi->change[i] = change;
        all.noise += step * step;
        all.common += product;
        all.power += change * change;
        all.nearby += change * beside[NEARBY - 1];
        beside[2] = beside[1];
        beside[1] = beside[0];
        beside[0] = change;
    }
    return all;
}

/* What is smooth over the subcarriers is the room; the rest is noise, and some frames have a lot more of it. */
static void weigh(ef_csi *csi, float power, float nearby, float elapsed) {
    const float rough = power - nearby > 0.0f ? power - nearby : 0.0f;
    const bool first = csi->used <= EF_CSI_SETTLE + FIRST_FRAMES;
    const float most = LARGEST_ROUGHNESS * csi->roughness, counted = !first && rough > most ? most : rough;
    blend(&csi->roughness, counted, first ? 0.2f : ef_csi_share(elapsed, ROUGHNESS_SECONDS));
    csi->trust = rough > csi->roughness ? csi->roughness / rough : 1.0f;
}

void ef_csi_motion_frame(ef_csi *csi, float elapsed) {
    const bool comparable = csi->used > EF_CSI_SETTLE && csi->valid > NEARBY;
    const sums all = take_changes(csi, elapsed);
    csi->trust = 1.0f;
    if (!comparable) {
        return;
    }
    weigh(csi, all.power / csi->valid, all.nearby / (float)(csi->valid - NEARBY), elapsed);
    const float first = 1.0f / (float)(csi->used - EF_CSI_SETTLE), usual = ef_csi_share(elapsed, SCORE_SECONDS);
    const float share = usual > first ? usual : first, each = 1.0f / csi->valid;
    blend(&csi->power, all.power * each, share);
    blend(&csi->nearby, all.nearby / (float)(csi->valid - NEARBY), share);
    if (elapsed <= LONGEST_STEP) {
        blend(&csi->noise, 0.5f * all.noise * each, share);
        blend(&csi->common, all.common * each, share);
    }
    csi->score = score_of(csi);
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
        csi->still = csi->calm = csi->filled;
        return;
    }
    const bool strong = csi->score > WALKING_SCORE * csi->threshold;
    csi->motion = strong && csi->moving_change > WALKING_SHARE * csi->moving_total;
    csi->still = csi->motion ? 0 : (uint16_t)(csi->still < UINT16_MAX ? csi->still + 1 : csi->still);
    csi->calm = csi->score > csi->threshold ? 0 : (uint16_t)(csi->calm < UINT16_MAX ? csi->calm + 1 : csi->calm);
    ef_csi_apnea_tick(csi);
    const float needed = csi->present ? RELEASE * csi->threshold : csi->threshold;
    if (csi->score > needed || csi->seen >= SEEN || csi->apnea.stopped) {
        csi->present = true;
        csi->present_us = csi->time_us;
    } else if (csi->time_us - csi->present_us > HOLD_US) {
        csi->present = false;
    }
}

/* Somebody who walks is above it: a room that was never empty is not taken for one. */
static float highest(const ef_csi *csi) {
    return HIGHEST_THRESHOLD + (1.0f - density(csi)) * (HIGHEST_SPARSE - HIGHEST_THRESHOLD);
}

static float threshold_of(const ef_csi *csi) {
    if (csi->options.presence_threshold > 0.0f) {
        return csi->options.presence_threshold;
    }
    const float wide = csi->learnt.mean + csi->options.presence_sigma * csi->learnt.deviation;
    const float sparse = 1.0f - density(csi);
    return ef_csi_clip(wide, LOWEST_THRESHOLD + sparse * (LOWEST_SPARSE - LOWEST_THRESHOLD), highest(csi));
}

/* The quieter half of the seconds speaks for the empty room, so somebody may walk through it, or leave it late. */
static void learn(ef_csi *csi) {
    float sorted[EF_CSI_SCORES];
    for (size_t i = 0; i < csi->scored; i++) {
        sorted[i] = csi->scores[i];
    }
    ef_csi_sort(sorted, csi->scored);
    const float middle = sorted[csi->scored / 2], quarter = sorted[csi->scored / 4];
    csi->learnt.mean = middle < highest(csi) ? middle : quarter;
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
    csi->threshold = threshold_of(csi);
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
