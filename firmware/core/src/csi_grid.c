/* The slow grid: groups of subcarriers averaged over an eighth of a second, gaps bridged, whatever the frame rate. */
#include <string.h>

#include "csi_internal.h"

#define SCALE 8192.0f
#define LONGEST_BRIDGE 20u /* ticks without a frame: more than the gap behind which all starts anew */

void ef_csi_grid_reset(ef_csi *csi) {
    memset(csi->sums, 0, sizeof csi->sums);
    csi->tick = csi->stored = csi->time_us / EF_CSI_TICK_US;
    csi->in_tick = csi->filled = csi->head = csi->still = 0;
    csi->job = csi->best = 0;
    csi->step = csi->granted = csi->span = 0;
    ef_csi_parts_reset(csi);
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->persons = 0;
    csi->moving_change = csi->moving_total = 0.0f;
    csi->motion = false;
}

static void store(ef_csi *csi, const float *groups) {
    if (csi->filled == 0) {
        memcpy(csi->slow, groups, sizeof csi->slow);
        memcpy(csi->last, groups, sizeof csi->last);
    }
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        const float scaled = ef_csi_clip(groups[g] * SCALE, -32767.0f, 32767.0f);
        csi->ring[csi->head][g] = (int16_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
    }
    csi->head = (uint16_t)((csi->head + 1u) % EF_CSI_TICKS);
    csi->filled = (uint16_t)(csi->filled < EF_CSI_TICKS ? csi->filled + 1u : csi->filled);
    ef_csi_motion_tick(csi, groups);
    if (csi->motion) {
        ef_csi_parts_reset(csi);
    } else if (csi->options.tier >= 2) {
        ef_csi_parts_tick(csi, groups);
    }
    if (csi->options.zero_crossing) {
        ef_csi_crossing_tick(csi, groups);
    }
    memcpy(csi->last, groups, sizeof csi->last);
    ef_csi_cycle_tick(csi);
    if (csi->head % 8u == 0) {
        ef_csi_second(csi);
        ef_csi_rank(csi);
    }
}

/* Ticks without a frame lie before the one that is complete now: a straight line bridges them. */
static void close_tick(ef_csi *csi) {
    float from[EF_CSI_GROUPS], to[EF_CSI_GROUPS], groups[EF_CSI_GROUPS];
    const uint64_t steps = csi->filled == 0 ? 1 : csi->tick - csi->stored;
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        from[g] = csi->last[g];
        to[g] = csi->sums[g] / csi->in_tick;
    }
    for (uint64_t step = 1; step <= steps && step <= LONGEST_BRIDGE; step++) {
        const float share = (float)step / (float)steps;
        for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
            groups[g] = from[g] + share * (to[g] - from[g]);
        }
        store(csi, step < steps ? groups : to);
    }
    memset(csi->sums, 0, sizeof csi->sums);
    csi->in_tick = 0;
    csi->stored = csi->tick;
}

void ef_csi_grid_frame(ef_csi *csi) {
    const uint64_t tick = csi->time_us / EF_CSI_TICK_US;
    if (csi->in_tick > 0 && tick != csi->tick) {
        close_tick(csi);
    }
    csi->tick = tick;
    csi->in_tick++;
    for (size_t g = 0, v = 0; g < EF_CSI_GROUPS; g++) {
        const size_t end = (g + 1u) * csi->valid / EF_CSI_GROUPS, count = end - v;
        float sum = 0.0f;
        for (; v < end; v++) {
            sum += csi->amplitude[csi->bins[v]];
        }
        csi->sums[g] += count > 0 ? sum / (float)count : 0.0f;
    }
    ef_csi_cycle_frame(csi);
}
