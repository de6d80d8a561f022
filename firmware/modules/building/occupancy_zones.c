/*
 * Who is in the room. Zone 0 is the room as a whole: one link sees that something moves, not where, so no other zone is told. The
 * map says which sixteenths of the subcarriers are disturbed, a fingerprint of the disturbance and not a plan of the room.
 */
#include "edgeflow_room.h"

#define OCCUPIED 300
#define VACANT 301
#define TOTAL 302
#define MAP 303

#define WHOLE_ROOM 0.0f
#define ARRIVES_S 3.0f
#define LEAVES_S 45.0f /* who sits down is seen again once a breath is read */
#define COUNT_S 10.0f /* a count that does not last is not told */
#define MAP_MS 5000u
#define GROUPS 16
#define QUIET_S 30.0f
#define DISTURBED 4.0f /* times the variance of the quiet room */

static ef_room room;
static ef_smooth quiet[GROUPS];
static float now[GROUPS];
static int32_t told, counted;
static float counted_for;
static uint32_t mapped;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const int32_t each = subcarriers / GROUPS;
    for (int32_t group = 0; group < GROUPS; group++) {
        float sum = 0.0f;
        for (int32_t i = 0; i < each; i++) {
            sum += csi_get_variance(group * each + i);
        }
        now[group] = sum;
    }
}

static int32_t disturbed(void) {
    int32_t map = 0;
    for (int32_t group = 0; group < GROUPS; group++) {
        const bool known = quiet[group].seconds >= QUIET_S;
        map |= known && now[group] > DISTURBED * quiet[group].value ? 1 << group : 0;
    }
    return map;
}

static void learn_quiet(void) {
    for (int32_t group = 0; group < GROUPS; group++) {
        ef_smooth_step(&quiet[group], now[group], room.passed, QUIET_S);
    }
}

static void count(void) {
    const int32_t persons = room.somebody.on ? csi_get_n_persons() : 0;
    counted_for = persons == counted ? counted_for + room.passed : 0.0f;
    counted = persons;
    if (counted != told && (counted == 0 || counted_for >= COUNT_S)) {
        told = counted;
        csi_emit_event(TOTAL, (float)told);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    if (room.turned != 0) {
        csi_emit_event(room.turned > 0 ? OCCUPIED : VACANT, WHOLE_ROOM);
    }
    if (!room.somebody.on && csi_get_presence() == 0) {
        learn_quiet();
    }
    count();
    if (room.somebody.on && ef_every(&mapped, MAP_MS)) {
        csi_emit_event(MAP, (float)disturbed());
    }
}
