/* Heating and air: on ten seconds after somebody came, off five minutes after the room was left, with a countdown. */
#include "edgeflow_room.h"

#define OCCUPIED 310
#define ACTIVITY 311
#define COUNTDOWN 312

#define ARRIVES_S 10.0f
#define LEAVES_S 300.0f
#define ACTIVE_S 10.0f
#define REST_S 60.0f
#define COUNTDOWN_MS 30000u

static ef_room room;
static ef_hold active;
static uint32_t counted;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    if (room.turned != 0) {
        csi_emit_event(OCCUPIED, room.turned > 0 ? 1.0f : 0.0f);
    }
    const int turned = ef_hold_step(&active, room.moving, room.passed, ACTIVE_S, REST_S);
    if (turned != 0 && room.somebody.on) {
        csi_emit_event(ACTIVITY, turned > 0 ? 1.0f : 0.0f);
    }
    const bool leaving = room.somebody.on && room.somebody.seconds > 0.0f;
    if (leaving && ef_every(&counted, COUNTDOWN_MS)) {
        csi_emit_event(COUNTDOWN, LEAVES_S - room.somebody.seconds);
    }
}
