/* The flash of a provisioned node, for settings_store.c: good values, wrong ones, and none at all. */
#include "check.h"
#include "freertos/FreeRTOS.h"
#include "nvs_flash.h"
#include "settings_store.h"

enum { CONFIG_SPACE = 1, SECRET_SPACE };

static bool readable = true, provisioned = true;
static unsigned logged, opened;

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
    logged++;
}
const char *esp_err_to_name(esp_err_t code) {
    return code == ESP_OK ? "ok" : "failed";
}
size_t strlcpy(char *to, const char *from, size_t size) {
    snprintf(to, size, "%s", from);
    return strlen(from);
}
esp_err_t nvs_flash_init(void) {
    return readable ? ESP_OK : ESP_ERR_NVS_NO_FREE_PAGES;
}
esp_err_t nvs_open(const char *space, nvs_open_mode_t mode, nvs_handle_t *handle) {
    CHECK_EQUAL(mode, NVS_READONLY);
    *handle = strcmp(space, "csi_cfg") == 0 ? CONFIG_SPACE : strcmp(space, "security") == 0 ? SECRET_SPACE : 0;
    opened += provisioned;
    return provisioned && *handle != 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}
void nvs_close(nvs_handle_t handle) {
    CHECK(handle != 0 && opened-- > 0);
}
esp_err_t nvs_get_u8(nvs_handle_t handle, const char *key, uint8_t *value) {
    bool node = strcmp(key, "node_id") == 0, duty = strcmp(key, "power_duty") == 0, hops = strcmp(key, "hop_count") == 0;
    CHECK_EQUAL(handle, CONFIG_SPACE);
    *value = node ? 42 : duty ? 9 : hops ? 2 : 0; /* a duty of 9 % is out of range */
    return node || duty || hops ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}
esp_err_t nvs_get_u16(nvs_handle_t handle, const char *key, uint16_t *value) {
    (void)handle;
    bool window = strcmp(key, "vital_win") == 0;
    *value = window ? 128 : 5115;
    return window || strcmp(key, "target_port") == 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}
esp_err_t nvs_get_u32(nvs_handle_t handle, const char *key, uint32_t *value) {
    (void)handle;
    *value = 200;
    return strcmp(key, "dwell_ms") == 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}
esp_err_t nvs_get_str(nvs_handle_t handle, const char *key, char *value, size_t *length) {
    const char *found = strcmp(key, "ssid") == 0 ? "lab" : strcmp(key, "ota_psk") == 0 ? "a key of the owner" : NULL;
    if (found == NULL || *length <= strlen(found)) {
        return ESP_ERR_NVS_NOT_FOUND;
    }
    CHECK(handle == (found[0] == 'l' ? CONFIG_SPACE : SECRET_SPACE));
    strcpy(value, found);
    *length = strlen(found) + 1u;
    return ESP_OK;
}
esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *length) {
    (void)handle;
    bool list = strcmp(key, "chan_list") == 0, mac = strcmp(key, "filter_mac") == 0;
    memset(value, 11, 6);
    *length = list ? 2 : 5; /* a MAC has 6 */
    return list || mac ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}

static void check_untouched(const ef_node_settings *settings) {
    CHECK(settings->node_id == 1 && settings->target_port == 5005 && settings->ota_key[0] == '\0');
}

int main(void) {
    ef_node_settings settings;
    CHECK(settings_store_load(&settings));
    CHECK(settings.node_id == 42 && settings.target_port == 5115 && settings.dwell_ms == 200);
    CHECK(strcmp(settings.ssid, "lab") == 0 && strcmp(settings.ota_key, "a key of the owner") == 0);
    CHECK(settings.hop_count == 2 && settings.hop_listed == 2 && settings.hop_channels[1] == 11);
    CHECK(settings.power_duty == 100 && settings.filter_mac_bytes == 0);
    CHECK_EQUAL(logged, 3); /* one line for each that was left out, and for one without an effect */
    CHECK_EQUAL(opened, 0);
    provisioned = false;
    CHECK(settings_store_load(&settings));
    check_untouched(&settings);
    readable = false;
    CHECK(!settings_store_load(&settings));
    check_untouched(&settings);
    return finish("stored settings");
}
