/* The connection to the access point: kept for ever, with pauses that grow. */
#ifndef CSI_NODE_STATION_H
#define CSI_NODE_STATION_H

#include "edgeflow/node_settings.h"

/* Start the radio and connect. False: no network was provisioned, and the radio stays off. */
bool station_start(const ef_node_settings *settings);

/* An address was given and not lost since. */
bool station_is_online(void);

#endif
