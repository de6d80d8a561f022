/* WiFi driver and timers with a clock that the test turns: station.c and radio.c lose their access point, hop and sleep. */
#include "check.h"
#include "edgeflow/csi_ring.h"
#include "esp_event.h"
#include "esp_netif.h"
#include "esp_pm.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_wifi.h"
#include "probe.h"
#include "radio.h"
#include "station.h"

#define TIMERS 4u

struct stub_timer {
    void (*callback)(void *);
    uint64_t due_us;
};

esp_event_base_t const WIFI_EVENT = "wifi", IP_EVENT = "ip";
static struct stub_timer timers[TIMERS];
static unsigned made;
static uint64_t clock_us;
static esp_event_handler_t on_wifi, on_ip;
static wifi_csi_cb_t on_frame;
static unsigned connects, told, channels_set;
static uint8_t channel_now;
static bool csi_on, probing;
static wifi_ps_type_t rest;
static uint64_t listened_us, switched_us;
static uint8_t heard[16];

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}
const char *esp_err_to_name(esp_err_t code) {
    return code == ESP_OK ? "ok" : "failed";
}
int64_t esp_timer_get_time(void) {
    return (int64_t)clock_us;
}
uint32_t esp_random(void) {
    return 0;
}
esp_err_t esp_timer_create(const esp_timer_create_args_t *args, esp_timer_handle_t *timer) {
    CHECK(made < TIMERS);
    timers[made] = (struct stub_timer){args->callback, UINT64_MAX};
    *timer = &timers[made++];
    return ESP_OK;
}
esp_err_t esp_timer_start_once(esp_timer_handle_t timer, uint64_t timeout_us) {
    CHECK_EQUAL(timer->due_us, UINT64_MAX); /* the real one refuses to start twice */
    timer->due_us = clock_us + timeout_us;
    return ESP_OK;
}
esp_err_t esp_timer_stop(esp_timer_handle_t timer) {
    timer->due_us = UINT64_MAX;
    return ESP_OK;
}
esp_err_t esp_netif_init(void) {
    return ESP_OK;
}
esp_err_t esp_event_loop_create_default(void) {
    return ESP_OK;
}
esp_netif_t *esp_netif_create_default_wifi_sta(void) {
    return NULL;
}
esp_err_t esp_event_handler_instance_register(esp_event_base_t base, int32_t id, esp_event_handler_t handler, void *arg,
                                              esp_event_handler_instance_t *instance) {
    (void)id;
    (void)arg;
    (void)instance;
    *(base == WIFI_EVENT ? &on_wifi : &on_ip) = handler;
    return ESP_OK;
}
esp_err_t esp_wifi_init(const wifi_init_config_t *config) {
    (void)config;
    return ESP_OK;
}
esp_err_t esp_wifi_set_storage(wifi_storage_t storage) {
    CHECK(storage == WIFI_STORAGE_RAM);
    return ESP_OK;
}
esp_err_t esp_wifi_set_mode(wifi_mode_t mode) {
    CHECK(mode == WIFI_MODE_STA);
    return ESP_OK;
}
esp_err_t esp_wifi_set_config(wifi_interface_t interface, wifi_config_t *conf) {
    (void)interface;
    CHECK(memcmp(conf->sta.ssid, "lab", 4) == 0 && conf->sta.threshold.authmode == WIFI_AUTH_WPA_PSK);
    return ESP_OK;
}
esp_err_t esp_wifi_set_bandwidth(wifi_interface_t ifx, wifi_bandwidth_t bw) {
    (void)ifx;
    return bw == WIFI_BW_HT20 ? ESP_OK : ESP_FAIL;
}
esp_err_t esp_wifi_start(void) {
    return ESP_OK;
}
esp_err_t esp_wifi_connect(void) {
    connects++;
    return ESP_OK;
}
esp_err_t esp_wifi_set_ps(wifi_ps_type_t type) {
    rest = type;
    return ESP_OK;
}
esp_err_t esp_wifi_set_channel(uint8_t primary, wifi_second_chan_t second) {
    CHECK(second == WIFI_SECOND_CHAN_NONE && primary < 15);
    channel_now = primary;
    heard[primary]++;
    channels_set++;
    return ESP_OK;
}
esp_err_t esp_wifi_set_promiscuous(bool en) {
    (void)en;
    return ESP_OK;
}
esp_err_t esp_wifi_set_promiscuous_filter(const wifi_promiscuous_filter_t *filter) {
    CHECK_EQUAL(filter->filter_mask, WIFI_PROMIS_FILTER_MASK_MGMT);
    return ESP_OK;
}
esp_err_t esp_wifi_set_csi(bool en) {
    listened_us += csi_on ? clock_us - switched_us : 0;
    switched_us = clock_us;
    csi_on = en;
    return ESP_OK;
}
esp_err_t esp_wifi_set_csi_config(const wifi_csi_config_t *config) {
    CHECK(config->lltf_en && config->htltf_en);
    return ESP_OK;
}
int64_t esp_wifi_get_tsf_time(wifi_interface_t interface) {
    CHECK_EQUAL(interface, WIFI_IF_STA);
    return (int64_t)clock_us + 7;
}
esp_err_t esp_wifi_set_csi_rx_cb(wifi_csi_cb_t cb, void *ctx) {
    (void)ctx;
    on_frame = cb;
    return ESP_OK;
}
esp_err_t esp_pm_configure(const void *config) {
    CHECK(((const esp_pm_config_t *)config)->light_sleep_enable);
    return ESP_OK;
}
esp_err_t esp_pm_lock_create(esp_pm_lock_type_t type, int arg, const char *name, esp_pm_lock_handle_t *handle) {
    (void)arg;
    (void)name;
    static char lock;
    *handle = (esp_pm_lock_handle_t)(void *)&lock;
    return type == ESP_PM_NO_LIGHT_SLEEP ? ESP_OK : ESP_FAIL;
}
static int locks;
esp_err_t esp_pm_lock_acquire(esp_pm_lock_handle_t handle) {
    (void)handle;
    locks++;
    return ESP_OK;
}
esp_err_t esp_pm_lock_release(esp_pm_lock_handle_t handle) {
    (void)handle;
    locks--;
    return ESP_OK;
}
BaseType_t xTaskNotifyGive(TaskHandle_t task) {
    (void)task;
    told++;
    return pdPASS;
}
void probe_start(uint32_t address) {
    probing = address != 0;
}
void probe_stop(void) {
    probing = false;
}
void probe_allow(bool allowed) {
    CHECK(allowed == (rest == WIFI_PS_NONE));
}

/* Turn the clock, and let timers fire in their order. */
static void pass_ms(uint64_t ms) {
    uint64_t end_us = clock_us + ms * 1000u;
    while (true) {
        struct stub_timer *first = &timers[0];
        for (unsigned i = 1; i < made; i++) {
            first = timers[i].due_us < first->due_us ? &timers[i] : first;
        }
        if (first->due_us > end_us) {
            break;
        }
        clock_us = first->due_us;
        first->due_us = UINT64_MAX;
        first->callback(NULL);
    }
    clock_us = end_us;
}

static void connected(void) {
    wifi_event_sta_connected_t event = {.channel = 6};
    ip_event_got_ip_t address = {.ip_info = {.gw = {0x0100007f}}};
    on_wifi(NULL, WIFI_EVENT, WIFI_EVENT_STA_CONNECTED, &event);
    on_ip(NULL, IP_EVENT, IP_EVENT_STA_GOT_IP, &address);
}

static void lose(void) {
    wifi_event_sta_disconnected_t event = {.reason = 200};
    on_wifi(NULL, WIFI_EVENT, WIFI_EVENT_STA_DISCONNECTED, &event);
}

static void test_it_reconnects_for_ever(void) {
    on_wifi(NULL, WIFI_EVENT, WIFI_EVENT_STA_START, NULL);
    CHECK_EQUAL(connects, 1);
    for (unsigned i = 0; i < 50; i++) {
        lose();
        pass_ms(60000);
    }
    CHECK_EQUAL(connects, 51);
    connected();
    CHECK(station_is_online() && probing);
    lose();
    CHECK(!station_is_online() && !probing);
    pass_ms(500); /* the pauses begin anew */
    CHECK_EQUAL(connects, 52);
}

static void test_it_hops_only_with_an_access_point(void) {
    memset(heard, 0, sizeof heard);
    pass_ms(2000);
    CHECK(radio_is_home());
    CHECK_EQUAL(heard[1] + heard[6] + heard[11], 0);
    connected();
    unsigned away = 0;
    for (unsigned i = 0; i < 100; i++) {
        pass_ms(50);
        CHECK(radio_is_home() == (channel_now == 6));
        away += !radio_is_home();
    }
    CHECK(away >= 20 && away <= 50); /* half of the time that it is awake */
    CHECK(heard[1] >= 10 && heard[11] >= 10 && heard[6] >= 20);
}

static void test_it_sleeps_as_much_as_it_says(void) {
    while (clock_us % 10000000u != 0) {
        pass_ms(1);
    }
    pass_ms(1);
    uint64_t before = listened_us, start = switched_us;
    pass_ms(40000);
    CHECK(csi_on && locks == 1);
    CHECK(listened_us - before >= 24000000u - 10000u && listened_us - before <= 24000000u + 10000u);
    CHECK(switched_us - start == 40000000u);
    for (unsigned i = 0; i < 10; i++) { /* the hops are elsewhere at each start of a sleep */
        pass_ms(i == 0 ? 7000 : 10000);
        CHECK(!csi_on && locks == 0 && rest == WIFI_PS_MAX_MODEM && radio_is_home() && channel_now == 6);
    }
    unsigned set = channels_set;
    pass_ms(2000);
    CHECK_EQUAL(channels_set, set); /* no hops while asleep */
}

static void test_frames_are_copied_and_thinned(ef_csi_ring *ring) {
    int8_t pairs[128] = {1, 2, 3};
    wifi_csi_info_t info = {.buf = pairs, .len = sizeof pairs, .rx_ctrl = {.rssi = -50, .channel = 11, .noise_floor = -92}};
    ef_csi_frame frame;
    for (unsigned i = 0; i < 20; i++) {
        on_frame(NULL, &info);
        pass_ms(5);
    }
    CHECK_EQUAL(told, 5);
    CHECK(ef_csi_ring_peek(ring, &frame));
    CHECK(frame.subcarriers == 64 && frame.rssi == -50 && frame.noise_floor == -92 && frame.channel == 11);
    CHECK(frame.pairs != pairs && frame.pairs[2] == 3);
    info.buf = NULL;
    pass_ms(50);
    on_frame(NULL, &info);
    CHECK_EQUAL(told, 5);
}

int main(void) {
    static ef_node_settings settings;
    static ef_csi_ring ring;
    settings = (ef_node_settings){.ssid = "lab", .password = "secret12", .hop_count = 3, .hop_channels = {1, 6, 11},
                                  .dwell_ms = 70, .power_duty = 60};
    ef_csi_ring_init(&ring);
    CHECK(station_start(&settings));
    radio_start(&settings, &ring, NULL);
    test_it_reconnects_for_ever();
    test_it_hops_only_with_an_access_point();
    test_it_sleeps_as_much_as_it_says();
    test_frames_are_copied_and_thinned(&ring);
    return finish("lost network");
}
