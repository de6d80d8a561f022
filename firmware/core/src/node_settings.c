#include "edgeflow/node_settings.h"

#include <string.h>

#define AT(field) ((uint16_t)offsetof(ef_node_settings, field))
#define NUMBER(key, kind, field, least, most) {EF_NODE_NAMESPACE, key, kind, AT(field), 0, least, most}
#define MOST(field) (sizeof(((ef_node_settings *)0)->field) - 1u)
#define TEXT(space, key, field, least) {space, key, EF_SETTING_STRING, AT(field), 0, least, MOST(field)}
#define BLOB(space, key, field, count, least, most) {space, key, EF_SETTING_BLOB, AT(field), AT(count), least, most}

static const ef_setting table[] = {
    TEXT(EF_NODE_NAMESPACE, "ssid", ssid, 1),
    TEXT(EF_NODE_NAMESPACE, "password", password, 0),
    TEXT(EF_NODE_NAMESPACE, "target_ip", target_ip, 7),
    NUMBER("target_port", EF_SETTING_U16, target_port, 1, UINT16_MAX),
    NUMBER("node_id", EF_SETTING_U8, node_id, 0, UINT8_MAX),
    NUMBER("hop_count", EF_SETTING_U8, hop_count, 1, EF_HOP_CHANNELS),
    BLOB(EF_NODE_NAMESPACE, "chan_list", hop_channels, hop_listed, 1, EF_HOP_CHANNELS),
    NUMBER("dwell_ms", EF_SETTING_U32, dwell_ms, EF_HOP_LEAST_MS, 60000u),
    NUMBER("tdm_slot", EF_SETTING_U8, tdm_slot, 0, UINT8_MAX - 1u),
    NUMBER("tdm_nodes", EF_SETTING_U8, tdm_nodes, 1, UINT8_MAX),
    NUMBER("edge_tier", EF_SETTING_U8, edge_tier, 0, 2),
    NUMBER("pres_thresh", EF_SETTING_U16, presence_milli, 0, UINT16_MAX),
    NUMBER("fall_thresh", EF_SETTING_U16, fall_milli, 1, UINT16_MAX),
    NUMBER("vital_win", EF_SETTING_U16, vital_window, 32, 256),
    NUMBER("vital_int", EF_SETTING_U16, vital_interval_ms, 100, UINT16_MAX),
    NUMBER("subk_count", EF_SETTING_U8, top_subcarriers, 1, 32),
    NUMBER("power_duty", EF_SETTING_U8, power_duty, 10, 100),
    NUMBER("wasm_max", EF_SETTING_U8, wasm_max, 1, 8),
    NUMBER("wasm_verify", EF_SETTING_U8, wasm_verify, 0, 1),
    NUMBER("wasm_older", EF_SETTING_U8, wasm_older, 0, 1),
    BLOB(EF_NODE_NAMESPACE, "wasm_pubkey", wasm_key, wasm_key_bytes, 32, 32),
    NUMBER("csi_channel", EF_SETTING_U8, channel, 0, 177),
    BLOB(EF_NODE_NAMESPACE, "filter_mac", filter_mac, filter_mac_bytes, 6, 6),
    TEXT(EF_NODE_NAMESPACE, "seed_url", seed_url, 0),
    TEXT(EF_NODE_NAMESPACE, "seed_token", seed_token, 0),
    TEXT(EF_NODE_NAMESPACE, "zone_name", zone, 1),
    NUMBER("swarm_hb", EF_SETTING_U16, swarm_heartbeat_s, 1, UINT16_MAX),
    NUMBER("swarm_ingest", EF_SETTING_U16, swarm_ingest_s, 1, UINT16_MAX),
    TEXT(EF_NODE_SECRETS, "ota_psk", ota_key, EF_OTA_PSK_LEAST),
    BLOB(EF_NODE_SECRETS, "ota_pubkey", ota_public_key, ota_public_key_bytes, 32, 32),
};

const ef_setting *ef_settings(size_t *count) {
    *count = sizeof table / sizeof table[0];
    return table;
}

void ef_settings_default(ef_node_settings *settings) {
    ef_csi_options options = ef_csi_default_options();
    *settings = (ef_node_settings){
        .target_ip = "192.168.1.100",
        .target_port = 5005,
        .node_id = 1,
        .hop_count = 1,
        .dwell_ms = 50,
        .tdm_nodes = 1,
        .edge_tier = 2,
        .fall_milli = (uint16_t)(options.fall_threshold * 1000.0f),
        .vital_window = 256,
        .vital_interval_ms = 1000,
        .top_subcarriers = 8,
        .power_duty = 100,
        .wasm_max = 4,
        .wasm_verify = 1,
        .zone = "default",
        .swarm_heartbeat_s = 30,
        .swarm_ingest_s = 5,
    };
}

static ef_status take_bytes(ef_node_settings *settings, const ef_setting *setting, const void *value, size_t bytes) {
    uint8_t *to = (uint8_t *)settings + setting->at;
    bool text = setting->kind == EF_SETTING_STRING;
    if (bytes < setting->least || bytes > setting->most || (text && bytes > 0 && memchr(value, '\0', bytes) != NULL)) {
        return EF_ERROR_LENGTH;
    }
    if (bytes > 0) {
        memcpy(to, value, bytes);
    }
    if (text) {
        to[bytes] = 0;
    } else {
        *((uint8_t *)settings + setting->count_at) = (uint8_t)bytes;
    }
    return EF_OK;
}

static bool in_range(const ef_setting *setting, uint32_t number) {
    bool heard = setting->at != AT(channel) || number == 0 || ef_is_channel((uint8_t)number);
    return number >= setting->least && number <= setting->most && heard;
}

ef_status ef_setting_take(ef_node_settings *settings, const ef_setting *setting, const void *value, size_t bytes) {
    static const uint8_t sizes[] = {[EF_SETTING_U8] = 1, [EF_SETTING_U16] = 2, [EF_SETTING_U32] = 4};
    if (setting->kind == EF_SETTING_STRING || setting->kind == EF_SETTING_BLOB) {
        return take_bytes(settings, setting, value, bytes);
    }
    if (bytes != sizes[setting->kind]) {
        return EF_ERROR_LENGTH;
    }
    uint32_t number = 0;
    memcpy(&number, value, bytes); /* all targets are little-endian */
    if (!in_range(setting, number)) {
        return EF_ERROR_SHAPE;
    }
    memcpy((uint8_t *)settings + setting->at, value, bytes);
    return EF_OK;
}

bool ef_settings_finish(ef_node_settings *settings) {
    bool good = settings->tdm_slot < settings->tdm_nodes;
    if (!good) {
        settings->tdm_slot = 0;
    }
    if (settings->hop_count > 1 && settings->hop_count > settings->hop_listed) {
        settings->hop_count = settings->hop_listed > 0 ? settings->hop_listed : 1;
        good = false;
    }
    return good;
}

ef_csi_options ef_settings_options(const ef_node_settings *settings) {
    ef_csi_options options = ef_csi_default_options();
    options.tier = settings->edge_tier > 1 ? 2 : 1;
    options.top_subcarriers = settings->top_subcarriers;
    options.presence_threshold = (float)settings->presence_milli / 1000.0f;
    options.fall_threshold = (float)settings->fall_milli / 1000.0f;
    return options;
}
