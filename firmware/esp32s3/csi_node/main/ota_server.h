/* New firmware over HTTP. */
#ifndef CSI_NODE_OTA_SERVER_H
#define CSI_NODE_OTA_SERVER_H

#include <stdbool.h>

/* `key` stays; "" refuses every upload. False: no server. */
bool ota_server_start(const char *key);

#endif
