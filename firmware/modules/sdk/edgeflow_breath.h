/*
 * How deep somebody breathes, as it goes: the amplitudes of sixteen groups of subcarriers in the band of breathing, along the
 * direction in which they vary most together. It has no unit; compare it with what it was while the core read a breath.
 */
#ifndef EDGEFLOW_BREATH_H
#define EDGEFLOW_BREATH_H

#include "edgeflow_filter.h"
#include "edgeflow_math.h"
#include "edgeflow_time.h"

#define EF_BREATH_GROUPS 16
#define EF_BREATH_QUICK_S 0.3f    /* passes what is slower than 0.5 Hz */
#define EF_BREATH_SLOW_S 2.0f     /* and faster than 0.08 Hz */
#define EF_BREATH_DIRECTION_S 40.0f
#define EF_BREATH_TICK_S 0.25f
#define EF_BREATH_DEPTH_S 4.0f    /* about a breath */

typedef struct ef_breath {
    ef_clock clock;
    float quick[EF_BREATH_GROUPS], slow[EF_BREATH_GROUPS], weight[EF_BREATH_GROUPS];
    float products[EF_BREATH_GROUPS][EF_BREATH_GROUPS];
    float learnt, since_tick; /* s */
    ef_smooth depth; /* power along the direction, over about a breath */
    float value;     /* the breath itself */
} ef_breath;

static inline void ef_breath_gather(float *groups, int32_t subcarriers) {
    float used[EF_BREATH_GROUPS];
    for (int32_t g = 0; g < EF_BREATH_GROUPS; g++) {
        groups[g] = used[g] = 0.0f;
    }
    for (int32_t i = 0; i < subcarriers; i++) {
        const float amplitude = csi_get_amplitude(i);
        groups[i * EF_BREATH_GROUPS / subcarriers] += amplitude;
        used[i * EF_BREATH_GROUPS / subcarriers] += amplitude > 0.0f ? 1.0f : 0.0f;
    }
    for (int32_t g = 0; g < EF_BREATH_GROUPS; g++) {
        groups[g] = used[g] > 0.0f ? groups[g] / used[g] : 0.0f;
    }
}

static inline void ef_breath_begin(ef_breath *own, const float *groups) {
    for (int32_t g = 0; g < EF_BREATH_GROUPS; g++) {
        own->quick[g] = own->slow[g] = groups[g];
        own->weight[g] = 0.25f;
    }
    own->depth = (ef_smooth){0.0f, 0.0f};
    own->learnt = own->since_tick = 0.0f;
}

/* The mean of the products of groups, and one step of the power iteration towards its strongest direction. */
static inline void ef_breath_turn(ef_breath *own, const float *band) {
    float next[EF_BREATH_GROUPS], square = 0.0f;
    own->learnt += own->learnt < EF_BREATH_DIRECTION_S ? EF_BREATH_TICK_S : 0.0f;
    const float share = EF_BREATH_TICK_S / own->learnt;
    for (int32_t a = 0; a < EF_BREATH_GROUPS; a++) {
        next[a] = 0.0f;
        for (int32_t b = 0; b < EF_BREATH_GROUPS; b++) {
            own->products[a][b] += share * (band[a] * band[b] - own->products[a][b]);
            next[a] += own->products[a][b] * own->weight[b];
        }
        square += next[a] * next[a];
    }
    const float length = ef_sqrt(square);
    for (int32_t g = 0; g < EF_BREATH_GROUPS && length > 0.0f; g++) {
        own->weight[g] = next[g] / length;
    }
}

static inline void ef_breath_tick(ef_breath *own, bool learn) {
    float band[EF_BREATH_GROUPS], value = 0.0f;
    for (int32_t g = 0; g < EF_BREATH_GROUPS; g++) {
        band[g] = own->quick[g] - own->slow[g];
        value += own->weight[g] * band[g];
    }
    own->value = value;
    ef_smooth_step(&own->depth, value * value, EF_BREATH_TICK_S, EF_BREATH_DEPTH_S);
    if (learn) {
        ef_breath_turn(own, band);
    }
}

/* Takes the newest frame in, and learns the direction when told that somebody may be breathing and nothing else stirs. */
static inline void ef_breath_frame(ef_breath *own, int32_t subcarriers, bool learn) {
    float groups[EF_BREATH_GROUPS];
    const float passed = ef_clock_step(&own->clock);
    ef_breath_gather(groups, subcarriers);
    if (own->clock.gap) {
        ef_breath_begin(own, groups);
        return;
    }
    for (int32_t g = 0; g < EF_BREATH_GROUPS; g++) {
        own->quick[g] += passed / (EF_BREATH_QUICK_S + passed) * (groups[g] - own->quick[g]);
        own->slow[g] += passed / (EF_BREATH_SLOW_S + passed) * (groups[g] - own->slow[g]);
    }
    own->since_tick += passed;
    while (own->since_tick >= EF_BREATH_TICK_S) {
        own->since_tick -= EF_BREATH_TICK_S;
        ef_breath_tick(own, learn);
    }
}

#endif
