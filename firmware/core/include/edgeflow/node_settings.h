/* The settings of a sensing node: keys, ranges and defaults as a table, whatever stores them. */
#ifndef EDGEFLOW_NODE_SETTINGS_H
#define EDGEFLOW_NODE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/csi.h"
#include "edgeflow/ed25519.h"
#include "edgeflow/node_policy.h"
#include "edgeflow/ota.h"
#include "edgeflow/status.h"

#define EF_NODE_NAMESPACE "csi_cfg"
#define EF_NODE_SECRETS "security" /* the namespace of ota_psk and ota_pubkey */

typedef struct ef_node_settings {
    char ssid[33], password[65];
    char target_ip[16];
    uint16_t target_port;
    uint8_t node_id;
    uint8_t hop_count, hop_channels[EF_HOP_CHANNELS], hop_listed;
    uint32_t dwell_ms;
    uint8_t tdm_slot, tdm_nodes;
    uint8_t edge_tier;
    uint16_t presence_milli, fall_milli; /* 0: presence from the calibration */
    uint16_t vital_window, vital_interval_ms;
    uint8_t top_subcarriers;
    uint8_t power_duty;
    uint8_t wasm_max, wasm_verify, wasm_older, wasm_key[32], wasm_key_bytes;
    uint8_t channel; /* 0: the access point's */
    uint8_t filter_mac[6], filter_mac_bytes;
    char seed_url[64], seed_token[64], zone[16];
    uint16_t swarm_heartbeat_s, swarm_ingest_s;
    char ota_key[EF_OTA_PSK_MOST + 1u];
    uint8_t ota_public_key[EF_ED25519_KEY_BYTES], ota_public_key_bytes;
} ef_node_settings;

typedef enum ef_setting_kind {
    EF_SETTING_U8,
    EF_SETTING_U16,
    EF_SETTING_U32,
    EF_SETTING_STRING,
    EF_SETTING_BLOB
} ef_setting_kind;

typedef struct ef_setting {
    const char *space, *key; /* namespace, at most 15 characters */
    ef_setting_kind kind;
    uint16_t at, count_at;   /* within ef_node_settings; count_at of a blob's length, else 0 */
    uint32_t least, most;    /* of the number, or of the characters or bytes */
} ef_setting;

#define EF_SETTING_BYTES 65u /* the largest value, a string's end included */

const ef_setting *ef_settings(size_t *count);

/* What holds without any stored key. */
void ef_settings_default(ef_node_settings *settings);

/* Take a value over: a number in this machine's order, a string without its end, or a blob. EF_ERROR_LENGTH: not of this
 * kind's size. EF_ERROR_SHAPE: out of range. Then nothing changes. */
EF_MUST_CHECK ef_status ef_setting_take(ef_node_settings *settings, const ef_setting *setting, const void *value,
                                        size_t bytes);

/* After the last one: what holds between several keys. False: something was set back. */
bool ef_settings_finish(ef_node_settings *settings);

/* The core's options for these settings. */
ef_csi_options ef_settings_options(const ef_node_settings *settings);

#endif
