/* Somebody who stays where people pass by. Short losses of presence do not end it, half a minute of absence does. */
#include "edgeflow_room.h"

#define START 240
#define ONGOING 241
#define END 242

#define ARRIVES_S 3.0f
#define LEAVES_S 30.0f
#define LOITERS_S 300.0f
#define REPORT_MS 60000u

static ef_room room;
static bool loitering;
static float stayed; /* s */
static uint32_t reported;

static void tell_end(void) {
    if (loitering) {
        csi_emit_event(END, (stayed - LEAVES_S) / 60.0f);
    }
    loitering = false;
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float before = room.occupied;
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    if (room.turned < 0) {
        stayed = before;
        tell_end();
    }
    if (!loitering && room.occupied >= LOITERS_S) {
        loitering = true;
        reported = ef_now();
        csi_emit_event(START, room.occupied / 60.0f);
    } else if (loitering && ef_every(&reported, REPORT_MS)) {
        csi_emit_event(ONGOING, room.occupied / 60.0f);
    }
}
