#include "station.h"

#include <stdatomic.h>
#include <string.h>

#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_wifi.h"
#include "probe.h"
#include "radio.h"

static const char *TAG = "station";
static atomic_bool online;
static uint32_t failures; /* only the event task counts */
static esp_timer_handle_t retry;

static void connect(void *unused) {
    (void)unused;
    esp_err_t asked = esp_wifi_connect();
    if (asked != ESP_OK) {
        ESP_LOGW(TAG, "connect_refused error=%s", esp_err_to_name(asked));
        esp_timer_start_once(retry, ef_reconnect_ms(3, esp_random()) * 1000ull);
    }
}

static void lost(const wifi_event_sta_disconnected_t *event) {
    uint32_t wait_ms = ef_reconnect_ms(failures, esp_random());
    failures += failures < UINT32_MAX;
    atomic_store(&online, false);
    radio_set_home(0);
    probe_stop();
    ESP_LOGW(TAG, "connection_lost reason=%u retry_ms=%u", event->reason, (unsigned)wait_ms);
    esp_timer_stop(retry); /* not running is no fault */
    esp_timer_start_once(retry, wait_ms * 1000ull);
}

static void on_wifi(void *unused, esp_event_base_t base, int32_t id, void *data) {
    (void)unused;
    (void)base;
    if (id == WIFI_EVENT_STA_START) {
        connect(NULL);
    } else if (id == WIFI_EVENT_STA_CONNECTED) {
        radio_set_home(((const wifi_event_sta_connected_t *)data)->channel);
    } else if (id == WIFI_EVENT_STA_DISCONNECTED) {
        lost(data);
    }
}

static void on_address(void *unused, esp_event_base_t base, int32_t id, void *data) {
    (void)unused;
    (void)base;
    atomic_store(&online, id == IP_EVENT_STA_GOT_IP);
    if (id == IP_EVENT_STA_GOT_IP) {
        failures = 0;
        probe_start(((const ip_event_got_ip_t *)data)->ip_info.gw.addr);
    }
}

static wifi_config_t access_of(const ef_node_settings *settings) {
    wifi_config_t access = {0};
    /* Both fields may be full, without an end. */
    memcpy(access.sta.ssid, settings->ssid, strnlen(settings->ssid, sizeof access.sta.ssid));
    memcpy(access.sta.password, settings->password, strnlen(settings->password, sizeof access.sta.password));
    access.sta.threshold.authmode = settings->password[0] == '\0' ? WIFI_AUTH_OPEN : WIFI_AUTH_WPA_PSK;
    return access;
}

bool station_start(const ef_node_settings *settings) {
    const wifi_init_config_t driver = WIFI_INIT_CONFIG_DEFAULT();
    const esp_timer_create_args_t timer = {.callback = connect, .name = "reconnect"};
    wifi_config_t access = access_of(settings);
    ESP_ERROR_CHECK(esp_timer_create(&timer, &retry));
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    esp_netif_create_default_wifi_sta();
    ESP_ERROR_CHECK(esp_wifi_init(&driver));
    ESP_ERROR_CHECK(esp_event_handler_instance_register(WIFI_EVENT, ESP_EVENT_ANY_ID, on_wifi, NULL, NULL));
    ESP_ERROR_CHECK(esp_event_handler_instance_register(IP_EVENT, ESP_EVENT_ANY_ID, on_address, NULL, NULL));
    ESP_ERROR_CHECK(esp_wifi_set_storage(WIFI_STORAGE_RAM));
    ESP_ERROR_CHECK(esp_wifi_set_mode(WIFI_MODE_STA));
    if (settings->ssid[0] == '\0') {
        ESP_LOGE(TAG, "network_unknown hint=provision");
        return false;
    }
    ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_STA, &access));
    ESP_ERROR_CHECK(esp_wifi_start());
    /* Frames of 40 MHz do not fit the ring. */
    esp_err_t narrow = esp_wifi_set_bandwidth(WIFI_IF_STA, WIFI_BW_HT20);
    if (narrow != ESP_OK) {
        ESP_LOGW(TAG, "bandwidth_kept error=%s", esp_err_to_name(narrow));
    }
    return true;
}

bool station_is_online(void) {
    return atomic_load(&online);
}
