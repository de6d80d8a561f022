/* A heart rate that stays too fast or too slow. An indication, not a diagnosis, and silent as long as the core reads no heart. */
#include "edgeflow_filter.h"
#include "edgeflow_time.h"

#define TACHYCARDIA 110
#define BRADYCARDIA 111

#define FAST 100.0f /* beats a minute, of an adult at rest */
#define SLOW 50.0f
#define LASTS_S 30.0f

static ef_clock clock;
static ef_hold fast, slow;

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock), rate = csi_get_bpm_heartrate();
    if (rate <= 0.0f) {
        fast.seconds = slow.seconds = 0.0f;
        return;
    }
    if (ef_hold_step(&fast, rate > FAST, passed, LASTS_S, LASTS_S) > 0) {
        csi_emit_event(TACHYCARDIA, rate);
    }
    if (ef_hold_step(&slow, rate < SLOW, passed, LASTS_S, LASTS_S) > 0) {
        csi_emit_event(BRADYCARDIA, rate);
    }
}
