/* New firmware over HTTP: POST /ota, POST /ota/rollback, GET /ota/status. */
#ifndef CSI_NODE_OTA_SERVER_H
#define CSI_NODE_OTA_SERVER_H

#include "edgeflow/node_settings.h"
#include "esp_http_server.h"

/* The settings stay. Without a key for uploads, or one for signatures, every upload is refused. False: no server. */
bool ota_server_start(const ef_node_settings *settings);

/* For routes of others on the same port; NULL before the start. */
httpd_handle_t ota_server_handle(void);

/* Whether a request shows the key for uploads. */
bool ota_server_allows(httpd_req_t *request);

#endif
