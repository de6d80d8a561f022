/*
 * A truck shadows and reflects more than people do, and slowly. Strong slow changes of the pattern without fast ones are taken for
 * a vehicle; both together for somebody near it.
 */
#include "edgeflow_math.h"
#include "edgeflow_room.h"

#define WARNING 500
#define VEHICLE 501
#define HUMAN_NEAR 502

#define CRITICAL 0.0f
#define CAUTION 2.0f
#define FAST_S 0.5f
#define SLOW_S 20.0f
#define SLOW_CHANGE 0.3f /* of the amplitude, relative */
#define LASTS_S 3.0f
#define CLEARS_S 15.0f

static ef_clock frames;
static ef_smooth fast[EF_MAX_SUBCARRIERS], slow[EF_MAX_SUBCARRIERS];
static float change;
static ef_room room;
static ef_hold vehicle;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float step = ef_clock_step(&frames);
    float off = 0.0f, all = 0.0f;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float amplitude = csi_get_amplitude(i);
        const float now = ef_smooth_step(&fast[i], amplitude, step, FAST_S);
        const float before = ef_smooth_step(&slow[i], amplitude, step, SLOW_S);
        off += ef_abs(now - before);
        all += before;
    }
    change = all > 0.0f ? off / all : 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 3.0f, 10.0f);
    const int turned = ef_hold_step(&vehicle, change > SLOW_CHANGE, room.passed, LASTS_S, CLEARS_S);
    if (turned != 0) {
        csi_emit_event(VEHICLE, turned > 0 ? 1.0f : 0.0f);
    }
    if (turned > 0) {
        csi_emit_event(WARNING, room.moving ? CRITICAL : CAUTION);
    }
    if (turned > 0 && room.moving) {
        csi_emit_event(HUMAN_NEAR, 1.0f);
    }
}
