/*
 * Somebody in a tank or a shaft. A breath that was read and then collapses, while nobody moves, asks for extraction after 15 s, and
 * immobility is told after a minute, or when somebody is no longer seen who did not move away. An indication that helps those who
 * watch, not a safety device.
 */
#include "edgeflow_breath.h"
#include "edgeflow_room.h"

#define ENTRY 510
#define EXIT 511
#define BREATHING 512
#define EXTRACT 513
#define IMMOBILE 514

#define ARRIVES_S 3.0f
#define LEAVES_S 60.0f
#define USUAL_S 60.0f    /* the depth that a collapse is compared with */
#define KNOWN_S 30.0f    /* of a read breath, before anything is judged */
#define COLLAPSED 0.25f  /* of the usual power: half the depth */
#define RETURNED 0.5f
#define RETURNS_S 2.0f
#define LAG_S 5.5f       /* EF_BREATH_DEPTH_S * ln 4: so late is the depth seen to collapse */
#define STIRS 0.25f      /* of the motion score, above thrice its mean: breathing makes some of it */
#define WALKS 1.0f       /* of the motion score: not to be learnt as breathing */
#define STEPS_S 20.0f    /* presence lasts so long after the last step */
#define LOST_S 15.0f
#define IMMOBILE_S 60.0f
#define REPORT_MS 10000u

static ef_breath breath;
static ef_room room;
static ef_smooth usual, energy;
static ef_hold collapsed;
static float inside, lost;
static bool is_inside, extract_told, immobile_told, vanished;
static uint32_t reported;

static bool stirs(void) {
    return csi_get_motion_energy() > STIRS + 3.0f * energy.value;
}

static bool is_low(void) {
    return breath.depth.value < (collapsed.on ? RETURNED : COLLAPSED) * usual.value;
}

EF_EXPORT(on_frame) void on_frame(int32_t subcarriers) {
    ef_breath_frame(&breath, subcarriers, !is_low() && !stirs());
}

static void breathes_on(void) {
    lost = 0.0f;
    extract_told = immobile_told = false;
}

static void forget(void) {
    usual = (ef_smooth){0.0f, 0.0f};
    collapsed = (ef_hold){false, 0.0f};
    breathes_on();
}

static void tell_breath(float rate) {
    if (!is_low()) {
        ef_smooth_step(&usual, breath.depth.value, room.passed, USUAL_S);
    }
    if (ef_every(&reported, REPORT_MS)) {
        csi_emit_event(BREATHING, rate);
    }
}

static void watch_depth(void) {
    ef_hold_step(&collapsed, is_low(), room.passed, RETURNS_S, RETURNS_S);
    if (!collapsed.on) {
        breathes_on();
        return;
    }
    lost += room.passed;
    if (lost + LAG_S >= LOST_S && !extract_told) {
        extract_told = true;
        csi_emit_event(EXTRACT, lost + LAG_S);
    }
    if (lost + LAG_S >= IMMOBILE_S && !immobile_told) {
        immobile_told = true;
        csi_emit_event(IMMOBILE, lost + LAG_S);
    }
}

/* Nobody leaves without moving: who is no longer seen and did not move may need help. */
static void vanish(void) {
    if (room.still <= LEAVES_S + STEPS_S) {
        is_inside = false;
        csi_emit_event(EXIT, inside);
        forget();
    } else if (!vanished) {
        vanished = true;
        csi_emit_event(IMMOBILE, room.still);
    }
}

static void follow(void) {
    vanished = vanished && !room.somebody.on;
    if (room.somebody.on && !is_inside) {
        is_inside = true;
        inside = 0.0f;
        csi_emit_event(ENTRY, 1.0f);
    } else if (!room.somebody.on && is_inside) {
        vanish();
    }
    inside += is_inside ? room.passed : 0.0f;
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, ARRIVES_S, LEAVES_S);
    const float rate = csi_get_bpm_breathing();
    ef_smooth_step(&energy, ef_min(csi_get_motion_energy(), WALKS), is_low() ? 0.0f : room.passed, USUAL_S);
    if (room.clock.gap || stirs()) {
        forget();
    } else if (rate > 0.0f) {
        tell_breath(rate);
    }
    if (usual.seconds >= KNOWN_S) {
        watch_depth();
    }
    follow();
}
