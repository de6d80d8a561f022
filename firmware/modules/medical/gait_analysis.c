/*
 * Steps of somebody who walks, from the rhythm of what changes between frames. Tells nothing unless that rhythm is clear, which
 * it is not where the trunk's own fading hides it. An indication, not a diagnosis.
 */
#include "edgeflow_change.h"
#include "edgeflow_filter.h"
#include "edgeflow_rhythm.h"

#define CADENCE 130
#define ASYMMETRY 131
#define FALL_RISK 132
#define SHUFFLING 133
#define FESTINATION 134

#define STEP_MS 50u
#define STEPS 200            /* ten seconds */
#define FASTEST 8            /* lags: 2.5 steps a second */
#define SLOWEST 24           /* 0.83 */
#define CLEAR 0.6f           /* correlation of a rhythm */
#define LONGEST_INTERVAL 0.07f /* s between frames: a step needs several */
#define WALKS 0.5f           /* of the motion score */
#define SHUFFLES 0.8f        /* and below this while steps are quick */
#define QUICK 130.0f         /* steps a minute */
#define HURRIES 1.2f         /* of the mean cadence */
#define USUAL_S 30.0f
#define LOOK_MS 2000u

EF_RING(change, STEPS);
static ef_grid grid = {.ring = &change, .step_ms = STEP_MS};
static ef_change frames;
static ef_smooth usual, spread;
static uint32_t looked;

/* Steps that differ from side to side resemble the one before the last more than the last. */
static float asymmetry(int32_t lag) {
    return ef_clamp(ef_autocorrelation(&change, 2 * lag) - ef_autocorrelation(&change, lag), 0.0f, 1.0f);
}

static void tell(float cadence, float uneven, float energy) {
    csi_emit_event(CADENCE, cadence);
    csi_emit_event(ASYMMETRY, uneven);
    const float unsteady = ef_sqrt(spread.value) / usual.value;
    csi_emit_event(FALL_RISK, ef_clamp(100.0f * (2.0f * unsteady + 0.5f * uneven), 0.0f, 100.0f));
    if (energy < SHUFFLES && cadence > QUICK) {
        csi_emit_event(SHUFFLING, cadence);
    }
    if (usual.seconds > USUAL_S && cadence > HURRIES * usual.value) {
        csi_emit_event(FESTINATION, cadence / usual.value);
    }
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float power = ef_change_step(&frames, subcarriers);
    ef_grid_push(&grid, ef_sqrt(power));
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float energy = csi_get_motion_energy();
    const bool ready = ef_ring_full(&change) && frames.interval < LONGEST_INTERVAL && energy > WALKS;
    if (!ready || !ef_every(&looked, LOOK_MS)) {
        return;
    }
    const int32_t lag = ef_period(&change, FASTEST, SLOWEST, CLEAR);
    if (lag == 0) {
        return;
    }
    const float cadence = 60000.0f / (float)(lag * (int32_t)STEP_MS);
    ef_smooth_step(&usual, cadence, 0.001f * (float)LOOK_MS, USUAL_S);
    const float off = cadence - usual.value;
    ef_smooth_step(&spread, off * off, 0.001f * (float)LOOK_MS, USUAL_S);
    tell(cadence, asymmetry(lag), energy);
}
