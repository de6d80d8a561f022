/* Rhythms: frames brought onto an even grid, then autocorrelation and the power at one frequency. */
#ifndef EDGEFLOW_RHYTHM_H
#define EDGEFLOW_RHYTHM_H

#include "edgeflow_math.h"
#include "edgeflow_statistics.h"
#include "edgeflow_time.h"

#define EF_RHYTHM_MOST 256
#define EF_GRID_FILL 5 /* so many empty steps take the value before; more is a gap */

typedef struct ef_grid {
    ef_ring *ring;
    uint32_t step_ms;
    uint32_t edge; /* when the step that is being gathered ends */
    float sum, last;
    int32_t used;
    bool running;
} ef_grid;

/* Gathers the values of a step into their mean and pushes it to the ring; returns how many steps were completed.
 * After a gap the ring is cleared and the grid begins anew. */
static inline int32_t ef_grid_push(ef_grid *grid, float value) {
    const uint32_t now = ef_now();
    const uint32_t behind = now - (grid->edge - grid->step_ms);
    if (!grid->running || behind > grid->step_ms * (EF_GRID_FILL + 1)) {
        ef_ring_clear(grid->ring);
        grid->running = true;
        grid->edge = now + grid->step_ms;
        grid->sum = grid->last = value;
        grid->used = 1;
        return 0;
    }
    int32_t done = 0;
    while ((int32_t)(now - grid->edge) >= 0) {
        grid->last = grid->used ? grid->sum / (float)grid->used : grid->last;
        ef_ring_push(grid->ring, grid->last);
        grid->sum = 0.0f;
        grid->used = 0;
        grid->edge += grid->step_ms;
        done++;
    }
    grid->sum += value;
    grid->used++;
    return done;
}

/* The ring's values about their mean, oldest first; what is beyond EF_RHYTHM_MOST is left out. Returns how many. */
static inline int32_t ef_rhythm_unroll(const ef_ring *ring, float *to) {
    const int32_t count = ring->count < EF_RHYTHM_MOST ? ring->count : EF_RHYTHM_MOST;
    int32_t at = ring->next - ring->count;
    at = at < 0 ? at + ring->capacity : at;
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        to[i] = ring->values[at];
        sum += to[i];
        at = at + 1 < ring->capacity ? at + 1 : 0;
    }
    for (int32_t i = 0; i < count; i++) {
        to[i] -= sum / (float)count;
    }
    return count;
}

/* Mean product of values about their mean with those so many steps before. */
static inline float ef_rhythm_product(const float *values, int32_t count, int32_t lag) {
    float sum = 0.0f;
    for (int32_t i = lag; i < count; i++) {
        sum += values[i] * values[i - lag];
    }
    return sum / (float)(count - lag);
}

static inline float ef_rhythm_correlation(const float *values, int32_t count, int32_t lag) {
    if (lag < 1 || count < 2 * lag) {
        return 0.0f;
    }
    const float most = ef_rhythm_product(values, count, 0);
    return most > 0.0f ? ef_clamp(ef_rhythm_product(values, count, lag) / most, -1.0f, 1.0f) : 0.0f;
}

/* Correlation (-1 to 1) of the ring's values with those so many steps before; 0 when there are too few or all are alike. */
static inline float ef_autocorrelation(const ef_ring *ring, int32_t lag) {
    static float values[EF_RHYTHM_MOST];
    return ef_rhythm_correlation(values, ef_rhythm_unroll(ring, values), lag);
}

/* The shortest period in steps, from..to, whose correlation is a peak above a least one and that half a period contradicts;
 * 0 for none. The contradiction tells a rhythm from a slow change. */
static inline int32_t ef_period(const ef_ring *ring, int32_t from, int32_t to, float least) {
    static float values[EF_RHYTHM_MOST];
    const int32_t count = ef_rhythm_unroll(ring, values);
    if (from < 2 || count < 2 * (to + 1)) {
        return 0;
    }
    const float enough = least * ef_rhythm_product(values, count, 0);
    float before = ef_rhythm_product(values, count, from - 1), here = ef_rhythm_product(values, count, from);
    for (int32_t lag = from; lag <= to; lag++) {
        const float after = ef_rhythm_product(values, count, lag + 1);
        const bool peak = here > enough && here >= before && here >= after;
        if (peak && ef_rhythm_product(values, count, lag / 2) < 0.0f) {
            return lag;
        }
        before = here;
        here = after;
    }
    return 0;
}

/* Power of values about their mean at a frequency in cycles per step: half the square of the wave's amplitude. */
static inline float ef_rhythm_power(const float *values, int32_t count, float cycles_per_step) {
    const float twice = 2.0f * ef_cos(2.0f * EF_PI * cycles_per_step), size = (float)count;
    float before = 0.0f, now = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        const float next = values[i] + twice * now - before;
        before = now;
        now = next;
    }
    return count > 0 ? 2.0f * (now * now + before * before - twice * now * before) / (size * size) : 0.0f;
}

static inline float ef_power(const ef_ring *ring, float cycles_per_step) {
    static float values[EF_RHYTHM_MOST];
    return ef_rhythm_power(values, ef_rhythm_unroll(ring, values), cycles_per_step);
}

#endif
