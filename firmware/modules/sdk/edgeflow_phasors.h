/* The newest frame as complex numbers, one for each subcarrier: amplitude and phase together hold all there is. */
#ifndef EDGEFLOW_PHASORS_H
#define EDGEFLOW_PHASORS_H

#include "edgeflow_csi.h"
#include "edgeflow_math.h"

typedef struct ef_phasors {
    float real[EF_MAX_SUBCARRIERS], imaginary[EF_MAX_SUBCARRIERS];
    int32_t count;
} ef_phasors;

/* Takes the newest frame; false if it has another number of subcarriers than what was there: begin anew. */
static inline bool ef_phasors_take(ef_phasors *own, int32_t subcarriers) {
    const int32_t before = own->count;
    own->count = subcarriers < EF_MAX_SUBCARRIERS ? subcarriers : EF_MAX_SUBCARRIERS;
    for (int32_t i = 0; i < own->count; i++) {
        const float amplitude = csi_get_amplitude(i), phase = csi_get_phase(i);
        own->real[i] = amplitude * ef_cos(phase);
        own->imaginary[i] = amplitude * ef_sin(phase);
    }
    return own->count == before;
}

/* Moves a mean towards the newest frame by a share, 0 to 1. */
static inline void ef_phasors_blend(ef_phasors *mean, const ef_phasors *frame, float share) {
    mean->count = frame->count;
    for (int32_t i = 0; i < frame->count; i++) {
        mean->real[i] += share * (frame->real[i] - mean->real[i]);
        mean->imaginary[i] += share * (frame->imaginary[i] - mean->imaginary[i]);
    }
}

/* Assigning the struct would need a memcpy, which a module does not have. */
static inline void ef_phasors_copy(ef_phasors *to, const ef_phasors *frame) {
    ef_phasors_blend(to, frame, 1.0f);
}

/* Power of what two frames differ by, summed over the subcarriers. */
static inline float ef_phasors_distance(const ef_phasors *a, const ef_phasors *b) {
    float sum = 0.0f;
    for (int32_t i = 0; i < a->count; i++) {
        const float real = a->real[i] - b->real[i], imaginary = a->imaginary[i] - b->imaginary[i];
        sum += real * real + imaginary * imaginary;
    }
    return sum;
}

/* How alike two frames are whatever their gain and common phase: 1 for the same channel, near 0 for unrelated ones. */
static inline float ef_phasors_likeness(const ef_phasors *a, const ef_phasors *b) {
    float real = 0.0f, imaginary = 0.0f, power_a = 0.0f, power_b = 0.0f;
    for (int32_t i = 0; i < a->count; i++) {
        real += a->real[i] * b->real[i] + a->imaginary[i] * b->imaginary[i];
        imaginary += a->imaginary[i] * b->real[i] - a->real[i] * b->imaginary[i];
        power_a += a->real[i] * a->real[i] + a->imaginary[i] * a->imaginary[i];
        power_b += b->real[i] * b->real[i] + b->imaginary[i] * b->imaginary[i];
    }
    const float most = power_a * power_b;
    return most > 0.0f ? ef_sqrt((real * real + imaginary * imaginary) / most) : 0.0f;
}

#endif
