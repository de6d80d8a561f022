/*
 * What changed since the frame before. Noise is new in every subcarrier, what moves in the room is not: products of the changes
 * of subcarriers nearby hold no noise in the mean. Needs frames that follow each other closely to mean speed.
 */
#ifndef EDGEFLOW_CHANGE_H
#define EDGEFLOW_CHANGE_H

#include "edgeflow_csi.h"
#include "edgeflow_math.h"
#include "edgeflow_time.h"

#define EF_CHANGE_NEARBY 3       /* subcarriers, as in the core */
#define EF_CHANGE_LARGEST 0.6f   /* of a normalised amplitude: more is interference */
#define EF_CHANGE_LONGEST_S 0.15f

typedef struct ef_change {
    float before[EF_MAX_SUBCARRIERS], step[EF_MAX_SUBCARRIERS];
    int32_t count;
    ef_clock clock;
    float passed;   /* seconds since the frame before */
    float interval; /* between frames, seconds, in the mean of the last ones */
} ef_change;

static inline float ef_change_sum(ef_change *own) {
    float sum = 0.0f;
    int32_t used = 0;
    for (int32_t i = 0; i < own->count; i++) {
        const float amplitude = csi_get_amplitude(i);
        own->step[i] = ef_clamp(amplitude - own->before[i], -EF_CHANGE_LARGEST, EF_CHANGE_LARGEST);
        own->before[i] = amplitude;
        if (i >= EF_CHANGE_NEARBY && amplitude > 0.0f) {
            sum += own->step[i] * own->step[i - EF_CHANGE_NEARBY];
            used++;
        }
    }
    return used > 0 ? sum / (float)used : 0.0f;
}

/* Power of the change by the newest frame, which may be a little below 0; 0 where there is nothing to compare with. */
static inline float ef_change_step(ef_change *own, int32_t subcarriers) {
    const bool alike = own->count == subcarriers;
    own->count = subcarriers < EF_MAX_SUBCARRIERS ? subcarriers : EF_MAX_SUBCARRIERS;
    own->passed = ef_clock_step(&own->clock);
    if (own->passed > 0.0f) {
        own->interval += 0.05f * (own->passed - own->interval);
    }
    const float sum = ef_change_sum(own);
    return alike && own->passed > 0.0f && own->passed < EF_CHANGE_LONGEST_S ? sum : 0.0f;
}

#endif
