/* Pings to the access point, whose answers are frames to measure: beacons alone come ten times a second. */
#ifndef CSI_NODE_PROBE_H
#define CSI_NODE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Before the others, which any task may call. */
void probe_init(void);

/* `address` in network order. */
void probe_start(uint32_t address);
void probe_stop(void);

/* While the node sleeps it does not ask. */
void probe_allow(bool allowed);

#endif
