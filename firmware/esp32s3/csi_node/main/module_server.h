/* /wasm/upload, list, start, stop and delete, on the port of the updates. */
#ifndef CSI_NODE_MODULE_SERVER_H
#define CSI_NODE_MODULE_SERVER_H

#include "edgeflow/node_settings.h"
#include "esp_http_server.h"

/* The settings stay; the server matches with wildcards. False: no route was taken. */
bool module_server_start(httpd_handle_t server, const ef_node_settings *settings);

#endif
