#include "ota_slots.h"

#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_system.h"
#include "esp_timer.h"

#define SECTOR_BYTES 4096u

static const char *TAG = "ota";
static const esp_partition_t *target;
static esp_ota_handle_t handle;
static esp_timer_handle_t guard;

static uint32_t room(void *context) {
    (void)context;
    const esp_partition_t *next = esp_ota_get_next_update_partition(NULL);
    return next == NULL ? 0 : next->size - SECTOR_BYTES;
}

/* Erased as it is written: a whole slot at once would hold the network up for seconds. */
static ef_status open_slot(void *context) {
    (void)context;
    target = esp_ota_get_next_update_partition(NULL);
    bool begun = target != NULL && esp_ota_begin(target, OTA_WITH_SEQUENTIAL_WRITES, &handle) == ESP_OK;
    return begun ? EF_OK : EF_ERROR_FLASH;
}

static ef_status status_of(esp_err_t error) {
    if (error == ESP_OK) {
        return EF_OK;
    }
    ESP_LOGW(TAG, "image_refused error=%s", esp_err_to_name(error));
    return error == ESP_ERR_OTA_VALIDATE_FAILED ? EF_ERROR_MODEL : EF_ERROR_FLASH;
}

static ef_status write_slot(void *context, const uint8_t *bytes, uint32_t count) {
    (void)context;
    return status_of(esp_ota_write(handle, bytes, count));
}

static ef_status close_slot(void *context, const uint8_t note[EF_OTA_HEADER_BYTES]) {
    (void)context;
    ef_status ended = status_of(esp_ota_end(handle));
    if (ended != EF_OK) {
        return ended;
    }
    size_t at = target->size - SECTOR_BYTES;
    bool kept = esp_partition_erase_range(target, at, SECTOR_BYTES) == ESP_OK &&
                esp_partition_write(target, at, note, EF_OTA_HEADER_BYTES) == ESP_OK;
    return kept ? EF_OK : EF_ERROR_FLASH;
}

static ef_status select_slot(void *context) {
    (void)context;
    return esp_ota_set_boot_partition(target) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static void drop(void *context) {
    (void)context;
    (void)esp_ota_abort(handle);
}

static const esp_partition_t *slot(bool running) {
    return running ? esp_ota_get_running_partition() : esp_ota_get_next_update_partition(NULL);
}

static bool read_note(void *context, bool running, uint8_t note[EF_OTA_HEADER_BYTES]) {
    (void)context;
    const esp_partition_t *of = slot(running);
    return of != NULL && esp_partition_read(of, of->size - SECTOR_BYTES, note, EF_OTA_HEADER_BYTES) == ESP_OK;
}

static ef_ota_state read_state(void *context, bool running) {
    (void)context;
    const esp_partition_t *of = slot(running);
    esp_ota_img_states_t state;
    bool known = of != NULL && esp_ota_get_state_partition(of, &state) == ESP_OK && state <= ESP_OTA_IMG_ABORTED;
    return known ? (ef_ota_state)state : EF_OTA_UNDEFINED;
}

const ef_ota_port ota_slots = {
    .room = room,
    .open = open_slot,
    .write = write_slot,
    .close = close_slot,
    .select = select_slot,
    .drop = drop,
    .note = read_note,
    .state = read_state,
};

uint32_t ota_slots_sequence(void) {
    uint8_t bytes[2][EF_OTA_ENTRY_BYTES];
    ef_ota_entry entry;
    const esp_partition_t *data = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_DATA_OTA, NULL);
    bool read = data != NULL && esp_partition_read(data, 0, bytes[0], sizeof bytes[0]) == ESP_OK &&
                esp_partition_read(data, data->erase_size, bytes[1], sizeof bytes[1]) == ESP_OK;
    return read && ef_ota_entry_active(bytes[0], bytes[1], &entry) >= 0 ? entry.sequence : 0;
}

bool ota_slots_on_trial(void) {
    return ef_ota_on_trial(&ota_slots);
}

static void give_up(void *argument) {
    (void)argument;
    ESP_LOGE(TAG, "self_test_hangs");
    esp_restart();
}

void ota_guard_begin(uint32_t seconds) {
    const esp_timer_create_args_t timer = {.callback = give_up, .name = "ota_guard"};
    if (ota_slots_on_trial() && esp_timer_create(&timer, &guard) == ESP_OK) {
        ESP_ERROR_CHECK(esp_timer_start_once(guard, (uint64_t)seconds * 1000000u));
    }
}

void ota_guard_end(void) {
    if (guard != NULL) {
        (void)esp_timer_stop(guard);
    }
}
