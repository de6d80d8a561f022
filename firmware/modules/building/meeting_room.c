/* Meetings: two or more people for five minutes. They are counted by their breath, so they must sit still near the link. */
#include "edgeflow_room.h"

#define START 340
#define END 341
#define PEAK 342
#define FREE 343

#define PEOPLE 2
#define BEGINS_S 300.0f
#define ENDS_S 120.0f
#define LEAVES_S 60.0f

static ef_room room;
static ef_hold meeting;
static float minutes;
static int32_t peak;

static void begin(int32_t people) {
    minutes = BEGINS_S / 60.0f;
    peak = people;
    csi_emit_event(START, (float)people);
}

static void end(void) {
    csi_emit_event(END, minutes);
    csi_emit_event(PEAK, (float)peak);
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, LEAVES_S);
    const int32_t people = csi_get_n_persons();
    /* Who moves cannot be counted: a meeting goes on through that, and ends when one or nobody is left. */
    const bool together = people >= PEOPLE || (meeting.on && room.moving);
    const int turned = ef_hold_step(&meeting, together && room.somebody.on, room.passed, BEGINS_S, ENDS_S);
    if (turned > 0) {
        begin(people);
    } else if (turned < 0) {
        end();
    } else if (meeting.on) {
        minutes += room.passed / 60.0f;
        peak = people > peak ? people : peak;
    }
    if (room.turned < 0) {
        csi_emit_event(FREE, 1.0f);
    }
}
