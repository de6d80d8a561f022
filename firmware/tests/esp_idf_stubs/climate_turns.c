/* A broker, a DHT22, a microphone and a servo in memory, for main.c, broker.c, air.c, microphone.c and motor.c: time goes on
 * while they wait for the queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>

#include "air.h"
#include "broker.h"
#include "check.h"
#include "edgeflow/node_settings.h"
#include "esp_crt_bundle.h"
#include "esp_log.h"
#include "esp_netif_sntp.h"
#include "esp_ota_ops.h"
#include "esp_random.h"
#include "esp_rom_sys.h"
#include "esp_timer.h"
#include "freertos/queue.h"
#include "mqtt_client.h"
#include "ota_server.h"
#include "ota_slots.h"
#include "portal.h"
#include "settings_store.h"
#include "wifi.h"

#define EVENTS 8
#define MESSAGES 400

void app_main(void);

static uint64_t now_us, end_us;

#include "climate_hardware.h"

static jmp_buf ended;
static struct { broker_event held[EVENTS]; size_t count; } queue;
static esp_event_handler_t handler;
static struct { char topic[EF_CLIMATE_TOPIC], payload[EF_CLIMATE_PAYLOAD]; bool retain; } told[MESSAGES];
static size_t told_count, sound_bytes, sounds, subscribed;
static int unconfirmed = -1;
static bool kept_valid, connected;
static unsigned settings_kept;

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}

const char *esp_err_to_name(esp_err_t code) {
    return code == ESP_OK ? "ok" : "failed";
}

int64_t esp_timer_get_time(void) {
    return (int64_t)now_us;
}

uint32_t esp_random(void) {
    return 77;
}

void esp_rom_delay_us(uint32_t us) {
    now_us += us;
}

void vTaskDelay(TickType_t ticks) {
    now_us += ticks * 1000u;
}

/* What the node is made of besides. */
bool settings_store_load(ef_node_settings *settings) {
    ef_settings_default(settings);
    strcpy(settings->ssid, "net");
    return true;
}

void store_load(store_identity *identity, ef_climate_settings *settings) {
    (void)settings;
    strcpy(identity->name, "attic");
    strcpy(identity->broker, "mqtt://broker");
}

void store_keep_settings(const ef_climate_settings *settings) {
    CHECK(settings->read_seconds >= 2.0f);
    settings_kept++;
}

void wifi_join(const char *ssid, const char *password) {
    CHECK(strcmp(ssid, "net") == 0 && password[0] == '\0');
}

void wifi_open_own(const char *name, const char *password) {
    CHECK(name == password);
}

bool portal_start(const store_identity *identity) {
    return identity == NULL;
}

bool ota_server_start(const ef_node_settings *settings) {
    return settings != NULL;
}

bool ota_slots_on_trial(void) {
    return !kept_valid;
}

void ota_guard_begin(uint32_t seconds) {
    CHECK(seconds > 180);
}

void ota_guard_end(void) {
    CHECK(connected);
}

bool esp_ota_check_rollback_is_possible(void) {
    return true;
}

esp_err_t esp_ota_mark_app_valid_cancel_rollback(void) {
    kept_valid = true;
    return ESP_OK;
}

esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot(void) {
    CHECK(!"a node that works is not rolled back");
    return ESP_FAIL;
}

esp_err_t esp_netif_init(void) {
    return ESP_OK;
}

esp_err_t esp_event_loop_create_default(void) {
    return ESP_OK;
}

esp_err_t esp_netif_sntp_init(const esp_sntp_config_t *config) {
    CHECK(config->num_of_servers == 1);
    return ESP_OK;
}

esp_err_t esp_crt_bundle_attach(void *conf) {
    (void)conf;
    return ESP_OK;
}

/* The broker's client */
esp_mqtt_client_handle_t esp_mqtt_client_init(const esp_mqtt_client_config_t *config) {
    CHECK(strcmp(config->session.last_will.topic, "device/attic/status") == 0 && config->session.last_will.retain == 1);
    CHECK(strcmp(config->session.last_will.msg, "offline") == 0 && config->credentials.username == NULL);
    return (esp_mqtt_client_handle_t)&duty;
}

esp_err_t esp_mqtt_client_register_event(esp_mqtt_client_handle_t client, esp_mqtt_event_id_t event, esp_event_handler_t on, void *arg) {
    CHECK(client != NULL && event == MQTT_EVENT_ANY && arg == NULL);
    handler = on;
    return ESP_OK;
}

esp_err_t esp_mqtt_client_start(esp_mqtt_client_handle_t client) {
    return client == NULL ? ESP_FAIL : ESP_OK;
}

int esp_mqtt_client_subscribe_single(esp_mqtt_client_handle_t client, const char *topic, int qos) {
    CHECK(client != NULL && strstr(topic, "attic") != NULL && qos == 1);
    return (int)++subscribed;
}

int esp_mqtt_client_enqueue(esp_mqtt_client_handle_t client, const char *topic, const char *data, int len, int qos, int retain, bool store) {
    CHECK(client != NULL && qos == 1 && store && told_count < MESSAGES && unconfirmed < 0);
    snprintf(told[told_count].topic, sizeof told[0].topic, "%s", topic);
    snprintf(told[told_count].payload, sizeof told[0].payload, "%.*s", len, data);
    told[told_count].retain = retain;
    unconfirmed = (int)told_count;
    return (int)told_count++;
}

int esp_mqtt_client_publish(esp_mqtt_client_handle_t client, const char *topic, const char *data, int len, int qos, int retain) {
    CHECK(client != NULL && strcmp(topic, "sensor/attic/audio") == 0 && qos == 0 && retain == 0);
    CHECK(strncmp(data, "{\"sample_rate\":16000,\"duration\":2.000,", 38) == 0);
    CHECK(data[len - 1] == '}' && data[len - 2] == '"');
    sound_bytes = (size_t)len;
    sounds++;
    return 0;
}

static void happens(esp_mqtt_event_id_t id, int message, const char *topic, const char *payload) {
    esp_mqtt_event_t event = {.event_id = id, .msg_id = message};
    char topic_copy[64] = "", payload_copy[64] = "";
    snprintf(topic_copy, sizeof topic_copy, "%s", topic);
    snprintf(payload_copy, sizeof payload_copy, "%s", payload);
    event.topic = topic_copy;
    event.topic_len = (int)strlen(topic);
    event.data = payload_copy;
    event.data_len = event.total_data_len = (int)strlen(payload);
    handler(NULL, "mqtt", id, &event);
}

static void connect(bool now) {
    connected = now;
    unconfirmed = -1;
    happens(now ? MQTT_EVENT_CONNECTED : MQTT_EVENT_DISCONNECTED, 0, "", "");
}

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t size) {
    CHECK(length <= EVENTS && size == sizeof(broker_event));
    return (QueueHandle_t)&queue;
}

BaseType_t xQueueSend(QueueHandle_t to, const void *item, TickType_t ticks) {
    CHECK(to != NULL && ticks == 0 && queue.count < EVENTS);
    queue.held[queue.count++] = *(const broker_event *)item;
    return pdTRUE;
}

/* What happens at its time. */
static void world(void) {
    static unsigned stage;
    static const struct { unsigned at_s; void (*what)(bool); bool value; const char *topic, *payload; } script[] = {
        {.at_s = 1, .what = connect, .value = true},
        {.at_s = 10, .topic = "window/attic/control", .payload = "{\"position\":50}"},
        {.at_s = 15, .topic = "device/attic/config", .payload = "{\"temperature_change\":0}"},
        {.at_s = 20, .what = connect},
        {.at_s = 40, .what = connect, .value = true},
    };
    while (stage < sizeof script / sizeof *script && now_us >= script[stage].at_s * 1000000ull) {
        if (script[stage].what != NULL) {
            script[stage].what(script[stage].value);
        } else {
            happens(MQTT_EVENT_DATA, 0, script[stage].topic, script[stage].payload);
        }
        stage++;
    }
    if (connected && unconfirmed >= 0) {
        const int id = unconfirmed;
        unconfirmed = -1;
        happens(MQTT_EVENT_PUBLISHED, id, "", "");
    }
}

BaseType_t xQueueReceive(QueueHandle_t from, void *item, TickType_t ticks) {
    CHECK(from != NULL && ticks >= 1 && ticks <= 20);
    if (queue.count == 0) {
        now_us += ticks * 1000u;
        frames_left += ticks * 16u;
        world();
    }
    if (now_us >= end_us) {
        longjmp(ended, 1);
    }
    if (queue.count == 0) {
        return 0;
    }
    memcpy(item, &queue.held[0], sizeof queue.held[0]);
    memmove(queue.held, queue.held + 1, --queue.count * sizeof queue.held[0]);
    return pdTRUE;
}

static unsigned count(const char *topic) {
    unsigned found = 0;
    for (size_t i = 0; i < told_count; i++) {
        found += strcmp(told[i].topic, topic) == 0;
    }
    return found;
}

static void check_sequences(const char *topic) {
    unsigned next = 0;
    for (size_t i = 0; i < told_count; i++) {
        if (strcmp(told[i].topic, topic) == 0) {
            const char *const at = strstr(told[i].payload, "\"sequence\":");
            CHECK_EQUAL(at == NULL ? -1 : atoi(at + strlen("\"sequence\":")), next);
            next++;
        }
    }
}

int main(void) {
    end_us = 60000000;
    if (setjmp(ended) == 0) {
        app_main();
        CHECK(!"the node goes on for ever");
    }
    CHECK(kept_valid && subscribed == 6 && settings_kept == 1);
    CHECK(strcmp(told[0].topic, "device/attic/status") == 0 && told[0].retain && !told[1].retain);
    CHECK_EQUAL(count("device/attic/status"), 2);
    CHECK_EQUAL(count("device/attic/config/ack"), 1);
    /* Each 2 s from second 15 on, those of the 20 s without a connection included, and one from before. */
    CHECK(count("sensor/attic/temperature") >= 22 && count("sensor/attic/temperature") <= 25);
    check_sequences("sensor/attic/temperature");
    check_sequences("sensor/attic/humidity");
    CHECK(strncmp(told[1].payload, "{\"value\":26.90,", 15) == 0);
    CHECK(strstr(told[1].payload, "\"time\":") != NULL);
    CHECK(sounds >= 1 && sound_bytes > 85000 && sound_bytes < 86000);
    /* 1450 us of 20 ms, of 2^14. */
    CHECK(duty >= 1187 && duty <= 1188);
    CHECK(count("sensor/attic/window_position") >= 2 && count("sensor/attic/sensor_failures") == 0);
    return finish("climate_turns");
}
