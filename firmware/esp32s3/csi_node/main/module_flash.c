#include "module_flash.h"

#include "esp_log.h"
#include "esp_partition.h"
#include "esp_system.h"

#define LABEL "modules"
#define TYPE ((esp_partition_type_t)0x40)

static const esp_partition_t *part;
static const void *mapped;
static ef_flash flash;

static ef_status read_bytes(void *context, uint32_t offset, void *to, uint32_t count) {
    (void)context;
    return esp_partition_read(part, offset, to, count) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static ef_status program_bytes(void *context, uint32_t offset, const void *from, uint32_t count) {
    (void)context;
    return esp_partition_write(part, offset, from, count) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static ef_status erase_sector(void *context, uint32_t offset) {
    (void)context;
    return esp_partition_erase_range(part, offset, part->erase_size) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static const uint8_t *map_bytes(void *context) {
    (void)context;
    return mapped;
}

const ef_flash *module_flash_open(void) {
    esp_partition_mmap_handle_t handle;
    part = esp_partition_find_first(TYPE, ESP_PARTITION_SUBTYPE_ANY, LABEL);
    if (part == NULL || esp_partition_mmap(part, 0, part->size, ESP_PARTITION_MMAP_DATA, &mapped, &handle) != ESP_OK) {
        ESP_LOGW(LABEL, "modules_not_kept found=%d", part != NULL);
        return NULL;
    }
    flash = (ef_flash){
        .size = part->size,
        .sector_size = part->erase_size,
        .read = read_bytes,
        .program = program_bytes,
        .erase = erase_sector,
        .map = map_bytes,
    };
    return &flash;
}

bool module_flash_crashed(void) {
    switch (esp_reset_reason()) {
    case ESP_RST_PANIC:
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
        return true;
    default:
        return false;
    }
}
