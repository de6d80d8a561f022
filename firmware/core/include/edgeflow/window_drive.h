/*
 * Moving a window: positions in per cent of its travel, reached smoothly and never beyond its limits, by a servo or a stepper. The
 * caller steps time; the drive says where the motor should be now.
 */
#ifndef EDGEFLOW_WINDOW_DRIVE_H
#define EDGEFLOW_WINDOW_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "edgeflow/status.h"

typedef enum ef_motor { EF_MOTOR_SERVO, EF_MOTOR_STEPPER } ef_motor;

typedef struct ef_drive_options {
    ef_motor motor;
    float closed, open;      /* servo: pulse in us; stepper: steps from the end switch */
    float lowest, highest;   /* positions allowed, per cent */
    float speed;             /* per cent a second, at most */
    float acceleration;      /* per cent a second squared */
    float stall_seconds;     /* 0: no feedback; else the motor must have followed within so long */
    float stall_distance;    /* per cent that it may lag */
} ef_drive_options;

typedef enum ef_drive_state { EF_DRIVE_UNKNOWN, EF_DRIVE_HOMING, EF_DRIVE_RESTING, EF_DRIVE_MOVING, EF_DRIVE_STALLED } ef_drive_state;

typedef struct ef_drive {
    ef_drive_options options;
    ef_drive_state state;
    float position, velocity, target; /* per cent, per cent a second */
    float lagging, pending;           /* seconds: behind the motor, and not gone through yet */
} ef_drive;

ef_drive_options ef_drive_default_options(ef_motor motor);

/* EF_ERROR_UNSUPPORTED: limits that are none. A stepper must find its end switch before it moves; a servo knows where it is. */
EF_MUST_CHECK ef_status ef_drive_init(ef_drive *drive, const ef_drive_options *options);

/* A stepper runs towards closed until its end switch says so; a servo that stalled stays where it is, and may be moved again. */
void ef_drive_home(ef_drive *drive);
void ef_drive_end_switch(ef_drive *drive);

/* EF_ERROR_STATE: its place is not known, or it has stalled. EF_ERROR_NOT_FINITE: no position. Limits are kept silently. */
EF_MUST_CHECK ef_status ef_drive_move(ef_drive *drive, float position);
void ef_drive_stop(ef_drive *drive); /* as fast as its acceleration allows */

/* Let time pass, at most a minute; returns what the motor is told: a pulse in us, or a step count. */
float ef_drive_step(ef_drive *drive, float seconds);

/* Where the motor really is, in its own units, where something measures that; one that lags too long is stalled, and let be. */
void ef_drive_measured(ef_drive *drive, float at, float seconds);

#endif
