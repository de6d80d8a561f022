/*
 * Pauses of the breath of somebody who lies still: its depth collapses while nothing else stirs. Watches only after the core has
 * read a breath, and stops when somebody moves, until a breath is read again. An indication, not a diagnosis: one link does not
 * see the effort of an obstructed breath, and who turns away from it may look like a pause.
 */
#include "edgeflow_breath.h"

#define START 100
#define END 101
#define INDEX 102

#define USUAL_S 60.0f     /* the depth that a pause is compared with */
#define KNOWN_S 30.0f     /* of a read breath, before anything is judged */
#define COLLAPSED 0.25f   /* of the usual power: half the depth */
#define RETURNED 0.5f
#define PAUSE_S 10.0f     /* as apneas are scored (AASM) */
#define LAG_S 5.5f        /* EF_BREATH_DEPTH_S * ln 4: so late is the depth seen to collapse */
#define RESUMES_S 2.0f
#define LONGEST_S 120.0f  /* longer: somebody is gone */
#define STIRS 0.25f       /* of the motion score, above thrice its mean: breathing makes some of it */
#define WALKS 1.0f        /* of the motion score: not to be learnt as breathing */
#define WATCHED_S 300.0f  /* before an index means anything */

static ef_breath breath;
static ef_clock clock;
static ef_hold pause;
static ef_smooth usual, energy;
static float low_for, watched;
static int32_t pauses;

static void forget(void) {
    usual = (ef_smooth){0.0f, 0.0f};
    pause = (ef_hold){false, 0.0f};
    low_for = 0.0f;
}

static bool stirs(void) {
    return csi_get_motion_energy() > STIRS + 3.0f * energy.value;
}

static void tell_end(void) {
    pauses++;
    csi_emit_event(END, low_for + LAG_S - RESUMES_S);
    if (watched >= WATCHED_S) {
        csi_emit_event(INDEX, (float)pauses * 3600.0f / watched);
    }
}

static void watch(float passed) {
    const float limit = (pause.on ? RETURNED : COLLAPSED) * usual.value;
    const bool low = breath.depth.value < limit;
    low_for = low || pause.on ? low_for + passed : 0.0f;
    const int turned = ef_hold_step(&pause, low, passed, PAUSE_S - LAG_S, RESUMES_S);
    if (turned > 0) {
        csi_emit_event(START, low_for + LAG_S);
    } else if (turned < 0) {
        tell_end();
        low_for = 0.0f;
    }
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    ef_breath_frame(&breath, subcarriers, !pause.on && low_for <= 0.0f && !stirs());
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock);
    const bool breathes = csi_get_bpm_breathing() > 0.0f;
    ef_smooth_step(&energy, ef_min(csi_get_motion_energy(), WALKS), low_for > 0.0f ? 0.0f : passed, USUAL_S);
    if (clock.gap || stirs() || low_for > LONGEST_S) {
        forget();
        return;
    }
    if (breathes && low_for <= 0.0f) {
        ef_smooth_step(&usual, breath.depth.value, passed, USUAL_S);
    }
    if (usual.seconds >= KNOWN_S) {
        watched += passed;
        watch(passed);
    }
}
