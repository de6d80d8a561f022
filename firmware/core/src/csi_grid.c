/* The slow grid: groups of subcarriers averaged over an eighth of a second, gaps bridged, whatever the frame rate. */
#include <string.h>

#include "csi_internal.h"

#define SCALE 1536.0f
#define LONGEST_BRIDGE 20u /* ticks without a frame: more than the gap behind which all starts anew */

void ef_csi_grid_reset(ef_csi *csi) {
    memset(csi->sums, 0, sizeof csi->sums);
    csi->tick = csi->stored = csi->time_us / EF_CSI_TICK_US;
    csi->in_tick = 0.0f;
    csi->filled = csi->head = csi->still = 0;
    csi->job = csi->step = csi->granted = 0;
    csi->span = 0;
    csi->breathing = csi->heart = (ef_csi_rate){0};
    csi->apnea = (ef_csi_apnea){0};
    csi->seen = csi->persons = csi->told = csi->cycles = 0;
    csi->moving_change = csi->moving_total = 0.0f;
    csi->motion = false;
    ef_csi_fall_reset(csi);
}

/* Cosines over the groups, each as long as all of them together, of unit energy but for the first. */
static void to_modes(const float *groups, float *modes) {
    const size_t step = EF_CSI_SAMPLES / (4u * EF_CSI_GROUPS);
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        float sum = 0.0f;
        for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
            sum += groups[g] * ef_csi_sine_of((2u * g + 1u) * m * step + EF_CSI_SAMPLES / 4u);
        }
        modes[m] = sum;
    }
}

/* More frames make less noise, but a breath must not sway with their number. */
static uint8_t worth_of(ef_csi *csi, float trust) {
    csi->usual_trust += (csi->filled == 0 ? 1.0f : 1.0f / 64.0f) * (trust - csi->usual_trust);
    return (uint8_t)(255.0f * trust / (trust + 0.5f * csi->usual_trust + 1e-6f));
}

static void store(ef_csi *csi, const float *groups, float trust) {
    if (csi->filled == 0) {
        memcpy(csi->slow, groups, sizeof csi->slow);
        memcpy(csi->last, groups, sizeof csi->last);
    }
    float modes[EF_CSI_MODES];
    to_modes(groups, modes);
    for (size_t m = 0; m < EF_CSI_MODES; m++) {
        const float scaled = ef_csi_clip(modes[m] * SCALE, -32767.0f, 32767.0f);
        csi->ring[csi->head][m] = (int16_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
    }
    csi->worth[csi->head] = worth_of(csi, trust);
    csi->head = (uint16_t)((csi->head + 1u) % EF_CSI_TICKS);
    csi->filled = (uint16_t)(csi->filled < EF_CSI_TICKS ? csi->filled + 1u : csi->filled);
    ef_csi_motion_tick(csi, groups);
    if (csi->options.zero_crossing) {
        ef_csi_crossing_tick(csi, modes);
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
        store(csi, step < steps ? groups : to, step < steps ? 0.0f : csi->in_tick);
    }
    memset(csi->sums, 0, sizeof csi->sums);
    csi->in_tick = 0.0f;
    csi->stored = csi->tick;
}

/* Fields of a frame see the same echoes: their groups are the same part of the band. */
static void add_field(const ef_csi *csi, const ef_csi_field *field, float share, float *groups) {
    for (size_t g = 0, v = 0; g < EF_CSI_GROUPS; g++) {
        const size_t end = (g + 1u) * field->count / EF_CSI_GROUPS, count = end - v;
        float sum = 0.0f;
        for (; v < end; v++) {
            sum += csi->amplitude[csi->bins[field->first + v]];
        }
        groups[g] += count > 0 ? share * sum / (float)count : 0.0f;
    }
}

void ef_csi_grid_frame(ef_csi *csi) {
    const uint64_t tick = csi->time_us / EF_CSI_TICK_US;
    if (csi->in_tick > 0.0f && tick != csi->tick) {
        close_tick(csi);
    }
    csi->tick = tick;
    csi->in_tick += csi->trust;
    const size_t fields = (csi->subcarriers + EF_CSI_FIELD - 1u) / EF_CSI_FIELD;
    float groups[EF_CSI_GROUPS] = {0};
    for (size_t i = 0; i < fields; i++) {
        add_field(csi, &csi->fields[i], 1.0f / (float)fields, groups);
    }
    for (size_t g = 0; g < EF_CSI_GROUPS; g++) {
        csi->sums[g] += csi->trust * groups[g];
    }
    if (csi->options.tier >= 2) {
        ef_csi_fall_frame(csi, groups);
    }
    ef_csi_cycle_frame(csi);
}
