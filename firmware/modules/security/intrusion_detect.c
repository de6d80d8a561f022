/*
 * Somebody in a room that should be empty. Armed by a minute of quiet. A person who walks keeps the motion score high for as long
 * as the walk; a cat, a door or a fan lifts it for a moment, or a little. What did not become an alert is told as a false source.
 */
#include "edgeflow_filter.h"
#include "edgeflow_math.h"
#include "edgeflow_time.h"

#define ALERT 200
#define HUMAN 201
#define FALSE_SOURCE 202

#define STIRS 0.25f      /* of the motion score: an empty room stays below, see edgeflow_room.h */
#define WALKS 0.5f       /* a person within 5 m: median 1 to 5 in simulated rooms, a cat 0.01 to 0.14 */
#define ARMED_S 60.0f    /* of quiet */
#define GATE_S 5.0f      /* of walking, before it counts */
#define OVER_S 30.0f     /* of quiet, before an alert or a disturbance is over */
#define STEADY_S 300.0f  /* a disturbance as long as this without walking: a machine */
#define OFTEN 3          /* disturbances within the span: something that comes and goes */
#define SPAN_S 600.0f

enum { HVAC = 1, PET = 2, ENVIRONMENT = 3 };

static ef_clock clock;
static ef_hold stirring, alert;
static float quiet, lasted;
static float ages[OFTEN]; /* seconds since the last disturbances began, newest first */
static int32_t seen;
static bool armed;

static void begin_disturbance(void) {
    for (int32_t i = OFTEN - 1; i > 0; i--) {
        ages[i] = ages[i - 1];
    }
    ages[0] = lasted = 0.0f;
    seen += seen < OFTEN;
}

static int32_t source(void) {
    if (lasted - OVER_S > STEADY_S) {
        return HVAC;
    }
    return seen == OFTEN && ages[OFTEN - 1] < SPAN_S ? PET : ENVIRONMENT;
}

static void watch(float energy, float passed) {
    const int turned = ef_hold_step(&alert, energy > WALKS, passed, GATE_S, OVER_S);
    if (turned > 0) {
        csi_emit_event(ALERT, ef_clamp(energy / (2.0f * WALKS), 0.5f, 1.0f));
        csi_emit_event(HUMAN, (float)(csi_get_n_persons() > 1 ? csi_get_n_persons() : 1));
    } else if (turned < 0) {
        csi_emit_event(ALERT, 0.0f);
    }
}

/* A disturbance that an alert came of is a person's and needs no other name. */
static void explain(bool stirs, float passed) {
    static bool alerted;
    const int turned = ef_hold_step(&stirring, stirs, passed, 0.0f, OVER_S);
    if (turned > 0) {
        begin_disturbance();
        alerted = false;
    }
    alerted = alerted || alert.on;
    if (turned < 0 && !alerted) {
        csi_emit_event(FALSE_SOURCE, (float)source());
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock), energy = csi_get_motion_energy();
    quiet = energy > STIRS ? 0.0f : quiet + passed;
    armed = armed || quiet >= ARMED_S;
    for (int32_t i = 0; i < OFTEN; i++) {
        ages[i] += passed;
    }
    lasted += passed;
    if (armed) {
        watch(energy, passed);
        explain(energy > STIRS, passed);
    }
}
