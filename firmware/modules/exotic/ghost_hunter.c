/*
 * Somebody who was not seen to come, or hides behind a door, but is heard to breathe. Told once; again after half a minute without
 * that breath.
 */
#include "edgeflow_room.h"

#define HIDDEN 652

#define UNSEEN_S 20.0f /* without a movement that would explain a breath */
#define BREATHES_S 5.0f
#define GONE_S 30.0f

static ef_room room;
static ef_hold hidden;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 2.0f, 10.0f);
    const bool breath = csi_get_bpm_breathing() > 0.0f && room.still >= UNSEEN_S;
    if (ef_hold_step(&hidden, breath, room.passed, BREATHES_S, GONE_S) > 0) {
        csi_emit_event(HIDDEN, 1.0f);
    }
}
