/*
 * Frames of a second channel among those of the link: what somebody injects from another place, or replays. A person changes
 * the channel from frame to frame by steps that go on; interference leaves it once and never alike. Foreign frames leave it for
 * one frame, come back, and resemble each other.
 */
#include "edgeflow_filter.h"
#include "edgeflow_phasors.h"
#include "edgeflow_time.h"

#define ANOMALY 3
#define OUTSIDE 4.0f     /* times the power of what the frames before and after differ by */
#define ALIKE 0.4f       /* of its distance to the link: nearer to the last foreign frame */
#define WITHIN_MS 5000u  /* foreign frames further apart do not add up */
#define LEAST 4          /* foreign frames in a row of that kind; chance makes one or two */
#define NEAREST_MS 500u  /* frames further apart are not compared: a person may have moved in between */
#define OVER_S 10.0f

static ef_phasors two_ago, one_ago, frame, foreign;
static uint32_t time_two, time_one, time_foreign;
static int32_t agreeing, known;
static ef_clock clock;
static ef_hold alarm;

static bool leaves(float *away) {
    const float went = ef_phasors_distance(&one_ago, &two_ago), came = ef_phasors_distance(&one_ago, &frame);
    *away = ef_min(went, came);
    return *away > OUTSIDE * ef_phasors_distance(&frame, &two_ago);
}

/* The frame before is looked at, since only the newest one tells whether the channel came back. */
static bool take_foreign(void) {
    float away;
    if (!leaves(&away)) {
        return false;
    }
    const bool recent = time_one - time_foreign <= WITHIN_MS && foreign.count == frame.count;
    const bool resembles = recent && ef_phasors_distance(&one_ago, &foreign) < ALIKE * away;
    agreeing = resembles ? agreeing + 1 : 0;
    ef_phasors_copy(&foreign, &one_ago);
    time_foreign = time_one;
    return agreeing >= LEAST;
}

/* Noise never repeats itself, not even in one subcarrier out of many. */
static bool repeated(void) {
    return ef_phasors_distance(&frame, &one_ago) <= 0.0f;
}

static bool look(uint32_t now) {
    static int32_t repeats;
    const bool close = known >= 2 && now - time_two <= NEAREST_MS;
    repeats = repeated() ? repeats + 1 : 0;
    return (close && take_foreign()) || repeats >= LEAST;
}

static void shift(uint32_t now) {
    ef_phasors_copy(&two_ago, &one_ago);
    ef_phasors_copy(&one_ago, &frame);
    time_two = time_one;
    time_one = now;
    known++;
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    const float passed = ef_clock_step(&clock);
    if (!ef_phasors_take(&frame, subcarriers)) {
        known = 0;
    }
    const uint32_t now = ef_now();
    const bool seen = known > 0 && look(now);
    shift(now);
    const int turned = ef_hold_step(&alarm, seen, seen ? 1.0f : passed, 0.0f, OVER_S);
    if (turned != 0) {
        csi_emit_event(ANOMALY, turned > 0 ? 1.0f : 0.0f);
    }
}
