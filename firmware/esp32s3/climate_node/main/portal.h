/* A page to be set up over: network, name and broker. After it was filled in the node starts anew. */
#ifndef CLIMATE_NODE_PORTAL_H
#define CLIMATE_NODE_PORTAL_H

#include <stdbool.h>

#include "store.h"

/* False: no server. */
bool portal_start(const store_identity *identity);

#endif
