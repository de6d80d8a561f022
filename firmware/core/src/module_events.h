/* Which events of a call leave the node. */
#ifndef EDGEFLOW_MODULE_EVENTS_H
#define EDGEFLOW_MODULE_EVENTS_H

#include "edgeflow/modules.h"

void ef_module_tell_events(ef_modules *modules, uint32_t slot, uint64_t now_us);

#endif
