/* Sleep by half minutes: moving is awake, an even breath is deep sleep, an uneven one without movement is REM, else light. */
#include "edgeflow_math.h"
#include "edgeflow_room.h"
#include "edgeflow_statistics.h"

#define STAGE 600
#define QUALITY 601
#define REM 602
#define DEEP 603

enum { AWAKE, LIGHT, DEEP_SLEEP, REM_SLEEP };

#define EPOCH_MS 30000u
#define EPOCH_S 30.0f
#define EVEN 0.03f   /* deviation of the rate, relative */
#define UNEVEN 0.10f
#define ASLEEP_S 600.0f

EF_RING(rates, 30);
static ef_room room;
static bool moved;
static float asleep, rem, deep, in_bed;
static uint32_t epoch;

static int32_t stage(void) {
    const ef_moments own = ef_ring_moments(&rates, 0, rates.count);
    const float deviation = own.mean > 0.0f ? ef_sqrt(own.variance) / own.mean : 0.0f;
    if (moved || room.still < ASLEEP_S || rates.count < rates.capacity / 2) {
        return AWAKE;
    }
    return deviation < EVEN ? DEEP_SLEEP : deviation > UNEVEN ? REM_SLEEP : LIGHT;
}

static void end_epoch(void) {
    const int32_t now = stage();
    in_bed += EPOCH_S;
    asleep += now != AWAKE ? EPOCH_S : 0.0f;
    rem += now == REM_SLEEP ? EPOCH_S : 0.0f;
    deep += now == DEEP_SLEEP ? EPOCH_S : 0.0f;
    csi_emit_event(STAGE, (float)now);
    csi_emit_event(QUALITY, asleep / in_bed);
    csi_emit_event(REM, rem / 60.0f);
    csi_emit_event(DEEP, asleep > 0.0f ? 100.0f * deep / asleep : 0.0f);
    moved = false;
    ef_ring_clear(&rates);
}

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 10.0f, 600.0f);
    moved = moved || room.moving;
    if (csi_get_bpm_breathing() > 0.0f) {
        ef_ring_push(&rates, csi_get_bpm_breathing());
    }
    if (!room.somebody.on) {
        asleep = rem = deep = in_bed = 0.0f;
    } else if (ef_every(&epoch, EPOCH_MS)) {
        end_epoch();
    }
}
