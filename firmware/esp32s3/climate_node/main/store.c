#include "store.h"

#include <stdio.h>
#include <string.h>

#include "edgeflow/climate_node.h"
#include "edgeflow/node_settings.h"
#include "esp_log.h"
#include "esp_mac.h"
#include "nvs.h"

#define SPACE "climate"
#define SETTINGS "settings"

static const char *TAG = "store";

static void read_text(nvs_handle_t store, const char *key, char *to, size_t most) {
    size_t size = most;
    if (nvs_get_str(store, key, to, &size) != ESP_OK) {
        to[0] = '\0';
    }
}

static void name_of_chip(char *to, size_t most) {
    uint8_t mac[6] = {0};
    (void)esp_efuse_mac_get_default(mac);
    snprintf(to, most, "climate-%02x%02x%02x", mac[3], mac[4], mac[5]);
}

static void read_settings(nvs_handle_t store, ef_climate_settings *settings) {
    char text[EF_CLIMATE_PAYLOAD] = "";
    const char *refused;
    read_text(store, SETTINGS, text, sizeof text);
    if (text[0] != '\0' && ef_climate_take_settings(settings, text, strlen(text), &refused) != EF_OK) {
        ESP_LOGW(TAG, "settings_ignored key=%s", refused);
    }
}

void store_load(store_identity *identity, ef_climate_settings *settings) {
    nvs_handle_t store;
    memset(identity, 0, sizeof *identity);
    if (nvs_open(SPACE, NVS_READONLY, &store) == ESP_OK) {
        read_text(store, "name", identity->name, sizeof identity->name);
        read_text(store, "broker", identity->broker, sizeof identity->broker);
        read_text(store, "user", identity->user, sizeof identity->user);
        read_text(store, "password", identity->password, sizeof identity->password);
        read_settings(store, settings);
        nvs_close(store);
    }
    if (identity->name[0] == '\0') {
        name_of_chip(identity->name, sizeof identity->name);
    }
}

bool store_keep(bool network, const char *key, const char *text) {
    nvs_handle_t store;
    if (nvs_open(network ? EF_NODE_NAMESPACE : SPACE, NVS_READWRITE, &store) != ESP_OK) {
        return false;
    }
    const bool kept = nvs_set_str(store, key, text) == ESP_OK && nvs_commit(store) == ESP_OK;
    nvs_close(store);
    return kept;
}

void store_keep_settings(const ef_climate_settings *settings) {
    char text[EF_CLIMATE_PAYLOAD];
    ef_text out = {.to = text, .most = sizeof text};
    ef_text_put(&out, "{");
    ef_climate_write_settings(settings, &out);
    ef_text_put(&out, "}");
    if (!ef_text_end(&out) || !store_keep(false, SETTINGS, text)) {
        ESP_LOGE(TAG, "settings_not_kept");
    }
}
