/*
 * Seconds of presence by the ninth of the subcarriers that is disturbed most. Ninths of a band are no places on a floor: they tell
 * one habit from another only while nothing else in the room is moved.
 */
#include "edgeflow_room.h"

#define ZONE 410
#define HOT 411
#define COLD 412
#define SUMMARY 413

#define ZONES 9
#define PER_ZONE 1000.0f /* a zone and its seconds in one number */
#define REPORT_MS 30000u

static ef_room room;
static float now[ZONES], dwelt[ZONES], told[ZONES];
static float total;
static uint32_t reported;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const int32_t each = subcarriers / ZONES;
    for (int32_t zone = 0; zone < ZONES; zone++) {
        now[zone] = 0.0f;
        for (int32_t i = 0; i < each; i++) {
            now[zone] += csi_get_variance(zone * each + i);
        }
    }
}

static int32_t largest(const float *values, float sign) {
    int32_t at = 0;
    for (int32_t zone = 1; zone < ZONES; zone++) {
        at = sign * values[zone] > sign * values[at] ? zone : at;
    }
    return at;
}

static void report(void) {
    for (int32_t zone = 0; zone < ZONES; zone++) {
        if (dwelt[zone] > told[zone]) {
            csi_emit_event(ZONE, (float)zone * PER_ZONE + dwelt[zone]);
            told[zone] = dwelt[zone];
        }
    }
    csi_emit_event(HOT, (float)largest(dwelt, 1.0f));
    csi_emit_event(COLD, (float)largest(dwelt, -1.0f));
    csi_emit_event(SUMMARY, total);
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 15.0f);
    if (room.somebody.on) {
        dwelt[largest(now, 1.0f)] += room.passed;
        total += room.passed;
    }
    if (total > 0.0f && room.somebody.on && ef_every(&reported, REPORT_MS)) {
        report();
    }
}
