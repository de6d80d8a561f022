/* A climate node. What it decides is in the core; here is only the hardware. */
#include <string.h>
#include <sys/time.h>

#include "air.h"
#include "broker.h"
#include "driver/gpio.h"
#include "edgeflow/climate_node.h"
#include "edgeflow/node_settings.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_netif_sntp.h"
#include "esp_ota_ops.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "microphone.h"
#include "motor.h"
#include "ota_server.h"
#include "ota_slots.h"
#include "portal.h"
#include "sdkconfig.h"
#include "settings_store.h"
#include "store.h"
#include "wifi.h"

#define OUTBOX_BYTES 16384u /* 862 readings */
#define TURN_MS 20u
#define RECORD_MS 10u
#define CLOCK_MS 60000u
#define EARLIEST_S 1700000000 /* a clock before that was never set */
#define GUARD_MORE_S 30

static const char *TAG = "climate_node";
static ef_node_settings shared; /* network and keys for updates, as other nodes store them */
static store_identity identity;
static ef_climate_node node;
static ef_climate_message message;
static broker_event event;
static uint8_t outbox[OUTBOX_BYTES];
static ef_node_test test;
static int under_way = -1;
static bool settled, hears, records;

static uint64_t now_ms(void) {
    return (uint64_t)esp_timer_get_time() / 1000u;
}

static void look_at_clock(void) {
    static uint64_t due;
    struct timeval unix_time;
    if (now_ms() >= due && gettimeofday(&unix_time, NULL) == 0 && unix_time.tv_sec > EARLIEST_S) {
        ef_climate_set_time(&node, (int64_t)unix_time.tv_sec * 1000 + unix_time.tv_usec / 1000, now_ms());
        due = now_ms() + CLOCK_MS;
    }
}

static void look_at_connection(void) {
    static uint32_t seen;
    const uint32_t changes = broker_changes();
    if (changes == seen) {
        return;
    }
    seen = changes;
    under_way = -1;
    if (changes & 1u) {
        test.network = true;
        ef_climate_connected(&node);
    } else {
        ef_climate_lost(&node);
    }
}

static void take(void) {
    if (event.kind == BROKER_CONFIRMED) {
        if (event.id == under_way) {
            under_way = -1;
            ef_climate_confirmed(&node);
        }
        return;
    }
    const ef_climate_taken taken = ef_climate_take(&node, event.topic, event.payload, event.size);
    ESP_LOGI(TAG, "message_taken topic=%s outcome=%d", event.topic, taken);
    if (taken == EF_CLIMATE_CONFIGURED) {
        store_keep_settings(&node.settings);
    }
}

static void read_air(void) {
    ef_air air;
    if (ef_climate_wants_air(&node, now_ms())) {
        const ef_status read = air_read(&air);
        ef_climate_air(&node, read, &air, now_ms());
    }
}

static void tell(void) {
    if (!ef_climate_next(&node, &message, now_ms())) {
        return;
    }
    under_way = broker_send(&message);
    if (under_way < 0) {
        ESP_LOGW(TAG, "message_not_taken topic=%s", message.topic);
    }
}

static void tell_sound(void) {
    char topic[EF_CLIMATE_TOPIC];
    size_t most;
    ef_base64 state = {0};
    char *const text = microphone_text(&most);
    const ef_sound *const sound = microphone_sound();
    size_t used = ef_climate_audio_head(&node, sound, MICROPHONE_HZ, text, most, now_ms());
    if (used == 0) {
        return;
    }
    used += ef_base64_push(&state, (const uint8_t *)sound->samples, sound->count * sizeof *sound->samples, text + used);
    used += ef_base64_end(&state, text + used);
    memcpy(text + used, EF_CLIMATE_AUDIO_TAIL, sizeof EF_CLIMATE_AUDIO_TAIL - 1u);
    used += sizeof EF_CLIMATE_AUDIO_TAIL - 1u;
    ef_climate_write_topic(&node, EF_CLIMATE_TOPIC_AUDIO, topic);
    if (!broker_send_sound(topic, text, used)) {
        ESP_LOGW(TAG, "sound_not_sent bytes=%u", (unsigned)used);
    }
}

static void listen(void) {
    records = hears && (records || ef_climate_wants_audio(&node, now_ms()));
    if (records && microphone_record()) {
        records = false;
        tell_sound();
    }
}

static void settle(void) {
    if (settled) {
        return;
    }
    const ef_boot_verdict verdict = ef_boot_decide(&test, ota_slots_on_trial(), esp_ota_check_rollback_is_possible(),
                                                   (uint32_t)now_ms(), CONFIG_EDGEFLOW_BOOT_PATIENCE_S * 1000u);
    if (verdict == EF_BOOT_WAIT) {
        return;
    }
    settled = true;
    ota_guard_end();
    ESP_LOGI(TAG, "boot_settled verdict=%d network=%d service=%d", verdict, test.network, test.service);
    if (verdict == EF_BOOT_KEEP) {
        ESP_ERROR_CHECK(esp_ota_mark_app_valid_cancel_rollback());
    } else if (verdict == EF_BOOT_ROLL_BACK) {
        const esp_err_t failed = esp_ota_mark_app_invalid_rollback_and_reboot(); /* returns only then */
        ESP_LOGE(TAG, "rollback_failed error=%s", esp_err_to_name(failed));
    }
}

static void turn(void) {
    const uint32_t wait_ms = ef_climate_wait_ms(&node, now_ms()), most = records ? RECORD_MS : TURN_MS;
    if (broker_wait(&event, wait_ms < most ? (wait_ms > 0 ? wait_ms : 1u) : most)) {
        take();
    }
    look_at_clock();
    look_at_connection();
    read_air();
    if (motor_is_at_end()) {
        ef_drive_end_switch(&node.drive);
    }
    motor_tell(ef_climate_motor(&node, now_ms()));
    tell();
    listen();
    settle();
}

static bool is_setup_asked(void) {
    gpio_set_direction(CONFIG_EDGEFLOW_PIN_SETUP, GPIO_MODE_INPUT);
    gpio_set_pull_mode(CONFIG_EDGEFLOW_PIN_SETUP, GPIO_PULLUP_ONLY);
    return shared.ssid[0] == '\0' || identity.broker[0] == '\0' || gpio_get_level(CONFIG_EDGEFLOW_PIN_SETUP) == 0;
}

static void start_network(void) {
    const esp_sntp_config_t clock = ESP_NETIF_SNTP_DEFAULT_CONFIG(CONFIG_EDGEFLOW_TIME_SERVER);
    wifi_join(shared.ssid, shared.password);
    if (esp_netif_sntp_init(&clock) != ESP_OK) {
        ESP_LOGW(TAG, "clock_not_started");
    }
    test.service = ota_server_start(&shared);
}

void app_main(void) {
    ef_climate_settings settings = ef_climate_default_settings(motor_kind());
    ota_guard_begin(CONFIG_EDGEFLOW_BOOT_PATIENCE_S + GUARD_MORE_S);
    test.storage = settings_store_load(&shared);
    store_load(&identity, &settings);
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    if (is_setup_asked()) {
        wifi_open_own(identity.name, CONFIG_EDGEFLOW_PORTAL_PASSWORD);
        if (!portal_start(&identity)) {
            ESP_LOGE(TAG, "setup_failed");
        }
        return;
    }
    const ef_status made = ef_climate_init(&node, identity.name, esp_random(), &settings, outbox, sizeof outbox, now_ms());
    const bool moves = motor_start(), breathes = air_start();
    hears = microphone_start();
    test.sensing = made == EF_OK && moves && breathes;
    ESP_LOGI(TAG, "node_started name=%s made=%d motor=%d air=%d microphone=%d", identity.name, made, moves, breathes, hears);
    start_network();
    if (made != EF_OK || !broker_start(&identity, &node)) {
        ESP_LOGE(TAG, "broker_not_started");
        return;
    }
    for (;;) {
        turn();
    }
}
