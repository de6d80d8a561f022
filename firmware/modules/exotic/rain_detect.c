/* Rain on a roof or a window: all subcarriers grow restless together, a little and for long, while nobody is there. */
#include "edgeflow_math.h"
#include "edgeflow_room.h"

#define ONSET 660
#define INTENSITY 661
#define END 662

#define GROUPS 8
#define QUIET_S 600.0f
#define LEARN_S 120.0f
#define RISES_DB 1.5f
#define LASTS_S 30.0f
#define ENDS_S 120.0f
#define REPORT_MS 60000u

static ef_room room;
static ef_smooth quiet[GROUPS];
static float now[GROUPS];
static ef_hold rain;
static float minutes;
static uint32_t reported;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const int32_t each = subcarriers / GROUPS;
    for (int32_t group = 0; group < GROUPS; group++) {
        now[group] = 0.0f;
        for (int32_t i = 0; i < each; i++) {
            now[group] += csi_get_variance(group * each + i);
        }
    }
}

/* The smallest rise of all groups that carry something: rain spares none, people do. */
static float rise(void) {
    float least = 120.0f;
    for (int32_t group = 0; group < GROUPS; group++) {
        if (quiet[group].value > 0.0f) {
            least = ef_min(least, ef_decibels(now[group] / quiet[group].value));
        }
    }
    return least < 120.0f ? least : 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 1.0f, 60.0f);
    if (room.somebody.on || csi_get_presence() != 0) {
        return;
    }
    const float above = quiet[GROUPS / 2].seconds >= LEARN_S ? rise() : 0.0f;
    for (int32_t group = 0; group < GROUPS && above < RISES_DB; group++) {
        ef_smooth_step(&quiet[group], now[group], room.passed, QUIET_S);
    }
    const int turned = ef_hold_step(&rain, above >= RISES_DB, room.passed, LASTS_S, ENDS_S);
    minutes = turned > 0 ? 0.0f : minutes + (rain.on ? room.passed / 60.0f : 0.0f);
    if (turned != 0) {
        csi_emit_event(turned > 0 ? ONSET : END, turned > 0 ? above : minutes);
    } else if (rain.on && ef_every(&reported, REPORT_MS)) {
        csi_emit_event(INTENSITY, ef_clamp(above / 2.0f, 0.0f, 3.0f));
    }
}
