#include "edgeflow/window_drive.h"

#include <math.h>

#define CLOSE_ENOUGH 0.001f
#define HOMING_SPEED 0.25f /* of the usual: it runs into a switch */
#define TICK 0.002f /* seconds; other steps add up to these, of which braking is made */
#define MOST_SECONDS 60.0f

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
    drive->velocity = drive->lagging = drive->pending = 0.0f;
    if (drive->options.motor == EF_MOTOR_STEPPER) {
        drive->state = EF_DRIVE_HOMING;
        drive->position = 100.0f; /* it may have to go all the way */
    } else {
        drive->target = drive->position;
        drive->state = EF_DRIVE_RESTING;
    }
}

void ef_drive_end_switch(ef_drive *drive) {
    if (drive->state == EF_DRIVE_HOMING) {
        drive->target = drive->options.lowest;
    } else if (drive->options.motor != EF_MOTOR_STEPPER || drive->state != EF_DRIVE_MOVING || drive->velocity >= 0.0f) {
        return;
    }
    drive->position = drive->velocity = drive->lagging = 0.0f;
    drive->state = drive->target > 0.0f ? EF_DRIVE_MOVING : EF_DRIVE_RESTING;
}

static float within(const ef_drive_options *options, float position) {
    return fminf(fmaxf(position, options->lowest), options->highest);
}

ef_status ef_drive_move(ef_drive *drive, float position) {
    if (!isfinite(position)) {
        return EF_ERROR_NOT_FINITE;
    }
    if (drive->state != EF_DRIVE_RESTING && drive->state != EF_DRIVE_MOVING) {
        return EF_ERROR_STATE;
    }
    drive->target = within(&drive->options, position);
    drive->state = EF_DRIVE_MOVING;
    return EF_OK;
}

void ef_drive_stop(ef_drive *drive) {
    if (drive->state == EF_DRIVE_MOVING) {
        const float way = drive->velocity * fabsf(drive->velocity) / (2.0f * drive->options.acceleration);
        drive->target = within(&drive->options, drive->position + way);
    }
}

static float told(const ef_drive *drive) {
    return drive->options.closed + drive->position * 0.01f * (drive->options.open - drive->options.closed);
}

/* The most speed, in changes of one tick, from which it stops exactly where it should by as many changes as that takes. */
static float allowed(float left, float change) {
    const float way = left / (change * TICK);
    const float ticks = floorf(0.5f * (sqrtf(1.0f + 8.0f * way) - 1.0f));
    return change * (way / (ticks + 1.0f) + 0.5f * ticks);
}

static void advance(ef_drive *drive) {
    const float left = drive->target - drive->position, change = drive->options.acceleration * TICK;
    if (fabsf(left) <= CLOSE_ENOUGH && fabsf(drive->velocity) <= 1.01f * change) {
        drive->position = drive->target;
        drive->velocity = 0.0f;
        drive->state = EF_DRIVE_RESTING;
        return;
    }
    const float wanted = copysignf(fminf(allowed(fabsf(left), change), drive->options.speed), left);
    drive->velocity += fminf(fmaxf(wanted - drive->velocity, -change), change);
    /* From its end switch, or after other limits were set, it may be outside, on its way in. */
    const float lowest = fminf(drive->position, drive->options.lowest);
    const float highest = fmaxf(drive->position, drive->options.highest);
    drive->position = fminf(fmaxf(drive->position + drive->velocity * TICK, lowest), highest);
}

static void search(ef_drive *drive) {
    drive->position -= HOMING_SPEED * drive->options.speed * TICK;
    if (drive->position < -100.0f) { /* twice the travel, and no switch */
        drive->state = EF_DRIVE_STALLED;
        drive->position = 0.0f;
    }
}

float ef_drive_step(ef_drive *drive, float seconds) {
    const bool runs = drive->state == EF_DRIVE_MOVING || drive->state == EF_DRIVE_HOMING;
    drive->pending = runs && seconds > 0.0f ? fminf(drive->pending + seconds, MOST_SECONDS) : 0.0f;
    while (drive->pending >= TICK) {
        drive->pending -= TICK;
        if (drive->state == EF_DRIVE_MOVING) {
            advance(drive);
        } else if (drive->state == EF_DRIVE_HOMING) {
            search(drive);
        } else {
            drive->pending = 0.0f;
        }
    }
    return told(drive);
}

void ef_drive_measured(ef_drive *drive, float at, float seconds) {
    const bool placed = drive->state == EF_DRIVE_RESTING || drive->state == EF_DRIVE_MOVING;
    if (drive->options.stall_seconds <= 0.0f || !placed) {
        return;
    }
    const float real = 100.0f * (at - drive->options.closed) / (drive->options.open - drive->options.closed);
    const bool lags = !(fabsf(real - drive->position) <= drive->options.stall_distance);
    drive->lagging = lags ? drive->lagging + seconds : 0.0f;
    if (drive->lagging >= drive->options.stall_seconds) {
        drive->state = EF_DRIVE_STALLED;
        drive->velocity = 0.0f;
        /* Where it is stuck, so that it does not go on pushing. */
        drive->position = drive->target = isfinite(real) ? within(&drive->options, real) : drive->position;
    }
}
