/* Arousal by breath and fidgeting against the person's own last hour. No emotion is known from a breath: a toy for experiments. */
#include "edgeflow_math.h"
#include "edgeflow_room.h"

#define AROUSAL 610
#define STRESS 611
#define CALM 612
#define AGITATION 613

#define USUAL_S 3600.0f
#define LEARN_S 300.0f
#define NOW_S 30.0f
#define REPORT_MS 60000u

static ef_room room;
static ef_smooth usual, now, fidgets;
static uint32_t reported;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 10.0f, 120.0f);
    const float rate = csi_get_bpm_breathing();
    ef_smooth_step(&fidgets, ef_clamp(csi_get_motion_energy(), 0.0f, 1.0f), room.passed, NOW_S);
    if (!room.somebody.on || rate <= 0.0f) {
        return;
    }
    ef_smooth_step(&usual, rate, room.passed, USUAL_S);
    ef_smooth_step(&now, rate, room.passed, NOW_S);
    if (usual.seconds < LEARN_S || !ef_every(&reported, REPORT_MS)) {
        return;
    }
    const float faster = ef_clamp(2.0f * (now.value / usual.value - 1.0f), 0.0f, 1.0f);
    csi_emit_event(AROUSAL, faster);
    csi_emit_event(STRESS, ef_sqrt(faster * fidgets.value));
    csi_emit_event(CALM, (1.0f - faster) * (1.0f - fidgets.value));
    csi_emit_event(AGITATION, fidgets.value);
}
