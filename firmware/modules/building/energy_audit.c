/*
 * When a room is used. Hours count from the start of the node, which has no clock of the day: hour 0 of the schedule is the hour
 * of its start. An hour is used when somebody is there for a tenth of it; the schedule is the week's habit by hour of the day.
 */
#include "edgeflow_room.h"

#define SCHEDULE 350
#define AFTER_HOURS 351
#define UTILISATION 352

#define HOUR_S 3600.0f
#define HOURS 24
#define DAYS 7
#define USED 0.1f

static ef_room room;
static uint8_t used[HOURS]; /* days of the last seven, a bit each */
static float present, passed, after_hours;
static int32_t hour, days;

static bool is_habit(int32_t of) {
    int32_t count = 0;
    for (int32_t day = 0; day < DAYS; day++) {
        count += used[of] >> day & 1;
    }
    return 2 * count >= (days < DAYS ? days : DAYS);
}

static void tell_day(void) {
    int32_t bits = 0;
    for (int32_t i = 0; i < HOURS; i++) {
        bits |= is_habit(i) ? 1 << i : 0;
    }
    csi_emit_event(SCHEDULE, (float)bits);
    if (after_hours > 0.0f) {
        csi_emit_event(AFTER_HOURS, after_hours);
    }
    after_hours = 0.0f;
}

static void end_hour(void) {
    const float share = present / passed;
    csi_emit_event(UTILISATION, 100.0f * share);
    if (days > 0 && share >= USED && !is_habit(hour)) {
        after_hours += share * passed / HOUR_S;
    }
    used[hour] = (uint8_t)((used[hour] << 1 | (share >= USED)) & ((1 << DAYS) - 1));
    hour++;
    if (hour == HOURS) {
        hour = 0;
        days++;
        tell_day();
    }
    present = passed = 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 60.0f);
    passed += room.passed;
    present += room.somebody.on ? room.passed : 0.0f;
    if (passed >= HOUR_S) {
        end_hour();
    }
}
