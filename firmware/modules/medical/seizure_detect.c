/*
 * Convulsions: most of what moves moves at one rate of 3 to 8 a second, for many seconds; stillness afterwards. An indication, not
 * a diagnosis. Below 18 frames a second such a rate cannot be told, and nothing is.
 */
#include "edgeflow_change.h"
#include "edgeflow_filter.h"
#include "edgeflow_rhythm.h"

#define ONSET 140
#define CLONIC 142
#define POST_ICTAL 143

#define STEP_MS 50u
#define STEPS 100              /* five seconds */
#define LOWEST_HZ 3.0f
#define HIGHEST_HZ 8.0f
#define BIN_HZ 0.4f            /* two bins of five seconds */
#define LONGEST_INTERVAL 0.055f /* s between frames */
#define STRONG 0.5f            /* of the motion score */
#define RHYTHMIC 0.5f          /* share of the variance at one rate */
#define LASTS_S 8.0f           /* tremor of the cold and gestures are shorter or weaker */
#define ENDS_S 3.0f
#define STILL 0.25f            /* of the motion score */
#define POST_ICTAL_S 20.0f

EF_RING(waves, STEPS);
static ef_grid grid = {.ring = &waves, .step_ms = STEP_MS};
static ef_change frames;
static ef_clock clock;
static ef_hold convulsion;
static float still, rate_hz;
static bool afterwards;

/* Groups of subcarriers with alternating signs: a move that lifts all of them alike is rare, and normalised away. */
static float project(int32_t subcarriers) {
    float sum = 0.0f;
    for (int32_t i = 0; i < subcarriers; i++) {
        const float amplitude = csi_get_amplitude(i);
        sum += (i >> 2) & 1 ? amplitude : -amplitude;
    }
    return sum;
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    ef_change_step(&frames, subcarriers);
    ef_grid_push(&grid, project(subcarriers));
}

/* Share of the variance at the strongest rate of the band. */
static float rhythm(void) {
    static float values[STEPS];
    const int32_t count = ef_rhythm_unroll(&waves, values);
    float most = 0.0f;
    for (float hz = LOWEST_HZ; hz <= HIGHEST_HZ; hz += BIN_HZ) {
        const float power = ef_rhythm_power(values, count, hz * 0.001f * (float)STEP_MS);
        if (power > most) {
            most = power;
            rate_hz = hz;
        }
    }
    const float variance = ef_rhythm_product(values, count, 0);
    return variance > 0.0f ? most / variance : 0.0f;
}

static void follow(float passed, float energy) {
    still = energy < STILL ? still + passed : 0.0f;
    if (afterwards && still >= POST_ICTAL_S) {
        afterwards = false;
        csi_emit_event(POST_ICTAL, still);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    const float passed = ef_clock_step(&clock), energy = csi_get_motion_energy();
    const bool able = ef_ring_full(&waves) && frames.interval < LONGEST_INTERVAL;
    const float share = able && energy > STRONG ? rhythm() : 0.0f;
    const int turned = ef_hold_step(&convulsion, share > RHYTHMIC, passed, LASTS_S, ENDS_S);
    if (turned > 0) {
        csi_emit_event(ONSET, ef_min(share, 1.0f));
        csi_emit_event(CLONIC, rate_hz);
    } else if (turned < 0) {
        afterwards = true;
    }
    follow(passed, energy);
}
