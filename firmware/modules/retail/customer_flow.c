/*
 * Who passes, and which way, by how the pattern of fading wanders over the subcarriers while somebody moves. Without a second
 * antenna the direction depends on the walls too.
 */
#include "edgeflow_room.h"

#define IN 420
#define OUT 421
#define NET 422
#define HOURLY 423

#define APART 3 /* subcarriers between which the pattern is compared */
#define PASS_S 2.0f
#define REPORT_MS 60000u
#define CLEAR 0.05f /* of the pattern's own power */

static ef_room room;
static float before[EF_MAX_SUBCARRIERS], mean[EF_MAX_SUBCARRIERS];
static float drift, power, moved;
static int32_t in, out, told_net;
static float watched;
static uint32_t reported;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    static float now[EF_MAX_SUBCARRIERS];
    const int32_t count = subcarriers < EF_MAX_SUBCARRIERS ? subcarriers : EF_MAX_SUBCARRIERS;
    for (int32_t i = 0; i < count; i++) {
        const float amplitude = csi_get_amplitude(i);
        mean[i] += 0.02f * (amplitude - mean[i]);
        now[i] = amplitude - mean[i];
    }
    for (int32_t i = 0; i + APART < count; i++) {
        drift += now[i + APART] * before[i] - now[i] * before[i + APART];
        power += now[i] * now[i];
    }
    for (int32_t i = 0; i < count; i++) {
        before[i] = now[i];
    }
}

static void end_pass(void) {
    if (moved >= PASS_S && drift > CLEAR * power) {
        csi_emit_event(IN, (float)++in);
    } else if (moved >= PASS_S && drift < -CLEAR * power) {
        csi_emit_event(OUT, (float)++out);
    }
    drift = power = moved = 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 2.0f, 3.0f);
    watched += room.passed;
    if (room.moving && room.somebody.on) {
        moved += room.passed;
    } else {
        end_pass();
    }
    if (in - out != told_net && ef_every(&reported, REPORT_MS)) {
        told_net = in - out;
        csi_emit_event(NET, (float)told_net);
        csi_emit_event(HOURLY, (float)(in + out) * 3600.0f / watched);
    }
}
