/*
 * Signs of distress in the breath of somebody who is still: too fast, deeper than usual, or waxing and waning with a period of
 * half a minute to one and a half (Cheyne-Stokes). An indication, not a diagnosis: depth is relative, and changes too when
 * somebody turns, so it counts only until the next movement.
 */
#include "edgeflow_breath.h"
#include "edgeflow_rhythm.h"

#define TACHYPNEA 120
#define LABOURED 121
#define CHEYNE_STOKES 122
#define LEVEL 123

#define FAST 25.0f          /* breaths a minute */
#define FAST_S 30.0f
#define SLOWER_S 15.0f
#define MOVES 1.0f          /* of the motion score, above what breathing makes: a deep breath near the link reaches 0.9 */
#define USUAL_S 600.0f
#define KNOWN_S 60.0f       /* of a read breath */
#define DEEP 4.0f           /* times the usual power: twice as deep */
#define DEEP_S 20.0f
#define STEP_MS 2000u       /* of the envelope */
#define STEPS 120           /* four minutes */
#define SHORTEST 15         /* steps: 30 s */
#define LONGEST 45          /* 90 s */
#define PERIODIC 0.6f       /* autocorrelation */
#define WAXES 0.35f        /* deviation of the depth relative to its mean: 0.1 of an even breath, 0.4 of one that pauses */
#define BREATH_KNOWN_S 180.0f /* since the core last read one: it loses a breath that wanes */

EF_RING(envelope, STEPS);
static ef_grid grid = {.ring = &envelope, .step_ms = STEP_MS};
static ef_breath breath;
static ef_clock clock;
static ef_hold fast, deep, periodic;
static ef_smooth usual, energy;
static float since_breath = BREATH_KNOWN_S, told_level;
static uint32_t searched;

static bool moves(void) {
    return csi_get_motion_energy() > MOVES + 3.0f * energy.value;
}

static void forget(void) {
    ef_ring_clear(&envelope);
    usual = (ef_smooth){0.0f, 0.0f};
    deep = periodic = (ef_hold){false, 0.0f};
}

static void watch_rate(float rate, float passed) {
    if (rate > 0.0f && ef_hold_step(&fast, rate > FAST, passed, FAST_S, SLOWER_S) > 0) {
        csi_emit_event(TACHYPNEA, rate);
    }
}

static void watch_depth(float rate, float passed) {
    if (rate <= 0.0f) {
        return;
    }
    const bool known = usual.seconds >= KNOWN_S;
    const float ratio = known && usual.value > 0.0f ? breath.depth.value / usual.value : 1.0f;
    if (ef_hold_step(&deep, ratio > DEEP, passed, DEEP_S, DEEP_S) > 0) {
        csi_emit_event(LABOURED, ratio);
    }
    ef_smooth_step(&usual, breath.depth.value, passed, USUAL_S);
}

static void watch_period(void) {
    ef_grid_push(&grid, ef_sqrt(breath.depth.value));
    if (!ef_ring_full(&envelope) || !ef_every(&searched, 10000u)) {
        return;
    }
    const ef_moments own = ef_ring_moments(&envelope, 0, envelope.count);
    const bool waxes = own.variance > WAXES * WAXES * own.mean * own.mean;
    const bool judged = waxes && since_breath < BREATH_KNOWN_S;
    const int32_t steps = judged ? ef_period(&envelope, SHORTEST, LONGEST, PERIODIC) : 0;
    if (ef_hold_step(&periodic, steps > 0, 10.0f, 20.0f, 30.0f) > 0) {
        csi_emit_event(CHEYNE_STOKES, (float)steps * (float)STEP_MS * 0.001f);
    }
}

static void tell_level(void) {
    const float level = 0.4f * (float)fast.on + 0.3f * (float)deep.on + 0.3f * (float)periodic.on;
    if (level != told_level) {
        told_level = level;
        csi_emit_event(LEVEL, level);
    }
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    ef_breath_frame(&breath, subcarriers, !moves());
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock), rate = csi_get_bpm_breathing();
    since_breath = rate > 0.0f ? 0.0f : since_breath + passed;
    if (rate > 0.0f) {
        ef_smooth_step(&energy, csi_get_motion_energy(), passed, KNOWN_S);
    }
    if (clock.gap || moves()) {
        forget();
    } else {
        watch_depth(rate, passed);
        watch_period();
    }
    watch_rate(rate, passed);
    tell_level();
}
