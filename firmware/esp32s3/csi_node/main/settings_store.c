#include "settings_store.h"

#include <inttypes.h>
#include <string.h>

#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "nvs.h"
#include "nvs_flash.h"
#include "sdkconfig.h"

static const char *TAG = "settings";

static esp_err_t read_bytes(nvs_handle_t store, const ef_setting *setting, uint8_t *value, size_t *bytes) {
    if (setting->kind == EF_SETTING_BLOB) {
        return nvs_get_blob(store, setting->key, value, bytes);
    }
    esp_err_t found = nvs_get_str(store, setting->key, (char *)value, bytes);
    if (found == ESP_OK) {
        *bytes = strnlen((const char *)value, *bytes);
    }
    return found;
}

static esp_err_t read_value(nvs_handle_t store, const ef_setting *setting, uint8_t *value, size_t *bytes) {
    uint16_t half = 0;
    uint32_t word = 0;
    esp_err_t found;
    switch (setting->kind) {
    case EF_SETTING_U8:
        *bytes = 1;
        return nvs_get_u8(store, setting->key, value);
    case EF_SETTING_U16:
        found = nvs_get_u16(store, setting->key, &half);
        *bytes = sizeof half;
        memcpy(value, &half, sizeof half);
        return found;
    case EF_SETTING_U32:
        found = nvs_get_u32(store, setting->key, &word);
        *bytes = sizeof word;
        memcpy(value, &word, sizeof word);
        return found;
    default:
        return read_bytes(store, setting, value, bytes);
    }
}

static void take_one(ef_node_settings *settings, const ef_setting *setting, nvs_handle_t store) {
    uint8_t value[EF_SETTING_BYTES] = {0};
    size_t bytes = sizeof value;
    esp_err_t found = read_value(store, setting, value, &bytes);
    if (found == ESP_ERR_NVS_NOT_FOUND) {
        return;
    }
    if (found != ESP_OK || ef_setting_take(settings, setting, value, bytes) != EF_OK) {
        ESP_LOGW(TAG, "setting_ignored key=%s least=%" PRIu32 " most=%" PRIu32 " error=%s", setting->key, setting->least,
                 setting->most, esp_err_to_name(found));
    }
}

static void take_space(ef_node_settings *settings, const char *space) {
    nvs_handle_t store;
    if (nvs_open(space, NVS_READONLY, &store) != ESP_OK) {
        ESP_LOGI(TAG, "namespace_absent name=%s", space);
        return;
    }
    size_t count;
    const ef_setting *table = ef_settings(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].space, space) == 0) {
            take_one(settings, &table[i], store);
        }
    }
    nvs_close(store);
}

/* Keys of the reference firmware that this one takes and does nothing with. */
static void tell_unused(const ef_node_settings *settings) {
    ef_node_settings usual;
    ef_settings_default(&usual);
    if (settings->vital_window != usual.vital_window) {
        ESP_LOGW(TAG, "setting_unused key=vital_win hint=the_core_chooses_its_windows");
    }
    if (strcmp(settings->zone, usual.zone) != 0) {
        ESP_LOGW(TAG, "setting_unused key=zone_name");
    }
}

bool settings_store_load(ef_node_settings *settings) {
    ef_settings_default(settings);
    strlcpy(settings->ssid, CONFIG_EDGEFLOW_WIFI_SSID, sizeof settings->ssid);
    strlcpy(settings->password, CONFIG_EDGEFLOW_WIFI_PASSWORD, sizeof settings->password);
    esp_err_t opened = nvs_flash_init(); /* what cannot be read is left as it is: an erase would lose the provisioning */
    if (opened != ESP_OK) {
        ESP_LOGE(TAG, "settings_unreadable error=%s", esp_err_to_name(opened));
        return false;
    }
    take_space(settings, EF_NODE_NAMESPACE);
    take_space(settings, EF_NODE_SECRETS);
    if (!ef_settings_finish(settings)) {
        ESP_LOGW(TAG, "settings_contradict tdm_slot=%u hop_count=%u", settings->tdm_slot, settings->hop_count);
    }
    tell_unused(settings);
    return true;
}
