/* Rhythms: frames brought onto an even grid, then autocorrelation and the power at one frequency. */
#ifndef EDGEFLOW_RHYTHM_H
#define EDGEFLOW_RHYTHM_H

#include "edgeflow_math.h"
#include "edgeflow_statistics.h"
#include "edgeflow_time.h"

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

/* Correlation (-1 to 1) of the ring's values with those so many steps before; 0 when there are too few or all are alike. */
static inline float ef_autocorrelation(const ef_ring *ring, int32_t lag) {
    if (lag < 1 || ring->count < 2 * lag) {
        return 0.0f;
    }
    const ef_moments own = ef_ring_moments(ring, 0, ring->count);
    float sum = 0.0f;
    for (int32_t i = lag; i < ring->count; i++) {
        sum += (ef_ring_at(ring, i) - own.mean) * (ef_ring_at(ring, i - lag) - own.mean);
    }
    const float most = own.variance * (float)(ring->count - lag);
    return most > 0.0f ? ef_clamp(sum / most, -1.0f, 1.0f) : 0.0f;
}

/* Power of the ring's values about their mean at a frequency in cycles per step: half the square of the wave's amplitude. */
static inline float ef_power(const ef_ring *ring, float cycles_per_step) {
    const float mean = ef_ring_moments(ring, 0, ring->count).mean;
    const float twice = 2.0f * ef_cos(2.0f * EF_PI * cycles_per_step);
    float before = 0.0f, now = 0.0f;
    for (int32_t i = 0; i < ring->count; i++) {
        const float next = ef_ring_at(ring, i) - mean + twice * now - before;
        before = now;
        now = next;
    }
    const float count = (float)ring->count;
    return count > 0.0f ? 2.0f * (now * now + before * before - twice * now * before) / (count * count) : 0.0f;
}

#endif
