/*
 * Somebody who stops at a shelf: up to 5 s is a glance, up to 30 s considering, longer is engaged. Told when the next step is
 * taken: until then, who stands still and who has left look alike. Who leaves and is back within 30 s counts as having stopped.
 */
#include "edgeflow_room.h"

#define BROWSE 440
#define CONSIDER 441
#define ENGAGE 442
#define REACH 443

#define WALKED_S 3.0f
#define GLANCE_S 5.0f
#define CONSIDER_S 30.0f
#define SHORTEST_S 2.0f
#define REACHING 0.1f /* of the score: more than breath, less than a step */

static ef_room room;
static float walked, reached;

static void step_taken(float stood) {
    if (stood >= CONSIDER_S) {
        csi_emit_event(ENGAGE, stood);
    } else if (stood >= GLANCE_S) {
        csi_emit_event(CONSIDER, stood);
    } else if (stood >= SHORTEST_S) {
        csi_emit_event(BROWSE, stood);
    }
    if (stood >= SHORTEST_S && reached > 0.0f) {
        csi_emit_event(REACH, reached / stood);
    }
    reached = 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float stood = room.still;
    ef_room_step(&room, 2.0f, CONSIDER_S);
    if (room.clock.gap || !room.somebody.on) {
        walked = reached = 0.0f;
    } else if (room.moving) {
        if (walked >= WALKED_S) {
            step_taken(stood);
        }
        walked += room.passed;
    } else {
        reached += csi_get_motion_energy() > REACHING ? room.passed : 0.0f;
    }
}
