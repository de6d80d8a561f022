/* Settings from flash. */
#ifndef CSI_NODE_SETTINGS_STORE_H
#define CSI_NODE_SETTINGS_STORE_H

#include "edgeflow/node_settings.h"

/* Defaults, then what is stored; a value that does not fit is left out, with a line in the log. False: no flash to read. */
bool settings_store_load(ef_node_settings *settings);

#endif
