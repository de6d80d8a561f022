#include "collector.h"

#include <string.h>

#include "edgeflow/node_ingest.h"
#include "esp_http_client.h"
#include "esp_log.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "radio.h"
#include "sensing.h"
#include "station.h"

#define STACK_BYTES 6144
#define PRIORITY 2
#define CORE 0
#define LOOK_MS 250
#define BEARER "Bearer "

static const char *TAG = "collector";
static const ef_node_settings *node;
static char url[EF_INGEST_URL_BYTES];
static char bearer[sizeof BEARER + sizeof((ef_node_settings *)0)->seed_token];

static bool prepare(esp_http_client_handle_t client, const char *body, size_t bytes) {
    return esp_http_client_set_header(client, "Content-Type", "application/json") == ESP_OK &&
           (bearer[0] == '\0' || esp_http_client_set_header(client, "Authorization", bearer) == ESP_OK) &&
           esp_http_client_set_post_field(client, body, (int)bytes) == ESP_OK;
}

/* The status of the answer; 0: none came. */
static int post(const char *body, size_t bytes) {
    const esp_http_client_config_t config = {
        .url = url, .method = HTTP_METHOD_POST, .timeout_ms = EF_INGEST_TIMEOUT_MS, .disable_auto_redirect = true};
    esp_http_client_handle_t client = esp_http_client_init(&config);
    if (client == NULL) {
        return 0;
    }
    bool answered = prepare(client, body, bytes) && esp_http_client_perform(client) == ESP_OK;
    int status = answered ? esp_http_client_get_status_code(client) : 0;
    (void)esp_http_client_cleanup(client);
    return status;
}

static void tell(ef_ingest_kind kind, const float values[EF_INGEST_VALUES], uint64_t now_us) {
    static bool worked = true;
    char body[EF_INGEST_BODY_BYTES];
    size_t bytes = ef_ingest_body(ef_ingest_id(kind, node->node_id, now_us), values, body);
    int status = post(body, bytes);
    bool works = status >= 200 && status < 300;
    if (works != worked) {
        ESP_LOGW(TAG, "collector_%s status=%d", works ? "back" : "lost", status);
        worked = works;
    }
}

static void run(void *unused) {
    ef_ingest ingest = {0};
    float values[EF_INGEST_VALUES];
    bool present;
    (void)unused;
    while (true) {
        uint64_t now_us = (uint64_t)esp_timer_get_time();
        if (station_is_online() && radio_is_home() && sensing_latest(values, &present)) {
            ef_ingest_kind kind = ef_ingest_due(&ingest, node->swarm_heartbeat_s, node->swarm_ingest_s, present, now_us);
            if (kind != EF_INGEST_NOTHING) {
                tell(kind, values, now_us);
            }
        }
        vTaskDelay(pdMS_TO_TICKS(LOOK_MS));
    }
}

bool collector_start(const ef_node_settings *settings) {
    TaskHandle_t task = NULL;
    node = settings;
    if (settings->seed_url[0] == '\0') {
        return true;
    }
    if (!ef_ingest_url(settings->seed_url, url)) {
        ESP_LOGW(TAG, "collector_unusable key=seed_url hint=http_only");
        return false;
    }
    if (settings->seed_token[0] != '\0') {
        strlcpy(bearer, BEARER, sizeof bearer);
        strlcat(bearer, settings->seed_token, sizeof bearer);
    }
    if (xTaskCreatePinnedToCore(run, "collector", STACK_BYTES, NULL, PRIORITY, &task, CORE) != pdPASS) {
        ESP_LOGW(TAG, "collector_off hint=memory");
        return false;
    }
    return true;
}
