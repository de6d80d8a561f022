/* A queue by the count of persons: its length, how many join a minute, and the wait by Little's law, length over rate. */
#include "edgeflow_room.h"

#define LENGTH 400
#define WAIT 401
#define RATE 402
#define ALERT 403

#define MEMORY_S 600.0f
#define REPORT_MS 60000u
#define LONG 4
#define LEAST_RATE 0.1f /* a minute; below, a wait says nothing */

static ef_room room;
static ef_smooth length, joins; /* persons, persons a second */
static int32_t before;
static bool alerted;
static uint32_t reported;

static void report(void) {
    const float rate = 60.0f * joins.value;
    csi_emit_event(LENGTH, length.value);
    csi_emit_event(RATE, rate);
    if (rate >= LEAST_RATE) {
        csi_emit_event(WAIT, length.value / joins.value);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 60.0f);
    const int32_t now = room.somebody.on ? csi_get_n_persons() : 0;
    if (room.passed > 0.0f) {
        const float joined = now > before ? (float)(now - before) / room.passed : 0.0f;
        ef_smooth_step(&joins, joined, room.passed, MEMORY_S);
        ef_smooth_step(&length, (float)now, room.passed, 60.0f);
    }
    before = now;
    if (room.somebody.on && ef_every(&reported, REPORT_MS)) {
        report();
    }
    if (now >= LONG && !alerted) {
        csi_emit_event(ALERT, (float)now);
    }
    alerted = now >= LONG;
}
