/* Time of modules: seconds between calls whatever the frame rate, without gaps; and things that are due every so often. */
#ifndef EDGEFLOW_TIME_H
#define EDGEFLOW_TIME_H

#include "edgeflow_csi.h"

#define EF_GAP_MS 2500u /* longer without a call is a gap: twice the timer's second, and some */

typedef struct ef_clock {
    uint32_t last; /* ms */
    bool running;
    bool gap; /* the step just made is the first one, or follows a gap: begin anew */
} ef_clock;

static inline uint32_t ef_now(void) {
    return (uint32_t)csi_get_timestamp();
}

/* Seconds since a time of ef_now(), which may have wrapped in between. */
static inline float ef_seconds_since(uint32_t then) {
    return (float)(ef_now() - then) * 0.001f;
}

/* Seconds since the step before; 0 for the first one, after a gap, and for frames within one millisecond. */
static inline float ef_clock_step(ef_clock *clock) {
    const uint32_t now = ef_now();
    const uint32_t passed = now - clock->last;
    const bool known = clock->running && passed <= EF_GAP_MS;
    clock->gap = !known;
    clock->running = true;
    clock->last = now;
    return known ? (float)passed * 0.001f : 0.0f;
}

/* Whether so many milliseconds have passed since it last said so. The first time is one interval after the start. */
static inline bool ef_every(uint32_t *then, uint32_t interval_ms) {
    const uint32_t now = ef_now();
    if (now - *then < interval_ms) {
        return false;
    }
    *then = now;
    return true;
}

#endif
