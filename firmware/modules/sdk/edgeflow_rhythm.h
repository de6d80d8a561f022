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

static inline int32_t ef_rhythm_next(const ef_ring *ring, int32_t at) {
    return at + 1 < ring->capacity ? at + 1 : 0;
}

static inline int32_t ef_rhythm_oldest(const ef_ring *ring) {
    return ring->next >= ring->count ? ring->next - ring->count : ring->next - ring->count + ring->capacity;
}

/* Correlation (-1 to 1) of the ring's values with those so many steps before; 0 when there are too few or all are alike. */
static inline float ef_autocorrelation(const ef_ring *ring, int32_t lag) {
    if (lag < 1 || ring->count < 2 * lag) {
        return 0.0f;
    }
    float sum = 0.0f, squares = 0.0f, products = 0.0f;
    const int32_t oldest = ef_rhythm_oldest(ring);
    for (int32_t i = 0, at = oldest; i < ring->count; i++, at = ef_rhythm_next(ring, at)) {
        sum += ring->values[at];
    }
    const float mean = sum / (float)ring->count;
    for (int32_t i = 0, at = oldest, before = oldest; i < ring->count; i++, at = ef_rhythm_next(ring, at)) {
        const float here = ring->values[at] - mean;
        squares += here * here;
        if (i >= lag) {
            products += here * (ring->values[before] - mean);
            before = ef_rhythm_next(ring, before);
        }
    }
    const float most = squares * (float)(ring->count - lag) / (float)ring->count;
    return most > 0.0f ? ef_clamp(products / most, -1.0f, 1.0f) : 0.0f;
}

/* The shortest period in steps, from..to, whose correlation is a peak above a least one and that half a period contradicts;
 * 0 for none. The contradiction tells a rhythm from a slow change. */
static inline int32_t ef_period(const ef_ring *ring, int32_t from, int32_t to, float least) {
    float before = ef_autocorrelation(ring, from - 1), here = ef_autocorrelation(ring, from);
    for (int32_t lag = from; lag <= to; lag++) {
        const float after = ef_autocorrelation(ring, lag + 1);
        if (here > least && here >= before && here >= after && ef_autocorrelation(ring, lag / 2) < 0.0f) {
            return lag;
        }
        before = here;
        here = after;
    }
    return 0;
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
