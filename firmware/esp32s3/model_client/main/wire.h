/* The wire to the host: one of two drivers behind the port of the core. */
#ifndef MODEL_CLIENT_WIRE_H
#define MODEL_CLIENT_WIRE_H

#include "edgeflow/rpc.h"

#define WIRE_RECEIVE_BYTES 16384 /* what may arrive while a model runs: the window promised to hosts */

/* Start the driver and fill in read, write and set_baud of `port`. */
void wire_open(ef_port *port);

/* Sleep until bytes arrive, at most `milliseconds`. */
void wire_wait(unsigned milliseconds);

/* Wait until what was written has left the board. */
void wire_drain(void);

#endif
