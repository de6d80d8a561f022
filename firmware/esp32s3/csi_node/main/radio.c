#include "radio.h"

#include <stdatomic.h>
#include <string.h>

#include "esp_log.h"
#include "esp_pm.h"
#include "esp_timer.h"
#include "esp_wifi.h"
#include "probe.h"
#include "sdkconfig.h"

#define LEAST_FRAME_US 20000

static const char *TAG = "radio";
static const ef_node_settings *node;
static ef_csi_ring *frames;
static TaskHandle_t reader;
static atomic_uchar home, channel; /* home: told by the event task; channel: 0 is home */
static bool awake = true;          /* this, hops and timers: only the timer task, once it runs */
static ef_hop hops;
static esp_timer_handle_t hop_timer, duty_timer;
#if CONFIG_PM_ENABLE
static esp_pm_lock_handle_t no_sleep;
#endif

static uint8_t source_of(const uint8_t mac[6]) {
    uint32_t hash = 2166136261u;
    for (unsigned i = 0; i < 6; i++) {
        hash = (hash ^ mac[i]) * 16777619u;
    }
    return (uint8_t)(hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24));
}

/* On core 0, in the radio's task: copy and leave. */
static void on_frame(void *unused, wifi_csi_info_t *info) {
    static int64_t last_us = -LEAST_FRAME_US;
    (void)unused;
    int64_t now_us = esp_timer_get_time();
    bool wanted = node->filter_mac_bytes == 0 || memcmp(info->mac, node->filter_mac, 6) == 0;
    if (info->buf == NULL || !wanted || now_us - last_us < LEAST_FRAME_US) {
        return;
    }
    last_us = now_us;
    const ef_csi_frame frame = {
        .time_us = (uint64_t)now_us,
        .pairs = info->buf,
        .subcarriers = info->len / 2u,
        .rssi = (int8_t)info->rx_ctrl.rssi,
        .noise_floor = (int8_t)info->rx_ctrl.noise_floor,
        .channel = (uint8_t)info->rx_ctrl.channel,
        .source = source_of(info->mac),
    };
    if (ef_csi_ring_push(frames, &frame)) {
        xTaskNotifyGive(reader);
    }
}

static void listen(bool on) {
    esp_err_t heard = esp_wifi_set_promiscuous(on);
    esp_err_t measured = esp_wifi_set_csi(on);
    esp_err_t rested = esp_wifi_set_ps(on ? WIFI_PS_NONE : WIFI_PS_MAX_MODEM);
    if (heard != ESP_OK || measured != ESP_OK || rested != ESP_OK) {
        ESP_LOGW(TAG, "listen_failed on=%d error=%s/%s/%s", on, esp_err_to_name(heard), esp_err_to_name(measured),
                 esp_err_to_name(rested));
    }
}

static void tune(uint8_t to) {
    uint8_t at_home = atomic_load(&home);
    if (at_home == 0 || to == 0) {
        atomic_store(&channel, 0);
        return;
    }
    atomic_store(&channel, to == at_home ? 0 : to); /* before leaving: nothing is sent on the way */
    if (esp_wifi_set_channel(to, WIFI_SECOND_CHAN_NONE) != ESP_OK) {
        ESP_LOGW(TAG, "channel_refused channel=%u", to);
        atomic_store(&channel, 0);
    }
}

static void on_hop(void *unused) {
    (void)unused;
    uint8_t at_home = atomic_load(&home);
    if (hops.home != at_home) {
        ef_hop_set_home(&hops, at_home);
    }
    if (at_home == 0) {
        tune(0); /* the station looks for its access point by itself */
    } else if (awake) {
        tune(ef_hop_next(&hops));
    }
    esp_timer_start_once(hop_timer, node->dwell_ms * 1000ull);
}

static void sleep_or_wake(bool wake) {
    if (!wake) {
        tune(atomic_load(&home));
    }
#if CONFIG_PM_ENABLE
    if (wake != awake && no_sleep != NULL) {
        (void)(wake ? esp_pm_lock_acquire(no_sleep) : esp_pm_lock_release(no_sleep));
    }
#endif
    awake = wake;
    listen(wake);
    probe_allow(wake);
}

static void on_duty(void *unused) {
    (void)unused;
    uint64_t now_us = (uint64_t)esp_timer_get_time();
    sleep_or_wake(ef_duty_is_awake(node->power_duty, CONFIG_EDGEFLOW_DUTY_PERIOD_MS, now_us));
    uint64_t left_us = ef_duty_left_us(node->power_duty, CONFIG_EDGEFLOW_DUTY_PERIOD_MS, now_us);
    if (left_us != UINT64_MAX) {
        esp_timer_start_once(duty_timer, left_us);
    }
}

static void allow_sleep(void) {
#if CONFIG_PM_ENABLE
    const esp_pm_config_t power = {.max_freq_mhz = 160, .min_freq_mhz = 80, .light_sleep_enable = true};
    if (esp_pm_lock_create(ESP_PM_NO_LIGHT_SLEEP, 0, "listen", &no_sleep) != ESP_OK ||
        esp_pm_lock_acquire(no_sleep) != ESP_OK || esp_pm_configure(&power) != ESP_OK) {
        ESP_LOGW(TAG, "light_sleep_off");
    }
#endif
}

static void open_receiver(void) {
    /* Data frames in promiscuous mode crash the cache of some chips; answers to our pings come without it. */
    const wifi_promiscuous_filter_t filter = {.filter_mask = WIFI_PROMIS_FILTER_MASK_MGMT};
    const wifi_csi_config_t config = {
        .lltf_en = true, .htltf_en = true, .stbc_htltf2_en = true, .ltf_merge_en = false, .channel_filter_en = false};
    ESP_ERROR_CHECK(esp_wifi_set_promiscuous_filter(&filter));
    ESP_ERROR_CHECK(esp_wifi_set_promiscuous(true));
    ESP_ERROR_CHECK(esp_wifi_set_csi_config(&config));
    ESP_ERROR_CHECK(esp_wifi_set_csi_rx_cb(on_frame, NULL));
}

void radio_start(const ef_node_settings *settings, ef_csi_ring *ring, TaskHandle_t task) {
    const esp_timer_create_args_t hop = {.callback = on_hop, .name = "hop", .skip_unhandled_events = true};
    const esp_timer_create_args_t duty = {.callback = on_duty, .name = "duty", .skip_unhandled_events = true};
    node = settings;
    frames = ring;
    reader = task;
    if (settings->hop_count > 1) {
        ef_hop_set(&hops, settings->hop_channels, settings->hop_count);
    } else if (settings->channel != 0) {
        ef_hop_set(&hops, &settings->channel, 1);
    }
    ESP_ERROR_CHECK(esp_timer_create(&hop, &hop_timer));
    ESP_ERROR_CHECK(esp_timer_create(&duty, &duty_timer));
    open_receiver();
    if (settings->power_duty < 100) {
        allow_sleep();
    }
    ESP_ERROR_CHECK(esp_timer_start_once(duty_timer, 1000));
    if (hops.count > 0) {
        ESP_ERROR_CHECK(esp_timer_start_once(hop_timer, settings->dwell_ms * 1000ull));
    }
}

void radio_set_home(uint8_t to) {
    atomic_store(&home, to);
}

bool radio_is_home(void) {
    return atomic_load(&channel) == 0;
}

uint64_t radio_shared_us(void) {
    int64_t shared_us = atomic_load(&home) != 0 ? esp_wifi_get_tsf_time(WIFI_IF_STA) : 0;
    return shared_us > 0 ? (uint64_t)shared_us : 0;
}
