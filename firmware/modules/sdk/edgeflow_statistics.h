/* A bounded ring of floats, and what can be said of its values. */
#ifndef EDGEFLOW_STATISTICS_H
#define EDGEFLOW_STATISTICS_H

#include <stdint.h>

#include "edgeflow_math.h"

typedef struct ef_ring {
    float *values;
    int32_t capacity, count, next;
} ef_ring;

/* Defines a ring that holds so many values. */
#define EF_RING(name, size) \
    static float name##_values[size]; \
    static ef_ring name = {name##_values, size, 0, 0}

static inline void ef_ring_clear(ef_ring *ring) {
    ring->count = ring->next = 0;
}

/* The oldest value makes room. */
static inline void ef_ring_push(ef_ring *ring, float value) {
    ring->values[ring->next] = value;
    ring->next = ring->next + 1 < ring->capacity ? ring->next + 1 : 0;
    ring->count += ring->count < ring->capacity;
}

static inline bool ef_ring_full(const ef_ring *ring) {
    return ring->count == ring->capacity;
}

/* By age, the oldest is 0; 0 beyond the newest. */
static inline float ef_ring_at(const ef_ring *ring, int32_t index) {
    if (index < 0 || index >= ring->count) {
        return 0.0f;
    }
    const int32_t at = ring->next - ring->count + index;
    return ring->values[at < 0 ? at + ring->capacity : at];
}

typedef struct ef_moments {
    float mean, variance;
} ef_moments;

/* Of the values from..to-1 by age. */
static inline ef_moments ef_ring_moments(const ef_ring *ring, int32_t from, int32_t to) {
    ef_moments own = {0.0f, 0.0f};
    float squares = 0.0f;
    int32_t used = 0;
    for (int32_t i = from; i < to && i < ring->count; i++) {
        const float value = ef_ring_at(ring, i), off = value - own.mean;
        own.mean += off / (float)++used;
        squares += off * (value - own.mean);
    }
    own.variance = used > 1 ? squares / (float)(used - 1) : 0.0f;
    return own;
}

#endif
