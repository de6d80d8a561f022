/*
 * Where breathing and heart rate go: the mean of five minutes against that of up to four hours, and an early warning score from
 * both by the bands of the National Early Warning Score 2 (Royal College of Physicians, 2017). Only seconds with a reading count.
 * An indication for those who look after somebody, not a diagnosis.
 */
#include "edgeflow_filter.h"
#include "edgeflow_math.h"
#include "edgeflow_time.h"

#define BREATHING_CHANGE 150
#define HEART_CHANGE 151
#define EARLY_WARNING 152
#define BASELINE 153

#define MINUTE_S 60.0f
#define RECENT_S 300.0f
#define HOUR_S 3600.0f
#define BASELINE_S 14400.0f
#define KNOWN_S 600.0f    /* of readings, before they are a baseline */
#define NOTABLE 0.2f      /* change of the mean that is told */
#define LASTS_S 60.0f     /* a change or a score must last */
#define AGAIN_MS 300000u

typedef struct trend {
    ef_smooth minute, recent, baseline;
    ef_hold notable;
    uint32_t told;
    int32_t event;
} trend;

typedef struct band {
    float up_to; /* per minute, inclusive */
    float points;
} band;

static const band breathing_bands[] = {{8.0f, 3.0f}, {11.0f, 1.0f}, {20.0f, 0.0f}, {24.0f, 2.0f}, {1e9f, 3.0f}};
static const band heart_bands[] = {
    {40.0f, 3.0f}, {50.0f, 1.0f}, {90.0f, 0.0f}, {110.0f, 1.0f}, {130.0f, 2.0f}, {1e9f, 3.0f}};

static trend breathing = {.event = BREATHING_CHANGE}, heart = {.event = HEART_CHANGE};
static ef_clock clock;
static ef_hold scored;
static float pending, told_score, hours;

static void follow(trend *own, float rate, float passed) {
    if (rate <= 0.0f) {
        return;
    }
    const float recent = ef_smooth_step(&own->recent, rate, passed, RECENT_S);
    ef_smooth_step(&own->minute, rate, passed, MINUTE_S);
    const float usual = ef_smooth_step(&own->baseline, rate, passed, BASELINE_S);
    const float change = recent / usual - 1.0f;
    const bool notable = own->baseline.seconds > KNOWN_S && ef_abs(change) > NOTABLE;
    const int turned = ef_hold_step(&own->notable, notable, passed, LASTS_S, LASTS_S);
    if (turned != 0 || (own->notable.on && ef_every(&own->told, AGAIN_MS))) {
        own->told = ef_now();
        csi_emit_event(own->event, 100.0f * change);
    }
}

static float points(const trend *own, const band *bands) {
    if (own->minute.seconds < MINUTE_S) {
        return 0.0f;
    }
    const float rate = __builtin_floorf(own->minute.value + 0.5f);
    while (rate > bands->up_to) {
        bands++;
    }
    return bands->points;
}

/* A score counts once it has stood for a minute, so that one on the edge of a band does not flicker. */
static void warn(float passed) {
    const float score = points(&breathing, breathing_bands) + points(&heart, heart_bands);
    if (score != pending) {
        pending = score;
        scored = (ef_hold){false, 0.0f};
    }
    if (ef_hold_step(&scored, true, passed, LASTS_S, LASTS_S) > 0 && pending != told_score) {
        told_score = pending;
        csi_emit_event(EARLY_WARNING, pending);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock);
    follow(&breathing, csi_get_bpm_breathing(), passed);
    follow(&heart, csi_get_bpm_heartrate(), passed);
    warn(passed);
    const float whole = __builtin_floorf(breathing.baseline.seconds / HOUR_S);
    if (whole > hours) {
        hours = whole;
        csi_emit_event(BASELINE, hours);
    }
}
