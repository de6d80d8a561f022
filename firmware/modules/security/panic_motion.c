/*
 * Somebody who runs about. The channel fades the faster, the faster people move: the power of its changes between frames against
 * that of its deviations tells how many radians a second it turns. Only frames that follow each other within 25 ms show that.
 */
#include "edgeflow_change.h"
#include "edgeflow_filter.h"

#define PANIC 250
#define FLEEING 252

#define MEAN_S 1.0f
#define TURN_S 15.0f
#define KNOWN_S 10.0f
#define LONGEST_INTERVAL 0.027f /* s between frames: below 37 a second runs and walks fade alike */
#define WALKS 0.5f              /* of the motion score */
#define RUNS 43.0f              /* rad/s; walks up to 1.4 m/s made 5 to 41 in simulated rooms */
#define FLEES_S 5.0f
#define PANICS_S 15.0f
#define OVER_S 5.0f

static ef_change frames;
static float mean[EF_MAX_SUBCARRIERS];
static ef_smooth speed_power, deviation_power;
static ef_clock clock;
static ef_hold fleeing, panic;

static float deviate(int32_t subcarriers, float passed) {
    float last[EF_CHANGE_NEARBY] = {0}, sum = 0.0f;
    for (int32_t i = 0; i < subcarriers; i++) {
        const float off = ef_clamp(csi_get_amplitude(i) - mean[i], -EF_CHANGE_LARGEST, EF_CHANGE_LARGEST);
        mean[i] += passed / (MEAN_S + passed) * off;
        sum += off * last[i % EF_CHANGE_NEARBY];
        last[i % EF_CHANGE_NEARBY] = off;
    }
    return sum / (float)subcarriers;
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float change = ef_change_step(&frames, subcarriers), passed = frames.passed;
    const float deviation = deviate(frames.count, passed);
    if (passed > 0.0f && passed < 2.0f * LONGEST_INTERVAL) {
        ef_smooth_step(&speed_power, change / (passed * passed), passed, TURN_S);
        ef_smooth_step(&deviation_power, deviation, passed, TURN_S);
    }
}

/* Mean square of the turn rate of a fading that is a sum of many turning parts. */
static float turn_rate(void) {
    const bool known = frames.interval < LONGEST_INTERVAL && deviation_power.seconds > KNOWN_S;
    return known && deviation_power.value > 0.0f ? ef_sqrt(speed_power.value / deviation_power.value) : 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock);
    const float rate = csi_get_motion_energy() > WALKS ? turn_rate() : 0.0f;
    if (ef_hold_step(&fleeing, rate > RUNS, passed, FLEES_S, OVER_S) > 0) {
        csi_emit_event(FLEEING, csi_get_motion_energy());
    }
    if (ef_hold_step(&panic, rate > RUNS, passed, PANICS_S, OVER_S) > 0) {
        csi_emit_event(PANIC, ef_clamp(rate / RUNS - 0.5f, 0.0f, 1.0f));
    }
}
