#include "module_task.h"

#include "sdkconfig.h"

#if CONFIG_EDGEFLOW_MODULES

#include <string.h>

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "module_flash.h"
#include "module_wasm3.h"

#define STACK_BYTES (CONFIG_EDGEFLOW_MODULE_STACK_KB * 1024u)
#define OWN_STACK_BYTES 12288u /* loading, checking signatures, logging; the rest is for the interpreter */
#define PRIORITY 2
#define CORE 1
#define WAIT_MS 250
#define ANSWER_MS 10000
#define PACKETS 8u

/* Without external memory: two slots for modules of some kilobytes. */
#define SMALL_SLOTS 2u
#define SMALL_ARENA_BYTES 12288u
#define SMALL_UPLOAD_BYTES 16384u

typedef struct packet {
    size_t count;
    uint8_t bytes[MODULE_PACKET_BYTES];
} packet;

static const char *TAG = "modules";
static const ef_node_settings *node;
static module_wasm3 engine;
static ef_modules modules;
static TaskHandle_t task;
static uint8_t *upload;
static size_t upload_bytes;

/* Between the tasks, each held for a copy only. */
static SemaphoreHandle_t lock, answered;
static ef_module_inputs offered;
static packet packets[PACKETS];
static unsigned first_packet, packet_count;
static const ef_module_request *asked;
static ef_module_gate gate; /* as of the last request and the last module that came back */

/* Of one task each. */
static ef_module_feed feed;      /* the sensing task's */
static ef_module_inputs inputs;  /* this task's */
static char answer[EF_MODULE_ANSWER_BYTES];
static int status;

static bool on_load(void *context, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb, uint32_t pending) {
    return module_wasm3_load(context, slot, wasm, bytes, memory_kb, pending);
}

static ef_module_end on_call(void *context, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                             ef_module_call *call) {
    return module_wasm3_call(context, slot, entry, argument, fuel, call);
}

static void on_unload(void *context, uint32_t slot) {
    module_wasm3_unload(context, slot);
}

static uint64_t on_clock(void *context) {
    (void)context;
    return (uint64_t)esp_timer_get_time();
}

static void on_tell(void *context, const ef_csi_events_packet *events) {
    (void)context;
    if (xSemaphoreTake(lock, portMAX_DELAY) != pdTRUE) {
        return;
    }
    if (packet_count == PACKETS) { /* the oldest goes */
        first_packet = (first_packet + 1u) % PACKETS;
        packet_count--;
    }
    packet *next = &packets[(first_packet + packet_count) % PACKETS];
    next->count = ef_csi_encode_wide_events(events, next->bytes, sizeof next->bytes);
    packet_count += next->count > 0 ? 1u : 0u;
    xSemaphoreGive(lock);
}

static void on_log(void *context, uint32_t slot, const char *text) {
    (void)context;
    ESP_LOGI(TAG, "module_logged slot=%u text=\"%s\"", (unsigned)slot, text);
}

size_t module_task_packet(uint8_t to[MODULE_PACKET_BYTES]) {
    size_t count = 0;
    if (task == NULL || xSemaphoreTake(lock, 0) != pdTRUE) {
        return 0;
    }
    if (packet_count > 0) {
        count = packets[first_packet].count;
        memcpy(to, packets[first_packet].bytes, count);
        first_packet = (first_packet + 1u) % PACKETS;
        packet_count--;
    }
    xSemaphoreGive(lock);
    return count;
}

void module_task_offer(const ef_csi *csi, uint64_t now_us, bool fresh) {
    if (task == NULL) {
        return;
    }
    if (fresh) {
        ef_module_feed_frame(&feed, csi, now_us);
    } else {
        ef_module_feed_tick(&feed, csi, now_us);
    }
    if (xSemaphoreTake(lock, 0) == pdTRUE) {
        offered = feed.inputs;
        xSemaphoreGive(lock);
        xTaskNotifyGive(task);
    }
}

/* What was offered, and the request that waits; a frame that was seen before has no subcarriers any more. */
static const ef_module_request *take(void) {
    const ef_module_request *request = NULL;
    if (xSemaphoreTake(lock, portMAX_DELAY) == pdTRUE) {
        inputs = offered;
        offered.subcarriers = 0;
        request = asked;
        asked = NULL;
        xSemaphoreGive(lock);
    }
    return request;
}

static void publish(void) {
    if (xSemaphoreTake(lock, portMAX_DELAY) == pdTRUE) {
        gate = modules.gate;
        xSemaphoreGive(lock);
    }
}

bool module_task_gate(ef_module_gate *to) {
    if (task == NULL || xSemaphoreTake(lock, pdMS_TO_TICKS(WAIT_MS)) != pdTRUE) {
        return false;
    }
    *to = gate;
    xSemaphoreGive(lock);
    return true;
}

static void run(void *unused) {
    (void)unused;
    while (true) {
        ulTaskNotifyTake(pdTRUE, pdMS_TO_TICKS(WAIT_MS));
        const ef_module_request *request = take();
        if (request != NULL) {
            status = ef_module_answer(&modules, request, node->ota_key, &inputs, answer, sizeof answer);
            ESP_LOGI(TAG, "request_answered path=%.40s status=%d", request->path, status);
            publish();
            xSemaphoreGive(answered);
        }
        if (modules.waiting != 0 || modules.trial != 0) {
            ef_modules_revive(&modules, &inputs, (uint64_t)esp_timer_get_time());
            publish();
        }
        ef_modules_frame(&modules, &inputs, (uint64_t)esp_timer_get_time());
    }
}

int module_task_answer(const ef_module_request *request, const char **json) {
    *json = "{\"error\":\"no modules\"}";
    if (task == NULL || xSemaphoreTake(lock, pdMS_TO_TICKS(ANSWER_MS)) != pdTRUE) {
        return 503;
    }
    asked = request;
    xSemaphoreGive(lock);
    xTaskNotifyGive(task);
    if (xSemaphoreTake(answered, pdMS_TO_TICKS(ANSWER_MS)) == pdTRUE) {
        *json = answer;
        return status;
    }
    bool begun = false; /* then it ends soon: no module runs for ever */
    if (xSemaphoreTake(lock, portMAX_DELAY) == pdTRUE) {
        begun = asked == NULL;
        asked = NULL;
        xSemaphoreGive(lock);
    }
    if (!begun || xSemaphoreTake(answered, portMAX_DELAY) != pdTRUE) {
        return 503;
    }
    *json = answer;
    return status;
}

size_t module_task_room(void) {
    return task == NULL ? 0 : upload_bytes;
}

uint8_t *module_task_buffer(void) {
    return upload;
}

static void *claim(size_t bytes, uint32_t kind) {
    return heap_caps_aligned_alloc(16, bytes, kind);
}

static bool claim_all(uint32_t slots, uint32_t arena_bytes, size_t most_upload, uint32_t kind) {
    const ef_module_engine port = {&engine, on_load, on_call, on_unload, on_clock, on_tell, on_log};
    uint8_t *arena = claim((size_t)slots * arena_bytes, kind);
    upload = claim(most_upload, kind);
    upload_bytes = most_upload;
    if (arena != NULL && upload != NULL) {
        return ef_modules_init(&modules, &port, arena, slots, arena_bytes, node->node_id,
                               node->wasm_key_bytes > 0 ? node->wasm_key : NULL, node->wasm_verify == 0) == EF_OK;
    }
    heap_caps_free(arena);
    heap_caps_free(upload);
    return false;
}

bool module_task_start(const ef_node_settings *settings) {
    const uint32_t slots = settings->wasm_max, small = slots < SMALL_SLOTS ? slots : SMALL_SLOTS;
    node = settings;
    lock = xSemaphoreCreateMutex();
    answered = xSemaphoreCreateBinary();
    if (settings->edge_tier < 1 || lock == NULL || answered == NULL || !module_wasm3_open(&engine, STACK_BYTES - OWN_STACK_BYTES)) {
        return false;
    }
    if (!claim_all(slots, EF_MODULE_ARENA_BYTES, EF_RVF_MOST_BYTES, MALLOC_CAP_SPIRAM) &&
        !claim_all(small, SMALL_ARENA_BYTES, SMALL_UPLOAD_BYTES, MALLOC_CAP_8BIT)) {
        return false;
    }
    modules.gate.allows_older = settings->wasm_older != 0;
    const ef_flash *flash = module_flash_open();
    if (flash == NULL || ef_modules_restore(&modules, flash, module_flash_crashed()) != EF_OK) {
        ESP_LOGW(TAG, "modules_not_restored");
    }
    gate = modules.gate;
    TaskHandle_t made = NULL;
    if (xTaskCreatePinnedToCore(run, "modules", STACK_BYTES, NULL, PRIORITY, &made, CORE) != pdPASS) {
        return false;
    }
    task = made;
    ESP_LOGI(TAG, "modules_ready slots=%u upload_bytes=%u", (unsigned)modules.count, (unsigned)upload_bytes);
    return true;
}

#else

bool module_task_start(const ef_node_settings *settings) {
    (void)settings;
    return false;
}

void module_task_offer(const ef_csi *csi, uint64_t now_us, bool fresh) {
    (void)csi;
    (void)now_us;
    (void)fresh;
}

size_t module_task_packet(uint8_t to[MODULE_PACKET_BYTES]) {
    (void)to;
    return 0;
}

size_t module_task_room(void) {
    return 0;
}

uint8_t *module_task_buffer(void) {
    return NULL;
}

bool module_task_gate(ef_module_gate *gate) {
    (void)gate;
    return false;
}

int module_task_answer(const ef_module_request *request, const char **json) {
    (void)request;
    *json = "{\"error\":\"no modules\"}";
    return 503;
}

#endif
