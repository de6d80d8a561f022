/* Posts to a collector, if one was provisioned (seed_url). */
#ifndef CSI_NODE_COLLECTOR_H
#define CSI_NODE_COLLECTOR_H

#include "edgeflow/node_settings.h"

/* They stay. False: the address cannot be used, or no memory for the task; the node works without. */
bool collector_start(const ef_node_settings *settings);

#endif
