/* A table: seated after a minute of presence without walking about, vacated when nobody is there, and how many parties an hour. */
#include "edgeflow_room.h"

#define SEATED 430
#define VACATED 431
#define FREE 432
#define RATE 433

#define SITS_S 60.0f
#define LEAVES_S 60.0f
#define FREE_S 120.0f
#define HOUR_S 3600.0f

static ef_room room;
static bool seated, free_told = true;
static float settled, sat, vacant, watched;
static int32_t parties;

static void leave(void) {
    parties++;
    csi_emit_event(VACATED, sat / 60.0f);
    if (watched >= HOUR_S) {
        csi_emit_event(RATE, (float)parties * HOUR_S / watched);
    }
    seated = false;
}

static void watch_seat(void) {
    settled = room.moving ? 0.0f : settled + room.passed;
    if (!seated && settled >= SITS_S) {
        seated = true;
        free_told = false;
        sat = settled;
        csi_emit_event(SEATED, (float)csi_get_n_persons());
    } else if (seated) {
        sat += room.passed;
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, LEAVES_S);
    watched += room.passed;
    if (room.somebody.on) {
        vacant = 0.0f;
        watch_seat();
        return;
    }
    vacant += room.passed;
    settled = 0.0f;
    if (seated) {
        leave();
    }
    if (!free_told && vacant >= FREE_S) {
        free_told = true;
        csi_emit_event(FREE, 1.0f);
    }
}
