#include "probe.h"

#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "ping/ping_sock.h"
#include "sdkconfig.h"

static SemaphoreHandle_t lock; /* of what follows */
static esp_ping_handle_t session;
static bool awake = true;

static void end(void) {
    if (session != NULL) {
        esp_ping_delete_session(session);
        session = NULL;
    }
}

static void begin(uint32_t address) {
    esp_ping_config_t config = ESP_PING_DEFAULT_CONFIG();
    config.count = ESP_PING_COUNT_INFINITE;
    config.interval_ms = CONFIG_EDGEFLOW_PROBE_MS;
    config.timeout_ms = CONFIG_EDGEFLOW_PROBE_MS;
    config.data_size = 1;
    config.task_stack_size = 3072;
    config.target_addr.type = IPADDR_TYPE_V4;
    config.target_addr.u_addr.ip4.addr = address;
    const esp_ping_callbacks_t none = {0};
    if (esp_ping_new_session(&config, &none, &session) != ESP_OK || (awake && esp_ping_start(session) != ESP_OK)) {
        ESP_LOGW("probe", "probe_failed hint=frames_only_from_beacons");
    }
}

void probe_init(void) {
    lock = xSemaphoreCreateMutex();
}

void probe_start(uint32_t address) {
    if (CONFIG_EDGEFLOW_PROBE_MS == 0 || lock == NULL) {
        return;
    }
    xSemaphoreTake(lock, portMAX_DELAY);
    end();
    begin(address);
    xSemaphoreGive(lock);
}

void probe_stop(void) {
    if (lock != NULL) {
        xSemaphoreTake(lock, portMAX_DELAY);
        end();
        xSemaphoreGive(lock);
    }
}

void probe_allow(bool allowed) {
    if (lock == NULL) {
        return;
    }
    xSemaphoreTake(lock, portMAX_DELAY);
    if (allowed != awake && session != NULL) {
        (void)(allowed ? esp_ping_start(session) : esp_ping_stop(session));
    }
    awake = allowed;
    xSemaphoreGive(lock);
}
