/* The sensor of the air that the board was built with. */
#ifndef CLIMATE_NODE_AIR_H
#define CLIMATE_NODE_AIR_H

#include <stdbool.h>

#include "edgeflow/dht22.h"

/* False: the peripheral is not there; reading goes on trying for the sensor itself. */
bool air_start(void);

/* Takes up to 20 ms. EF_ERROR_FLASH: nobody answers; else what its decoder says. */
EF_MUST_CHECK ef_status air_read(ef_air *air);

#endif
