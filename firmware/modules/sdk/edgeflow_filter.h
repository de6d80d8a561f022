/* Smoothing with time constants in seconds, and states that must last before they count. */
#ifndef EDGEFLOW_FILTER_H
#define EDGEFLOW_FILTER_H

#include <stdbool.h>

typedef struct ef_smooth {
    float value;
    float seconds; /* seen so far: a young mean follows faster, so that it starts at what is there */
} ef_smooth;

/* A running mean that forgets with a time constant; returns it. Steps of 0 seconds change nothing but the very first. What is no
 * number is left out, since it would stay for ever. */
static inline float ef_smooth_step(ef_smooth *own, float value, float seconds, float constant) {
    if (__builtin_isnan(value)) {
        return own->value;
    }
    if (own->seconds <= 0.0f) {
        own->value = value;
    }
    own->seconds += seconds;
    const float span = own->seconds < constant ? own->seconds : constant;
    if (seconds > 0.0f) {
        own->value += (value - own->value) * seconds / (span + seconds);
    }
    return own->value;
}

typedef struct ef_hold {
    bool on;
    float seconds; /* for how long the opposite has been asked for */
} ef_hold;

/* Turns on or off when that has been wanted for so long without a break; returns 1 when it turned on, -1 off, else 0. */
static inline int ef_hold_step(ef_hold *own, bool wanted, float seconds, float on_after, float off_after) {
    if (wanted == own->on) {
        own->seconds = 0.0f;
        return 0;
    }
    own->seconds += seconds;
    if (own->seconds < (wanted ? on_after : off_after)) {
        return 0;
    }
    own->on = wanted;
    own->seconds = 0.0f;
    return wanted ? 1 : -1;
}

#endif
