/*
 * How well the channel agrees with that of the last seconds. A short mean of the frames is compared with a long one: noise alone
 * keeps them as far apart as the frames' own scatter explains, and the ratio of the two is 1. Whatever moves makes it fall.
 */
#include "edgeflow_filter.h"
#include "edgeflow_phasors.h"
#include "edgeflow_time.h"

#define COHERENCE 2
#define EVERY_MS 1000u
#define SHORT_S 0.25f
#define LONG_S 3.0f
#define RATIO_S 2.0f
#define SETTLE_S 3.0f /* until the long mean stands */

static ef_phasors frame, before, brief, lasting;
static ef_smooth expected, found;
static ef_clock clock;
static float age;
static uint32_t told;

static void begin(void) {
    ef_phasors_copy(&before, &frame);
    ef_phasors_copy(&brief, &frame);
    ef_phasors_copy(&lasting, &frame);
    expected = found = (ef_smooth){0.0f, 0.0f};
    age = 0.0f;
}

/* Half the power of a difference of frames is noise; a mean that forgets keeps share / (2 - share) of it. */
static void compare(float passed) {
    const float share = passed / (SHORT_S + passed);
    age += passed;
    ef_phasors_blend(&brief, &frame, share);
    ef_phasors_blend(&lasting, &frame, passed / (ef_min(age, LONG_S) + passed));
    const float noise = 0.5f * ef_phasors_distance(&frame, &before) * share / (2.0f - share);
    ef_smooth_step(&expected, noise, passed, RATIO_S);
    ef_smooth_step(&found, ef_phasors_distance(&brief, &lasting), passed, RATIO_S);
    ef_phasors_copy(&before, &frame);
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const bool alike = ef_phasors_take(&frame, subcarriers);
    const float passed = ef_clock_step(&clock);
    if (!alike || clock.gap) {
        begin();
    } else if (passed > 0.0f) {
        compare(passed);
    }
    if (found.seconds > SETTLE_S && found.value > 0.0f && ef_every(&told, EVERY_MS)) {
        csi_emit_event(COHERENCE, ef_min(1.0f, expected.value / found.value));
    }
}
