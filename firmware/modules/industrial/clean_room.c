/* A clean room: how many are in it, more than four, and movement that stirs up dust. */
#include "edgeflow_room.h"

#define COUNT 520
#define VIOLATION 521
#define TURBULENT 522
#define REPORT 523

#define MOST 4
#define TURBULENCE 3.0f /* of the motion score: brisk walking near the link */
#define LASTS_S 5.0f
#define CALM_S 10.0f
#define REPORT_MS 60000u

static ef_room room;
static ef_hold turbulent, crowded;
static int32_t told;
static uint32_t reported;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 45.0f);
    const int32_t count = room.somebody.on ? csi_get_n_persons() : 0;
    if (count != told) {
        told = count;
        csi_emit_event(COUNT, (float)count);
    }
    if (ef_hold_step(&crowded, count > MOST, room.passed, LASTS_S, CALM_S) > 0) {
        csi_emit_event(VIOLATION, (float)count);
    }
    const float motion = csi_get_motion_energy();
    if (ef_hold_step(&turbulent, motion > TURBULENCE, room.passed, LASTS_S, CALM_S) > 0) {
        csi_emit_event(TURBULENT, motion);
    }
    if (room.somebody.on && ef_every(&reported, REPORT_MS)) {
        csi_emit_event(REPORT, (float)count);
    }
}
