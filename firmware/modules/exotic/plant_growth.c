/* Leaves that grow into a path take strength from it: amplitudes over days, and over the hours of a day, while nobody is there. */
#include "edgeflow_math.h"
#include "edgeflow_room.h"

#define RATE 640
#define CIRCADIAN 641
#define WILT 642
#define WATER 643

#define HOUR_S 3600.0f
#define HOURS 24
#define DAY_S 86400.0f
#define WILTING_DB 0.5f
#define WATERED_DB 0.3f

static ef_room room;
static ef_smooth level, day;
static float hourly[HOURS];
static float level_now, passed, yesterday;
static int32_t hour, days;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    float squares = 0.0f, spread = 0.0f;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float amplitude = csi_get_amplitude(i);
        squares += amplitude * amplitude;
        spread += amplitude;
    }
    /* Amplitudes are normalised: what is left of strength is how deep the pattern's fades are. */
    level_now = squares > 0.0f ? ef_decibels(spread * spread / (squares * (float)subcarriers)) : 0.0f;
}

static void end_day(void) {
    int32_t highest = 0;
    for (int32_t i = 1; i < HOURS; i++) {
        highest = hourly[i] > hourly[highest] ? i : highest;
    }
    if (days > 0) {
        csi_emit_event(RATE, day.value - yesterday);
        csi_emit_event(CIRCADIAN, (float)highest);
    }
    yesterday = day.value;
    days++;
    hour = 0;
}

static void end_hour(void) {
    const float before = hourly[hour];
    hourly[hour] = level.value;
    if (days > 0 && level.value > before + WILTING_DB) {
        csi_emit_event(WILT, level.value - before);
    } else if (days > 0 && level.value < before - WATERED_DB) {
        csi_emit_event(WATER, before - level.value);
    }
    passed = 0.0f;
    if (++hour == HOURS) {
        end_day();
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 120.0f);
    passed += room.passed;
    if (!room.somebody.on && level_now != 0.0f) {
        ef_smooth_step(&level, level_now, room.passed, HOUR_S);
        ef_smooth_step(&day, level_now, room.passed, DAY_S);
    }
    if (passed >= HOUR_S) {
        end_hour();
    }
}
