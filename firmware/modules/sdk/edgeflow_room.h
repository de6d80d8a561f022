/* What modules ask of vitals again and again: is somebody there for long enough, and is there movement. */
#ifndef EDGEFLOW_ROOM_H
#define EDGEFLOW_ROOM_H

#include "edgeflow_filter.h"
#include "edgeflow_time.h"

#define EF_MOVING 0.25f /* of the motion score: people who sit stay below 0.1, who walk are above 0.5 most of the time */

/* Somebody in the room, once it has lasted; fed once a second by the timer. */
typedef struct ef_room {
    ef_clock clock;
    ef_hold somebody;
    float passed;    /* seconds since the call before, 0 after a gap */
    float occupied;  /* seconds since somebody came */
    float still;     /* seconds without movement, presence or not */
    bool moving;
    int turned;      /* 1 somebody came, -1 the room was left, by this call */
} ef_room;

static inline void ef_room_step(ef_room *room, float arrives_after, float leaves_after) {
    room->passed = ef_clock_step(&room->clock);
    room->moving = csi_get_motion_energy() > EF_MOVING;
    room->still = room->moving ? 0.0f : room->still + room->passed;
    room->turned = ef_hold_step(&room->somebody, csi_get_presence() != 0, room->passed, arrives_after, leaves_after);
    room->occupied = room->turned != 0 ? 0.0f : room->occupied + (room->somebody.on ? room->passed : 0.0f);
}

#endif
