#include "ota_server.h"

#include <stdio.h>
#include <string.h>

#include "edgeflow/node_policy.h"
#include "edgeflow/node_settings.h"
#include "esp_app_desc.h"
#include "esp_http_server.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "freertos/FreeRTOS.h"
#include "sdkconfig.h"

#define STACK_BYTES 6144
#define AUTHORIZATION_BYTES (sizeof "Bearer " + EF_SETTING_BYTES)

static const char *TAG = "ota";
static httpd_handle_t server;

static const char *status_line(int status) {
    switch (status) {
    case 400:
        return "400 Bad Request";
    case 403:
        return "403 Forbidden";
    case 413:
        return "413 Content Too Large";
    default:
        return "501 Not Implemented";
    }
}

static const char *reason(int status) {
    switch (status) {
    case 400:
        return "{\"error\":\"no image\"}";
    case 403:
        return "{\"error\":\"no key was provisioned, or this is another\"}";
    case 413:
        return "{\"error\":\"larger than the partition\"}";
    default:
        return "{\"error\":\"this build cannot check signatures, and takes no unsigned image\"}";
    }
}

static size_t room(void) {
    const esp_partition_t *next = esp_ota_get_next_update_partition(NULL);
    return next == NULL ? 0 : next->size;
}

/* There is no verifier yet, so that every request ends here, before a byte of the image is read. */
static esp_err_t on_image(httpd_req_t *request) {
    char authorization[AUTHORIZATION_BYTES] = "";
    bool given = httpd_req_get_hdr_value_str(request, "Authorization", authorization, sizeof authorization) == ESP_OK;
    const ef_ota_request upload = {
        .authorization = given ? authorization : NULL,
        .key = request->user_ctx,
        .bytes = request->content_len,
        .most = room(),
        .verifier = false,
    };
    int status = ef_ota_check(&upload);
    ESP_LOGW(TAG, "image_refused status=%d bytes=%u", status, (unsigned)request->content_len);
    httpd_resp_set_status(request, status_line(status));
    httpd_resp_set_type(request, "application/json");
    httpd_resp_sendstr(request, reason(status));
    return ESP_FAIL; /* closes the connection: the body is not read */
}

/* Text of the image's header in a JSON string. */
static const char *safe(char *to, const char *from, size_t bytes) {
    size_t i = 0;
    for (; i + 1u < bytes && from[i] != '\0'; i++) {
        bool plain = from[i] >= ' ' && from[i] <= '~' && from[i] != '"' && from[i] != '\\';
        to[i] = plain ? from[i] : '_';
    }
    to[i] = '\0';
    return to;
}

static const char *label(const esp_partition_t *partition) {
    return partition == NULL ? "" : partition->label;
}

static esp_err_t on_status(httpd_req_t *request) {
    char body[320], version[33], date[17], time[17];
    const esp_app_desc_t *app = esp_app_get_description();
    int length = snprintf(body, sizeof body,
                          "{\"version\":\"%s\",\"date\":\"%s\",\"time\":\"%s\",\"running_partition\":\"%s\","
                          "\"next_partition\":\"%s\",\"max_size\":%u,\"accepts\":false}",
                          safe(version, app->version, sizeof version), safe(date, app->date, sizeof date),
                          safe(time, app->time, sizeof time), label(esp_ota_get_running_partition()),
                          label(esp_ota_get_next_update_partition(NULL)), (unsigned)room());
    if (length < 0 || (size_t)length >= sizeof body) {
        return ESP_FAIL;
    }
    httpd_resp_set_type(request, "application/json");
    return httpd_resp_sendstr(request, body);
}

bool ota_server_start(const char *key) {
    httpd_config_t config = HTTPD_DEFAULT_CONFIG();
    config.server_port = CONFIG_EDGEFLOW_OTA_PORT;
    config.stack_size = STACK_BYTES;
    config.max_open_sockets = 3;
    config.lru_purge_enable = true;
    config.core_id = 0;
    const httpd_uri_t image = {.uri = "/ota", .method = HTTP_POST, .handler = on_image, .user_ctx = (void *)key};
    const httpd_uri_t status = {.uri = "/ota/status", .method = HTTP_GET, .handler = on_status};
    return httpd_start(&server, &config) == ESP_OK && httpd_register_uri_handler(server, &image) == ESP_OK &&
           httpd_register_uri_handler(server, &status) == ESP_OK;
}
