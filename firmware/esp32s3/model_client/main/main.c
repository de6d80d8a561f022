/* Answers inference requests on the serial wire. What it says and does is in the core; here is only the hardware. */
#include <string.h>

#include "edgeflow/rpc.h"
#include "edgeflow/rpc_state.h"
#include "esp_app_desc.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_mac.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "model_storage.h"
#include "sdkconfig.h"
#include "wire.h"

#define RPC_STACK_BYTES 8192
#define RPC_PRIORITY 5
#define RPC_CORE 1
#define IDLE_WAIT_MS 100
#define MESSAGE_BYTES (CONFIG_EDGEFLOW_WINDOW_BYTES + EF_RPC_HEADER_BYTES + EF_RPC_TRAILER_BYTES)
#define WINDOW_REQUESTS 16

#ifndef CONFIG_EDGEFLOW_BAUD
#define CONFIG_EDGEFLOW_BAUD 115200
#endif

static const char *TAG = "model_client";

static uint64_t now_us(void *context) {
    (void)context;
    return (uint64_t)esp_timer_get_time();
}

static void restart(void *context) {
    (void)context;
    wire_drain();
    esp_restart();
}

static int32_t free_memory(void *context) {
    (void)context;
    return (int32_t)heap_caps_get_free_size(MALLOC_CAP_8BIT);
}

static void *reserve(size_t bytes) {
    void *memory = heap_caps_aligned_alloc(4, bytes, MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
    return memory != NULL ? memory : heap_caps_aligned_alloc(4, bytes, MALLOC_CAP_8BIT);
}

/* All memory there will ever be; a part that cannot be had has no bytes, and requests that need it are refused. */
static ef_rpc_memory reserve_memory(void) {
    ef_rpc_memory memory = {
        .receive = reserve(MESSAGE_BYTES),
        .transmit = reserve(MESSAGE_BYTES),
        .arena = reserve(CONFIG_EDGEFLOW_ARENA_BYTES),
        .window = reserve(2 * CONFIG_EDGEFLOW_WINDOW_BYTES),
    };
    memory.receive_bytes = memory.receive == NULL ? 0 : MESSAGE_BYTES;
    memory.transmit_bytes = memory.transmit == NULL ? 0 : MESSAGE_BYTES;
    memory.arena_bytes = memory.arena == NULL ? 0 : CONFIG_EDGEFLOW_ARENA_BYTES;
    memory.window_bytes = memory.window == NULL ? 0 : 2 * CONFIG_EDGEFLOW_WINDOW_BYTES;
    return memory;
}

static ef_board_identity identify(void) {
    ef_board_identity identity = {.chip = "ESP32-S3", .baud = CONFIG_EDGEFLOW_BAUD};
    esp_efuse_mac_get_default(identity.unique_id);
    const esp_app_desc_t *app = esp_app_get_description();
    strlcpy(identity.firmware, "edgeflow ", sizeof identity.firmware);
    strlcat(identity.firmware, app->version, sizeof identity.firmware);
    return identity;
}

static void serve(void *unused) {
    (void)unused;
    static ef_port port;
    static ef_board_identity identity;
    static ef_rpc rpc;
    port = (ef_port){.now_us = now_us, .restart = restart, .free_memory = free_memory};
    wire_open(&port);
    identity = identify();
    ef_rpc_board board = {
        .port = &port,
        .identity = &identity,
        .slots = model_storage_slots(CONFIG_EDGEFLOW_MODEL_IDS),
        .memory = reserve_memory(),
        .window = WINDOW_REQUESTS,
        .window_bytes = WIRE_RECEIVE_BYTES,
    };
    board.file = model_storage_file(&board.file_bytes);
    ef_status started = ef_rpc_start(&rpc, &board);
    if (started != EF_OK) {
        ESP_LOGE(TAG, "cannot serve: %d", started);
    }
    ESP_ERROR_CHECK(esp_task_wdt_add(NULL));
    while (true) {
        if (started != EF_OK || !ef_rpc_step(&rpc)) {
            wire_wait(IDLE_WAIT_MS);
        }
        esp_task_wdt_reset();
    }
}

void app_main(void) {
    BaseType_t made =
        xTaskCreatePinnedToCore(serve, "uart_rpc", RPC_STACK_BYTES, NULL, RPC_PRIORITY, NULL, RPC_CORE);
    if (made != pdPASS) {
        ESP_LOGE(TAG, "no memory for the task that serves");
        esp_restart();
    }
}
