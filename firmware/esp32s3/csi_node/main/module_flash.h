/* The partition in which modules stay over a restart. */
#ifndef CSI_NODE_MODULE_FLASH_H
#define CSI_NODE_MODULE_FLASH_H

#include <stdbool.h>

#include "edgeflow/flash.h"

/* NULL: the partition table has none, or it cannot be mapped. Once. */
const ef_flash *module_flash_open(void);

/* Whether the node ended by itself before this start, other than by its power or an order. */
bool module_flash_crashed(void);

#endif
