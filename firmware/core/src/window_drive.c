#include "edgeflow/window_drive.h"

#include <math.h>

#define CLOSE_ENOUGH 0.001f
#define HOMING_SPEED 0.25f /* of the usual: it runs into a switch */
#define LONGEST_STEP 0.1f  /* seconds; longer ones are gone through in parts */

ef_drive_options ef_drive_default_options(ef_motor motor) {
    ef_drive_options options = {
        .motor = motor,
        .closed = 500.0f, /* SG90: 0.5 to 2.4 ms for half a turn (Tower Pro data sheet) */
        .open = 2400.0f,
        .highest = 100.0f,
        .speed = 40.0f,
        .acceleration = 40.0f,
        .stall_distance = 10.0f,
    };
    if (motor == EF_MOTOR_STEPPER) {
        options.closed = 0.0f;
        options.open = 4096.0f; /* 28BYJ-48: one turn in half steps */
        options.speed = 10.0f;
        options.acceleration = 20.0f;
    }
    return options;
}

ef_status ef_drive_init(ef_drive *drive, const ef_drive_options *options) {
    const bool known = isfinite(options->closed) && isfinite(options->open) && options->closed != options->open &&
                       options->lowest >= 0.0f && options->highest <= 100.0f && options->lowest < options->highest &&
                       options->speed > 0.0f && options->acceleration > 0.0f && isfinite(options->speed) &&
                       isfinite(options->acceleration) && options->stall_seconds >= 0.0f && options->stall_distance > 0.0f;
    if (!known) {
        return EF_ERROR_UNSUPPORTED;
    }
    *drive = (ef_drive){.options = *options, .position = options->lowest, .target = options->lowest};
    drive->state = options->motor == EF_MOTOR_SERVO ? EF_DRIVE_RESTING : EF_DRIVE_UNKNOWN;
    return EF_OK;
}

void ef_drive_home(ef_drive *drive) {
    if (drive->options.motor == EF_MOTOR_STEPPER) {
        drive->state = EF_DRIVE_HOMING;
        drive->velocity = 0.0f;
        drive->lagging = 0.0f;
        drive->position = 100.0f; /* it may have to go all the way */
    }
}

void ef_drive_end_switch(ef_drive *drive) {
    drive->position = drive->velocity = drive->lagging = 0.0f;
    drive->target = drive->options.lowest;
    drive->state = drive->target > 0.0f ? EF_DRIVE_MOVING : EF_DRIVE_RESTING;
}

ef_status ef_drive_move(ef_drive *drive, float position) {
    if (!isfinite(position)) {
        return EF_ERROR_NOT_FINITE;
    }
    if (drive->state != EF_DRIVE_RESTING && drive->state != EF_DRIVE_MOVING) {
        return EF_ERROR_STATE;
    }
    drive->target = fminf(fmaxf(position, drive->options.lowest), drive->options.highest);
    drive->state = EF_DRIVE_MOVING;
    return EF_OK;
}

void ef_drive_stop(ef_drive *drive) {
    if (drive->state == EF_DRIVE_MOVING) {
        const float way = drive->velocity * fabsf(drive->velocity) / (2.0f * drive->options.acceleration);
        drive->target = fminf(fmaxf(drive->position + way, drive->options.lowest), drive->options.highest);
    }
}

static float told(const ef_drive *drive) {
    return drive->options.closed + drive->position * 0.01f * (drive->options.open - drive->options.closed);
}

/* The speed from which it can still stop where it should, in small steps of time as well. */
static float allowed(const ef_drive *drive, float left, float seconds) {
    const float change = drive->options.acceleration * seconds;
    const float most = sqrtf(0.25f * change * change + 2.0f * drive->options.acceleration * left) - 0.5f * change;
    return fminf(most, drive->options.speed);
}

static void advance(ef_drive *drive, float seconds) {
    const float left = drive->target - drive->position, change = drive->options.acceleration * seconds;
    const float wanted = copysignf(allowed(drive, fabsf(left), seconds), left);
    drive->velocity += fminf(fmaxf(wanted - drive->velocity, -change), change);
    const float step = drive->velocity * seconds;
    if (fabsf(left) <= CLOSE_ENOUGH || (fabsf(step) >= fabsf(left) && step * left > 0.0f && fabsf(drive->velocity) <= change)) {
        drive->position = drive->target;
        drive->velocity = 0.0f;
        drive->state = EF_DRIVE_RESTING;
        return;
    }
    drive->position = fminf(fmaxf(drive->position + step, drive->options.lowest), drive->options.highest);
}

float ef_drive_step(ef_drive *drive, float seconds) {
    while (seconds > 0.0f) {
        const float part = fminf(seconds, LONGEST_STEP);
        seconds -= part;
        if (drive->state == EF_DRIVE_MOVING) {
            advance(drive, part);
        } else if (drive->state == EF_DRIVE_HOMING) {
            drive->position -= HOMING_SPEED * drive->options.speed * part;
            if (drive->position < -100.0f) { /* twice the travel, and no switch */
                drive->state = EF_DRIVE_STALLED;
                drive->position = 0.0f;
            }
        }
    }
    return told(drive);
}

void ef_drive_measured(ef_drive *drive, float at, float seconds) {
    if (drive->options.stall_seconds <= 0.0f || drive->state == EF_DRIVE_HOMING) {
        return;
    }
    const float real = 100.0f * (at - drive->options.closed) / (drive->options.open - drive->options.closed);
    const bool lags = !(fabsf(real - drive->position) <= drive->options.stall_distance);
    drive->lagging = lags ? drive->lagging + seconds : 0.0f;
    if (drive->lagging >= drive->options.stall_seconds && drive->state != EF_DRIVE_UNKNOWN) {
        drive->state = EF_DRIVE_STALLED;
        drive->velocity = 0.0f;
    }
}
