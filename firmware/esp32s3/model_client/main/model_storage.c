#include "model_storage.h"

#include <stdio.h>
#include <sys/stat.h>

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_partition.h"
#include "esp_spiffs.h"

#define SLOT_TYPE ((esp_partition_type_t)0x40)
#define MODEL_FILE "/model/model_fp32.bin"
#define LARGEST_FILE (4u << 20)

static const char *TAG = "model_storage";

typedef struct partition {
    const esp_partition_t *part;
    const uint8_t *mapped;
} partition;

static ef_status read_partition(void *context, uint32_t offset, void *to, uint32_t count) {
    const partition *self = context;
    return esp_partition_read(self->part, offset, to, count) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static ef_status program_partition(void *context, uint32_t offset, const void *from, uint32_t count) {
    const partition *self = context;
    return esp_partition_write(self->part, offset, from, count) == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static ef_status erase_partition(void *context, uint32_t offset) {
    const partition *self = context;
    esp_err_t result = esp_partition_erase_range(self->part, offset, self->part->erase_size);
    return result == ESP_OK ? EF_OK : EF_ERROR_FLASH;
}

static const uint8_t *map_partition(void *context) {
    return ((const partition *)context)->mapped;
}

static bool open_partition(partition *self, ef_flash *flash, int subtype, const char *label) {
    self->part = esp_partition_find_first(SLOT_TYPE, (esp_partition_subtype_t)subtype, label);
    if (self->part == NULL) {
        return false;
    }
    const void *mapped = NULL;
    esp_partition_mmap_handle_t handle;
    if (esp_partition_mmap(self->part, 0, self->part->size, ESP_PARTITION_MMAP_DATA, &mapped, &handle) != ESP_OK) {
        ESP_LOGE(TAG, "%s cannot be mapped", label);
        return false;
    }
    self->mapped = mapped;
    *flash = (ef_flash){
        .context = self,
        .size = self->part->size,
        .sector_size = self->part->erase_size,
        .read = read_partition,
        .program = program_partition,
        .erase = erase_partition,
        .map = map_partition,
    };
    return true;
}

ef_slots *model_storage_slots(uint8_t ids) {
    static partition parts[3];
    static ef_flash flash[3];
    static ef_slots slots;
    bool found = open_partition(&parts[0], &flash[0], 2, "modelctl") &&
                 open_partition(&parts[1], &flash[1], 0, "model_a") &&
                 open_partition(&parts[2], &flash[2], 1, "model_b");
    if (!found || ef_slots_open(&slots, &flash[0], &flash[1], &flash[2], ids) != EF_OK) {
        ESP_LOGW(TAG, "no slots for models in the partition table");
        return NULL;
    }
    return &slots;
}

static bool mount(void) {
    const esp_vfs_spiffs_conf_t config = {
        .base_path = "/model",
        .partition_label = "model",
        .max_files = 5,
        .format_if_mount_failed = false, /* a half-written model is worth a second look, not an erase */
    };
    return esp_vfs_spiffs_register(&config) == ESP_OK;
}

static uint8_t *read_file(FILE *file, size_t bytes) {
    uint8_t *content = heap_caps_aligned_alloc(4, bytes, MALLOC_CAP_8BIT);
    if (content != NULL && fread(content, 1, bytes, file) != bytes) {
        heap_caps_free(content);
        return NULL;
    }
    return content;
}

const uint8_t *model_storage_file(size_t *bytes) {
    *bytes = 0;
    struct stat about;
    if (!mount() || stat(MODEL_FILE, &about) != 0 || about.st_size <= 0 || (size_t)about.st_size > LARGEST_FILE) {
        ESP_LOGW(TAG, "no readable " MODEL_FILE);
        return NULL;
    }
    FILE *file = fopen(MODEL_FILE, "rb");
    if (file == NULL) {
        return NULL;
    }
    const uint8_t *content = read_file(file, (size_t)about.st_size);
    fclose(file);
    *bytes = content == NULL ? 0 : (size_t)about.st_size;
    return content;
}
