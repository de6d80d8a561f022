/* Tempo by the period of what moves, 40 to 200 beats a minute; loudness by how much moves. */
#include "edgeflow_math.h"
#include "edgeflow_rhythm.h"
#include "edgeflow_room.h"
#include "edgeflow_statistics.h"

#define TEMPO 630
#define BEAT 631
#define DYNAMIC 632
#define CUTOFF 633
#define FERMATA 634

#define STEP_MS 50u
#define STEPS 128
#define FASTEST 6 /* steps a beat */
#define SLOWEST 30
#define REGULAR 0.6f
#define STOPS_S 3.0f
#define HOLDS_S 1.5f

EF_RING(motion, STEPS);
static ef_grid grid = {.ring = &motion, .step_ms = STEP_MS};
static ef_room room;
static float before[EF_MAX_SUBCARRIERS];
static float since_beat;
static int32_t beat;
static bool playing, held;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    float change = 0.0f;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        const float amplitude = csi_get_amplitude(i);
        change += ef_abs(amplitude - before[i]);
        before[i] = amplitude;
    }
    ef_grid_push(&grid, change);
}

static int32_t period(void) {
    return ef_ring_full(&motion) ? ef_period(&motion, FASTEST, SLOWEST, REGULAR) : 0;
}

static void play(int32_t steps) {
    const float seconds = (float)(steps * (int32_t)STEP_MS) * 0.001f;
    playing = true;
    held = false;
    since_beat = 0.0f;
    beat = beat % 4 + 1;
    csi_emit_event(TEMPO, 60.0f / seconds);
    csi_emit_event(BEAT, (float)beat);
    csi_emit_event(DYNAMIC, ef_clamp(csi_get_motion_energy() / 4.0f, 0.0f, 1.0f));
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 2.0f, 10.0f);
    const int32_t steps = room.somebody.on && room.moving ? period() : 0;
    if (steps > 0) {
        play(steps);
        return;
    }
    since_beat += room.passed;
    if (playing && !held && since_beat >= HOLDS_S && room.moving) {
        held = true;
        csi_emit_event(FERMATA, 1.0f);
    }
    if (playing && since_beat >= STOPS_S) {
        playing = false;
        beat = 0;
        csi_emit_event(CUTOFF, 1.0f);
    }
}
