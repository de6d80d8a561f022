/* Light: on when somebody comes, dimmed after ten minutes without much movement, off when the room is left. Zone 0 is the room. */
#include "edgeflow_room.h"

#define ON 320
#define DIM 321
#define OFF 322

#define WHOLE_ROOM 0.0f
#define ARRIVES_S 2.0f
#define LEAVES_S 120.0f
#define SEDENTARY_S 600.0f

static ef_room room;
static bool dimmed;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    if (room.turned != 0) {
        csi_emit_event(room.turned > 0 ? ON : OFF, WHOLE_ROOM);
        dimmed = false;
        room.still = 0.0f;
    } else if (room.somebody.on && !dimmed && room.still >= SEDENTARY_S) {
        csi_emit_event(DIM, WHOLE_ROOM);
        dimmed = true;
    } else if (room.somebody.on && dimmed && room.moving) {
        csi_emit_event(ON, WHOLE_ROOM);
        dimmed = false;
    }
}
