#include "wifi.h"

#include <stdatomic.h>
#include <string.h>

#include "edgeflow/node_policy.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_wifi.h"

#define LEAST_PASSWORD 8u
#define REFUSED 3u /* failures that a refusal counts for */

static const char *TAG = "wifi";
static atomic_bool online;
static uint32_t failures; /* only the event task counts */
static esp_timer_handle_t retry;

static void connect(void *unused) {
    (void)unused;
    const esp_err_t asked = esp_wifi_connect();
    if (asked != ESP_OK) {
        ESP_LOGW(TAG, "connect_refused error=%s", esp_err_to_name(asked));
        esp_timer_start_once(retry, ef_reconnect_ms(REFUSED, esp_random()) * 1000ull);
    }
}

static void lost(const wifi_event_sta_disconnected_t *event) {
    const uint32_t wait_ms = ef_reconnect_ms(failures, esp_random());
    failures += failures < UINT32_MAX;
    atomic_store(&online, false);
    ESP_LOGW(TAG, "connection_lost reason=%u retry_ms=%u", event->reason, (unsigned)wait_ms);
    esp_timer_stop(retry); /* not running is no fault */
    esp_timer_start_once(retry, wait_ms * 1000ull);
}

static void on_wifi(void *unused, esp_event_base_t base, int32_t id, void *data) {
    (void)unused;
    (void)base;
    if (id == WIFI_EVENT_STA_START) {
        connect(NULL);
    } else if (id == WIFI_EVENT_STA_DISCONNECTED) {
        lost(data);
    }
}

static void on_address(void *unused, esp_event_base_t base, int32_t id, void *data) {
    (void)unused;
    (void)base;
    (void)data;
    atomic_store(&online, id == IP_EVENT_STA_GOT_IP);
    failures = id == IP_EVENT_STA_GOT_IP ? 0 : failures;
}

static void start_driver(wifi_mode_t mode) {
    const wifi_init_config_t driver = WIFI_INIT_CONFIG_DEFAULT();
    ESP_ERROR_CHECK(esp_wifi_init(&driver));
    ESP_ERROR_CHECK(esp_wifi_set_storage(WIFI_STORAGE_RAM));
    ESP_ERROR_CHECK(esp_wifi_set_mode(mode));
}

void wifi_join(const char *ssid, const char *password) {
    const esp_timer_create_args_t timer = {.callback = connect, .name = "reconnect"};
    wifi_config_t access = {0};
    /* Both fields may be full, without an end. */
    memcpy(access.sta.ssid, ssid, strnlen(ssid, sizeof access.sta.ssid));
    memcpy(access.sta.password, password, strnlen(password, sizeof access.sta.password));
    access.sta.threshold.authmode = password[0] == '\0' ? WIFI_AUTH_OPEN : WIFI_AUTH_WPA_PSK;
    ESP_ERROR_CHECK(esp_timer_create(&timer, &retry));
    esp_netif_create_default_wifi_sta();
    start_driver(WIFI_MODE_STA);
    ESP_ERROR_CHECK(esp_event_handler_instance_register(WIFI_EVENT, ESP_EVENT_ANY_ID, on_wifi, NULL, NULL));
    ESP_ERROR_CHECK(esp_event_handler_instance_register(IP_EVENT, ESP_EVENT_ANY_ID, on_address, NULL, NULL));
    ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_STA, &access));
    ESP_ERROR_CHECK(esp_wifi_start());
}

void wifi_open_own(const char *name, const char *password) {
    wifi_config_t own = {.ap = {.channel = 1, .max_connection = 2}};
    const size_t size = strnlen(name, sizeof own.ap.ssid);
    memcpy(own.ap.ssid, name, size);
    memcpy(own.ap.password, password, strnlen(password, sizeof own.ap.password));
    own.ap.ssid_len = (uint8_t)size;
    own.ap.authmode = strlen(password) < LEAST_PASSWORD ? WIFI_AUTH_OPEN : WIFI_AUTH_WPA2_PSK;
    esp_netif_create_default_wifi_ap();
    start_driver(WIFI_MODE_AP);
    ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_AP, &own));
    ESP_ERROR_CHECK(esp_wifi_start());
    ESP_LOGI(TAG, "setup_opened network=%s page=http://192.168.4.1", name);
}

bool wifi_is_online(void) {
    return atomic_load(&online);
}
