/*
 * Somebody in a tank or a shaft. Breath that was read and then is not, while nobody moved towards the exit, asks for extraction
 * after 15 s, and immobility is told after a minute. Who never held still for long enough to be read is not missed. An indication
 * that helps those who watch, not a safety device.
 */
#include "edgeflow_room.h"

#define ENTRY 510
#define EXIT 511
#define BREATHING 512
#define EXTRACT 513
#define IMMOBILE 514

#define ARRIVES_S 3.0f
#define LEAVES_S 60.0f
#define LOST_S 15.0f
#define IMMOBILE_S 60.0f
#define REPORT_MS 10000u

static ef_room room;
static float inside, lost, immobile;
static bool breathed, extract_told, immobile_told;
static uint32_t reported;

static void reset(void) {
    inside = lost = immobile = 0.0f;
    breathed = extract_told = immobile_told = false;
}

static void watch_breath(float rate) {
    if (rate > 0.0f) {
        breathed = true;
        extract_told = immobile_told = false;
        lost = immobile = 0.0f;
        if (ef_every(&reported, REPORT_MS)) {
            csi_emit_event(BREATHING, rate);
        }
        return;
    }
    breathed = breathed && !room.moving;
    lost = breathed ? lost + room.passed : 0.0f;
    if (lost >= LOST_S && !extract_told) {
        extract_told = true;
        csi_emit_event(EXTRACT, lost);
    }
    immobile = breathed ? immobile + room.passed : 0.0f;
    if (immobile >= IMMOBILE_S && !immobile_told) {
        immobile_told = true;
        csi_emit_event(IMMOBILE, immobile);
    }
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    if (room.turned > 0) {
        reset();
        csi_emit_event(ENTRY, 1.0f);
    } else if (room.turned < 0) {
        csi_emit_event(EXIT, inside);
    }
    if (room.somebody.on) {
        inside += room.passed;
        watch_breath(csi_get_bpm_breathing());
    }
}
