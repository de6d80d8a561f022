#include "ota_server.h"

#include <stdio.h>

#include "edgeflow/node_policy.h"
#include "esp_app_desc.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "ota_slots.h"
#include "sdkconfig.h"

#define STACK_BYTES (6144u + EF_ED25519_STACK)
#define AUTHORIZATION_BYTES (sizeof "Bearer " + EF_OTA_PSK_MOST + 1u)
#define SILENCE_S 10
#define RESTART_MS 1000
#define CHIP_ESP32S3 9

#if CONFIG_EDGEFLOW_OTA_UNSIGNED
#define TAKES_UNSIGNED true
#else
#define TAKES_UNSIGNED false
#endif

static const char *TAG = "ota";
static httpd_handle_t server;
static const ef_node_settings *known;
static ef_ota ota;
static uint8_t chunk[EF_OTA_CHUNK_BYTES];
static bool can_go_back; /* finding out reads a whole image: not for everybody who asks for the status */

static const char *status_line(int status) {
    switch (status) {
    case 200:
        return "200 OK";
    case 403:
        return "403 Forbidden";
    case 408:
        return "408 Request Timeout";
    case 409:
        return "409 Conflict";
    case 500:
        return "500 Internal Server Error";
    default:
        return "400 Bad Request";
    }
}

/* After a refusal the connection is closed, for its body is not read. */
static esp_err_t answer(httpd_req_t *request, ef_ota_failure failure) {
    char body[64];
    bool good = failure == EF_OTA_FINE;
    snprintf(body, sizeof body, good ? "{\"status\":\"ok\"}" : "{\"status\":\"error\",\"error\":\"%s\"}",
             ef_ota_word(failure));
    httpd_resp_set_status(request, status_line(ef_ota_http(failure)));
    httpd_resp_set_type(request, "application/json");
    esp_err_t sent = httpd_resp_sendstr(request, body);
    return good ? sent : ESP_FAIL;
}

bool ota_server_allows(httpd_req_t *request) {
    char authorization[AUTHORIZATION_BYTES] = "";
    return httpd_req_get_hdr_value_str(request, "Authorization", authorization, sizeof authorization) == ESP_OK &&
           ef_bearer_matches(authorization, known->ota_key);
}

static int receive(void *context, uint8_t *to, size_t most) {
    int count = httpd_req_recv(context, (char *)to, most);
    return count == HTTPD_SOCK_ERR_TIMEOUT ? -1 : count < 0 ? 0 : count;
}

static uint32_t now_ms(void *context) {
    (void)context;
    return (uint32_t)(esp_timer_get_time() / 1000);
}

static esp_err_t on_image(httpd_req_t *request) {
    const ef_ota_source source = {.context = request, .receive = receive, .now_ms = now_ms};
    ef_ota_failure failure = EF_OTA_NOT_ALLOWED;
    if (ota_server_allows(request)) {
        failure = ef_ota_receive(&ota, request->content_len, &source, chunk);
        can_go_back = esp_ota_check_rollback_is_possible();
    }
    ESP_LOGI(TAG, "upload_ended bytes=%u failure=%s", (unsigned)request->content_len, ef_ota_word(failure));
    esp_err_t sent = answer(request, failure);
    if (failure == EF_OTA_FINE) {
        vTaskDelay(pdMS_TO_TICKS(RESTART_MS));
        esp_restart();
    }
    return sent;
}

static esp_err_t on_rollback(httpd_req_t *request) {
    ef_ota_failure failure = EF_OTA_NOT_ALLOWED;
    if (ota_server_allows(request)) {
        failure = ef_ota_may_go_back(&ota, esp_ota_check_rollback_is_possible());
    }
    ESP_LOGI(TAG, "rollback_asked failure=%s", ef_ota_word(failure));
    esp_err_t sent = answer(request, failure);
    if (failure == EF_OTA_FINE) {
        vTaskDelay(pdMS_TO_TICKS(RESTART_MS));
        esp_err_t failed = esp_ota_mark_app_invalid_rollback_and_reboot(); /* returns only then */
        ESP_LOGE(TAG, "rollback_failed error=%s", esp_err_to_name(failed));
    }
    return sent;
}

static const char *label(const esp_partition_t *partition) {
    return partition == NULL ? "" : partition->label;
}

static esp_err_t on_status(httpd_req_t *request) {
    char body[EF_OTA_STATUS_BYTES];
    esp_app_desc_t other = {0};
    const esp_app_desc_t *app = esp_app_get_description();
    const esp_partition_t *next = esp_ota_get_next_update_partition(NULL);
    bool described = next != NULL && esp_ota_get_partition_description(next, &other) == ESP_OK;
    const ef_ota_place place = {
        .date = app->date,
        .time = app->time,
        .running = label(esp_ota_get_running_partition()),
        .next = label(next),
        .previous_version = described ? other.version : "",
        .sequence = ota_slots_sequence(),
        .can_go_back = can_go_back,
        .has_psk = known->ota_key[0] != '\0',
    };
    if (ef_ota_status(&ota, &place, body, sizeof body) == 0) {
        return ESP_FAIL;
    }
    httpd_resp_set_type(request, "application/json");
    return httpd_resp_sendstr(request, body);
}

static void set_rules(const ef_node_settings *settings) {
    const ef_ota_rules rules = {
        .port = &ota_slots,
        .chip = CHIP_ESP32S3,
        .board = esp_app_get_description()->project_name,
        .version = esp_app_get_description()->version,
        .public_key = settings->ota_public_key_bytes > 0 ? settings->ota_public_key : NULL,
        .takes_unsigned = TAKES_UNSIGNED,
    };
    known = settings;
    can_go_back = esp_ota_check_rollback_is_possible();
    ef_ota_init(&ota, &rules);
}

bool ota_server_start(const ef_node_settings *settings) {
    httpd_config_t config = HTTPD_DEFAULT_CONFIG();
    config.server_port = CONFIG_EDGEFLOW_OTA_PORT;
    config.stack_size = STACK_BYTES;
    config.max_open_sockets = 3;
    config.max_uri_handlers = 12;
    config.lru_purge_enable = true;
    config.recv_wait_timeout = SILENCE_S;
    config.core_id = 0;
    config.uri_match_fn = httpd_uri_match_wildcard; /* others register routes with one */
    set_rules(settings);
    const httpd_uri_t image = {.uri = "/ota", .method = HTTP_POST, .handler = on_image};
    const httpd_uri_t rollback = {.uri = "/ota/rollback", .method = HTTP_POST, .handler = on_rollback};
    const httpd_uri_t status = {.uri = "/ota/status", .method = HTTP_GET, .handler = on_status};
    return httpd_start(&server, &config) == ESP_OK && httpd_register_uri_handler(server, &image) == ESP_OK &&
           httpd_register_uri_handler(server, &rollback) == ESP_OK &&
           httpd_register_uri_handler(server, &status) == ESP_OK;
}

httpd_handle_t ota_server_handle(void) {
    return server;
}
