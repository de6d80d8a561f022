/*
 * Research only: a large piece of metal would change amplitudes more, relative to phases, than a body does. The ratio of somebody
 * who walks by is compared with that of those who walked here before.
 */
#include "edgeflow_filter.h"
#include "edgeflow_phasors.h"
#include "edgeflow_time.h"

#define METAL 220
#define ALERT 221
#define RECALIBRATE 222

#define WALKS 0.5f
#define RATIO_S 3.0f
#define USUAL_S 600.0f
#define KNOWN_S 60.0f  /* of walking, before anything is compared */
#define TIMES 2.0f     /* the usual ratio: the index is 0 up to here, and 1 at the double of it */
#define ALERT_AT 0.7f
#define LASTS_S 5.0f
#define STALE_S 86400.0f /* without anybody: the room may have changed */

static ef_phasors frame, before;
static ef_smooth along, across, usual;
static ef_clock frames, clock;
static ef_hold metal, alert;
static float alone;

/* Changes along a subcarrier's own direction are of its amplitude, across it of its phase. */
EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const bool alike = ef_phasors_take(&frame, subcarriers);
    const float passed = ef_clock_step(&frames);
    float radial = 0.0f, total = 0.0f;
    for (int32_t i = 0; alike && i < frame.count; i++) {
        const float real = frame.real[i] - before.real[i], imaginary = frame.imaginary[i] - before.imaginary[i];
        const float size = ef_sqrt(before.real[i] * before.real[i] + before.imaginary[i] * before.imaginary[i]);
        const float way = size > 0.0f ? (real * before.real[i] + imaginary * before.imaginary[i]) / size : 0.0f;
        radial += way * way;
        total += real * real + imaginary * imaginary;
    }
    if (alike && passed > 0.0f) {
        ef_smooth_step(&along, radial, passed, RATIO_S);
        ef_smooth_step(&across, total - radial, passed, RATIO_S);
    }
    ef_phasors_copy(&before, &frame);
}

static void compare(float ratio, float passed) {
    const float index = usual.seconds < KNOWN_S ? 0.0f : ef_clamp(ratio / (TIMES * usual.value) - 1.0f, 0.0f, 1.0f);
    if (ef_hold_step(&metal, index > 0.0f, passed, LASTS_S, LASTS_S) > 0) {
        csi_emit_event(METAL, index);
    }
    if (ef_hold_step(&alert, index > ALERT_AT, passed, LASTS_S, LASTS_S) > 0) {
        csi_emit_event(ALERT, index);
    }
    if (!metal.on) {
        ef_smooth_step(&usual, ratio, passed, USUAL_S);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock);
    alone += passed;
    if (csi_get_motion_energy() > WALKS && across.value > 0.0f) {
        alone = 0.0f;
        compare(along.value / across.value, passed);
    } else if (alone > STALE_S) {
        alone = 0.0f;
        usual = (ef_smooth){0.0f, 0.0f};
        csi_emit_event(RECALIBRATE, 1.0f);
    }
}
