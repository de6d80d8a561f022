/* An animal in its box: there, still for long, breathing faster than cattle at rest do, and gone without anybody having come. */
#include "edgeflow_room.h"

#define PRESENT 530
#define STILL 531
#define LABOURED 532
#define ESCAPE 533

#define LEAVES_S 120.0f
#define STILL_S 1800.0f
#define LABOURED_BPM 36.0f /* cattle breathe 26 to 35 times a minute at rest (Merck Veterinary Manual) */
#define LABOURED_S 60.0f

static ef_room room;
static ef_hold laboured;
static bool still_told;

EF_EXPORT(on_timer) void on_timer(void) {
    ef_room_step(&room, 10.0f, LEAVES_S);
    if (room.turned != 0) {
        csi_emit_event(room.turned > 0 ? PRESENT : ESCAPE, 1.0f);
    }
    if (room.somebody.on && room.still >= STILL_S && !still_told) {
        csi_emit_event(STILL, room.still);
    }
    still_told = room.still >= STILL_S;
    const float rate = csi_get_bpm_breathing();
    if (ef_hold_step(&laboured, rate > LABOURED_BPM, room.passed, LABOURED_S, LABOURED_S) > 0) {
        csi_emit_event(LABOURED, rate);
    }
}
