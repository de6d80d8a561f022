/*
 * Walls or machines that shake the antennas while nobody is there: the phase of all subcarriers turns back and forth together,
 * which the host takes out of each frame, so only what is left between the subcarriers is seen here.
 */
#include "edgeflow_math.h"
#include "edgeflow_rhythm.h"
#include "edgeflow_room.h"
#include "edgeflow_statistics.h"

#define SEISMIC 540
#define RESONANCE 541
#define DRIFT 542
#define SPECTRUM 543

#define STEP_MS 125u
#define STEPS 128
#define BANDS 24
#define LOWEST_HZ 0.7f
#define BAND_HZ 0.1f
#define CLEAR 20.0f /* times the mean of the other bands */
#define EMPTY_S 60.0f
#define HOUR_S 3600.0f

EF_RING(turning, STEPS);
static ef_grid grid = {.ring = &turning, .step_ms = STEP_MS};
static ef_room room;
static float first[EF_MAX_SUBCARRIERS];
static float turned, since, quiet;
static int32_t known;
static uint32_t looked;

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    float sum = 0.0f, off = 0.0f;
    int32_t used = 0;
    for (int32_t i = 0; i < subcarriers && i < EF_MAX_SUBCARRIERS; i++) {
        if (csi_get_amplitude(i) > 0.0f) {
            const float phase = csi_get_phase(i);
            first[i] = known == subcarriers ? first[i] : phase;
            sum += (i & 1 ? 1.0f : -1.0f) * phase;
            off += ef_abs(ef_wrap(phase - first[i]));
            used++;
        }
    }
    known = subcarriers;
    turned = used > 0 ? off / (float)used : 0.0f;
    ef_grid_push(&grid, used > 0 ? sum / (float)used : 0.0f);
}

static void look(void) {
    float most = 0.0f, all = 0.0f, at = 0.0f;
    for (int32_t band = 0; band < BANDS; band++) {
        const float hertz = LOWEST_HZ + BAND_HZ * (float)band;
        const float power = ef_power(&turning, hertz * (float)STEP_MS * 0.001f);
        all += power;
        if (power > most) {
            most = power;
            at = hertz;
        }
    }
    const float ratio = all > most ? most * (float)(BANDS - 1) / (all - most) : 0.0f;
    if (ratio > CLEAR) {
        csi_emit_event(RESONANCE, at);
        csi_emit_event(SPECTRUM, ef_decibels(ratio));
    }
    if (ratio > CLEAR * CLEAR) {
        csi_emit_event(SEISMIC, 1.0f);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 1.0f, EMPTY_S);
    quiet = room.somebody.on || room.moving ? 0.0f : quiet + room.passed;
    since += room.passed;
    if (quiet < EMPTY_S || !ef_ring_full(&turning)) {
        return;
    }
    if (ef_every(&looked, 16000u)) {
        look();
    }
    if (since >= HOUR_S) {
        csi_emit_event(DRIFT, turned * HOUR_S / since);
        since = 0.0f;
        known = 0;
    }
}
