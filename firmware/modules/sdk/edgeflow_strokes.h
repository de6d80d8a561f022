/*
 * When an arm near the link moves, a tenth of a second at a time: how far groups of subcarriers went within a fifth of a second,
 * brought to between 0 and 1 by what is usual. One link sees when, not where to.
 */
#ifndef EDGEFLOW_STROKES_H
#define EDGEFLOW_STROKES_H

#include "edgeflow_filter.h"
#include "edgeflow_math.h"
#include "edgeflow_time.h"

#define EF_STROKE_STEP_S 0.1f
#define EF_STROKE_GROUPS 16
#define EF_STROKE_BACK 2      /* steps that are compared */
#define EF_STROKE_LEAST 1e-6f
#define EF_STROKE_USUAL_S 15.0f
#define EF_STROKE_SETTLE_S 5.0f
#define EF_STROKE_OUTLIER 3.0f /* times the usual distance: what is more teaches no more */
#define EF_STROKE_BEGINS 1.5f  /* times the usual distance: 0 */
#define EF_STROKE_CERTAIN 3.5f /* 1 */

typedef struct ef_stroke_groups {
    float real[EF_STROKE_GROUPS], imaginary[EF_STROKE_GROUPS];
} ef_stroke_groups;

typedef struct ef_strokes {
    ef_stroke_groups frame, sums, steps[EF_STROKE_BACK + 1];
    int32_t newest, known;
    float weights, since_step, far_before;
    ef_smooth usual;
} ef_strokes;

/* Forget what is unfinished, as after a gap; what is usual stays. */
static inline void ef_strokes_begin(ef_strokes *own) {
    own->known = 0;
    own->since_step = 0.0f;
}

static inline void ef_strokes_gather(ef_stroke_groups *frame, int32_t subcarriers) {
    for (int32_t g = 0; g < EF_STROKE_GROUPS; g++) {
        frame->real[g] = frame->imaginary[g] = 0.0f;
    }
    for (int32_t i = 0; i < subcarriers; i++) {
        const float amplitude = csi_get_amplitude(i), phase = csi_get_phase(i);
        const int32_t group = i * EF_STROKE_GROUPS / subcarriers;
        frame->real[group] += amplitude * ef_cos(phase);
        frame->imaginary[group] += amplitude * ef_sin(phase);
    }
}

static inline float ef_strokes_distance(const ef_stroke_groups *a, const ef_stroke_groups *b) {
    float far = 0.0f;
    for (int32_t g = 0; g < EF_STROKE_GROUPS; g++) {
        const float real = a->real[g] - b->real[g], imaginary = a->imaginary[g] - b->imaginary[g];
        far += real * real + imaginary * imaginary;
    }
    return far;
}

/* Take a frame in. One that lies further from the step before than its neighbours do is disturbed, and counts less. */
static inline void ef_strokes_add(ef_strokes *own, int32_t subcarriers) {
    ef_strokes_gather(&own->frame, subcarriers);
    const float far = own->known > 0 ? ef_strokes_distance(&own->frame, &own->steps[own->newest]) + EF_STROKE_LEAST : 1.0f;
    for (int32_t g = 0; g < EF_STROKE_GROUPS; g++) {
        own->sums.real[g] += own->frame.real[g] / far;
        own->sums.imaginary[g] += own->frame.imaginary[g] / far;
    }
    own->weights += 1.0f / far;
}

static inline void ef_strokes_end_step(ef_strokes *own) {
    own->newest = (own->newest + 1) % (EF_STROKE_BACK + 1);
    for (int32_t g = 0; g < EF_STROKE_GROUPS; g++) {
        own->steps[own->newest].real[g] = own->sums.real[g] / own->weights;
        own->steps[own->newest].imaginary[g] = own->sums.imaginary[g] / own->weights;
        own->sums.real[g] = own->sums.imaginary[g] = 0.0f;
    }
    own->weights = 0.0f;
    own->known++;
}

/* A disturbed step lies far from those two before and after it, but its neighbours do not: the smaller of two in a row. */
static inline float ef_strokes_gone(ef_strokes *own) {
    const ef_stroke_groups *now = &own->steps[own->newest], *then = &own->steps[(own->newest + 1) % (EF_STROKE_BACK + 1)];
    const float far = ef_strokes_distance(now, then);
    const float nearer = ef_min(far, own->far_before);
    own->far_before = far;
    return nearer;
}

static inline float ef_strokes_level(ef_strokes *own, float far) {
    ef_smooth *usual = &own->usual;
    const float most = usual->seconds > EF_STROKE_SETTLE_S ? EF_STROKE_OUTLIER * usual->value : far;
    const float ratio = usual->value > 0.0f ? far / usual->value : 0.0f;
    ef_smooth_step(usual, ef_min(far, most), EF_STROKE_STEP_S, EF_STROKE_USUAL_S);
    const float level = (ratio - EF_STROKE_BEGINS) / (EF_STROKE_CERTAIN - EF_STROKE_BEGINS);
    return usual->seconds > EF_STROKE_SETTLE_S ? ef_clamp(level, 0.0f, 1.0f) : 0.0f;
}

/* Let time go on, before the frame is added: how many steps ended, which were all of this level. */
static inline int32_t ef_strokes_step(ef_strokes *own, float passed, float *level) {
    int32_t ended = 0;
    own->since_step += passed;
    if (own->since_step >= EF_STROKE_STEP_S && own->weights > 0.0f) {
        ef_strokes_end_step(own);
        *level = own->known > EF_STROKE_BACK + 1 ? ef_strokes_level(own, ef_strokes_gone(own)) : 0.0f;
        for (; own->since_step >= EF_STROKE_STEP_S; own->since_step -= EF_STROKE_STEP_S) {
            ended++;
        }
    }
    return ended;
}

#endif
