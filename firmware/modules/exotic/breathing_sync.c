/* Two who breathe alike: halves of the band that carry the same rhythm at a steady distance of phase. */
#include "edgeflow_math.h"
#include "edgeflow_rhythm.h"
#include "edgeflow_room.h"
#include "edgeflow_statistics.h"

#define SYNC 670
#define PAIRS 671
#define COHERENCE 672
#define LOST 673

#define STEP_MS 250u
#define STEPS 120
#define PEOPLE 2
#define ALIKE 0.8f
#define LASTS_S 30.0f
#define REPORT_MS 10000u

EF_RING(lower, STEPS);
EF_RING(upper, STEPS);
static ef_grid low = {.ring = &lower, .step_ms = STEP_MS}, high = {.ring = &upper, .step_ms = STEP_MS};
static ef_room room;
static ef_hold together;
static uint32_t reported;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    float below = 0.0f, above = 0.0f;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float amplitude = csi_get_amplitude(i);
        below += 2 * i < subcarriers ? amplitude : 0.0f;
        above += 2 * i < subcarriers ? 0.0f : amplitude;
    }
    ef_grid_push(&low, below);
    ef_grid_push(&high, above);
}

static float alike(void) {
    const ef_moments one = ef_ring_moments(&lower, 0, STEPS), other = ef_ring_moments(&upper, 0, STEPS);
    float sum = 0.0f;
    for (int32_t i = 0; i < lower.count && i < upper.count; i++) {
        sum += (ef_ring_at(&lower, i) - one.mean) * (ef_ring_at(&upper, i) - other.mean);
    }
    const float most = ef_sqrt(one.variance * other.variance) * (float)(STEPS - 1);
    return most > 0.0f ? ef_abs(sum / most) : 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 10.0f, 60.0f);
    const bool two = room.somebody.on && !room.moving && csi_get_n_persons() >= PEOPLE && ef_ring_full(&lower);
    const float own = two ? alike() : 0.0f;
    const int turned = ef_hold_step(&together, own > ALIKE, room.passed, LASTS_S, LASTS_S);
    if (turned < 0) {
        csi_emit_event(LOST, 1.0f);
    } else if (together.on && ef_every(&reported, REPORT_MS)) {
        csi_emit_event(SYNC, own);
        csi_emit_event(PAIRS, 1.0f);
        csi_emit_event(COHERENCE, own);
    }
}
