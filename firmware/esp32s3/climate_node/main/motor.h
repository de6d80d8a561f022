/* The window's motor that the board was built with. */
#ifndef CLIMATE_NODE_MOTOR_H
#define CLIMATE_NODE_MOTOR_H

#include <stdbool.h>

#include "edgeflow/window_drive.h"

ef_motor motor_kind(void);
bool motor_start(void);

/* What the drive says: a pulse in microseconds, or steps. */
void motor_tell(float told);

/* The stepper stands at its end switch. */
bool motor_is_at_end(void);

#endif
