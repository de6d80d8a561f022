/*
 * Somebody who walks towards the link, crosses it, or walks away. The nearer a walker, the more of the channel changes: within a
 * stride of the link twice what it is at three metres, and four times at eight. One link is one zone; where it was crossed is not
 * seen, and in a small room, where everywhere is near, little is told.
 */
#include "edgeflow_rhythm.h"

#define BREACH 210
#define APPROACH 211
#define DEPARTURE 212

#define ZONE 0.0f
#define WALKS 0.3f     /* of the motion score: who stops or enters is below, and says nothing of a way */
#define NEAR 2.0f      /* of the motion score, in the mean of three seconds: 5 % of walkers 5 m away reach it for a moment */
#define FAR 1.0f
#define STEP_MS 1000u
#define WAY 6          /* steps that are compared */
#define STEPS 8
#define CHANGE_DB 4.8f /* three times as much */
#define AGAIN_MS 10000u
#define GOES_ON_S 3.0f /* who stops near the link fades too, but then falls silent */

EF_RING(levels, STEPS);
static ef_grid grid = {.ring = &levels, .step_ms = STEP_MS};
static uint32_t told_approach, told_departure;
static ef_clock clock;
static float leaving, departure; /* seconds until it is told, and its strength */
static bool near;

static float mean_of(int32_t from, int32_t to) {
    return ef_ring_moments(&levels, from, to).mean;
}

static float strength(float change_db) {
    return ef_min(ef_abs(change_db) / (2.0f * CHANGE_DB), 1.0f);
}

static void watch_way(float change_db, float passed) {
    if (change_db > CHANGE_DB && ef_every(&told_approach, AGAIN_MS)) {
        leaving = 0.0f;
        csi_emit_event(APPROACH, strength(change_db));
    } else if (change_db < -CHANGE_DB && leaving <= 0.0f && ef_every(&told_departure, AGAIN_MS)) {
        leaving = GOES_ON_S;
        departure = strength(change_db);
        return;
    }
    if (leaving > 0.0f && leaving <= passed) {
        csi_emit_event(DEPARTURE, departure);
    }
    leaving -= passed;
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock);
    ef_grid_push(&grid, csi_get_motion_energy());
    if (!ef_ring_full(&levels)) {
        return;
    }
    const float before = mean_of(STEPS - WAY - 2, STEPS - WAY), now = mean_of(STEPS - 2, STEPS);
    if (before > WALKS && now > WALKS) {
        watch_way(ef_decibels(now / before), passed);
    } else {
        leaving = 0.0f;
    }
    const float lately = mean_of(STEPS - 3, STEPS);
    if (!near && lately > NEAR) {
        csi_emit_event(BREACH, ZONE);
    }
    near = lately > (near ? FAR : NEAR);
}
