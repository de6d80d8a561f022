#include "broker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "esp_crt_bundle.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "mqtt_client.h"

#define QUEUED 6
#define KEEPALIVE_S 30

static const char *TAG = "broker";
static esp_mqtt_client_handle_t client;
static QueueHandle_t queue;
static _Atomic uint32_t changes;
static char will_topic[EF_CLIMATE_TOPIC], control[EF_CLIMATE_TOPIC], override[EF_CLIMATE_TOPIC], config_topic[EF_CLIMATE_TOPIC];

static void hand_over(const broker_event *event) {
    if (xQueueSend(queue, event, 0) != pdTRUE) {
        ESP_LOGW(TAG, "event_dropped kind=%d", event->kind);
    }
}

/* A message of one piece that fits; others are none of ours. */
static void take(const esp_mqtt_event_t *from, broker_event *event) {
    const size_t topic = (size_t)from->topic_len, size = (size_t)from->data_len;
    if (topic >= sizeof event->topic || size > sizeof event->payload || from->total_data_len != from->data_len) {
        ESP_LOGW(TAG, "message_too_long bytes=%d", from->total_data_len);
        return;
    }
    memcpy(event->topic, from->topic, topic);
    event->topic[topic] = '\0';
    memcpy(event->payload, from->data, size);
    event->size = size;
    hand_over(event);
}

/* Attempts that fail are told as losses, too. */
static void change(bool connected) {
    const uint32_t now = atomic_load(&changes);
    if ((now & 1u) != (uint32_t)connected) {
        atomic_store(&changes, now + 1u);
    }
}

uint32_t broker_changes(void) {
    return atomic_load(&changes);
}

static void on_event(void *unused, esp_event_base_t base, int32_t id, void *data) {
    static broker_event event; /* only the client's task is here */
    const esp_mqtt_event_t *const from = data;
    (void)unused;
    (void)base;
    event = (broker_event){.id = from->msg_id};
    switch (id) {
    case MQTT_EVENT_CONNECTED:
        esp_mqtt_client_subscribe_single(client, control, 1);
        esp_mqtt_client_subscribe_single(client, override, 1);
        esp_mqtt_client_subscribe_single(client, config_topic, 1);
        change(true);
        break;
    case MQTT_EVENT_DISCONNECTED:
        change(false);
        break;
    case MQTT_EVENT_PUBLISHED:
        event.kind = BROKER_CONFIRMED;
        hand_over(&event);
        break;
    case MQTT_EVENT_DATA:
        event.kind = BROKER_CAME;
        take(from, &event);
        break;
    default:
        break;
    }
}

bool broker_start(const store_identity *identity, const ef_climate_node *node) {
    ef_climate_write_topic(node, EF_CLIMATE_TOPIC_STATUS, will_topic);
    ef_climate_write_topic(node, EF_CLIMATE_TOPIC_CONTROL, control);
    ef_climate_write_topic(node, EF_CLIMATE_TOPIC_OVERRIDE, override);
    ef_climate_write_topic(node, EF_CLIMATE_TOPIC_CONFIG, config_topic);
    const esp_mqtt_client_config_t config = {
        .broker = {.address.uri = identity->broker, .verification.crt_bundle_attach = esp_crt_bundle_attach},
        .credentials = {
            .username = identity->user[0] == '\0' ? NULL : identity->user,
            .client_id = identity->name,
            .authentication.password = identity->password[0] == '\0' ? NULL : identity->password,
        },
        .session = {
            .keepalive = KEEPALIVE_S,
            .last_will = {.topic = will_topic, .msg = EF_CLIMATE_OFFLINE, .qos = 1, .retain = 1},
        },
    };
    queue = xQueueCreate(QUEUED, sizeof(broker_event));
    client = esp_mqtt_client_init(&config);
    return queue != NULL && client != NULL &&
           esp_mqtt_client_register_event(client, MQTT_EVENT_ANY, on_event, NULL) == ESP_OK &&
           esp_mqtt_client_start(client) == ESP_OK;
}

bool broker_wait(broker_event *event, uint32_t milliseconds) {
    return xQueueReceive(queue, event, pdMS_TO_TICKS(milliseconds)) == pdTRUE;
}

int broker_send(const ef_climate_message *message) {
    return esp_mqtt_client_enqueue(client, message->topic, message->payload, (int)message->size, 1, message->retain, true);
}

bool broker_send_sound(const char *topic, const char *text, size_t size) {
    return esp_mqtt_client_publish(client, topic, text, (int)size, 0, 0) >= 0;
}
