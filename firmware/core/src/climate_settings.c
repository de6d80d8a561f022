#include "edgeflow/climate_settings.h"

#include <string.h>

#include "edgeflow/json_scan.h"

#define AT(field) ((uint16_t)offsetof(ef_climate_settings, field))

static const ef_climate_key table[] = {
    {"read_seconds", AT(read_seconds), 2.0f, 3600.0f}, /* a DHT22 wants 2 */
    {"report_seconds", AT(report_seconds), 2.0f, 86400.0f},
    {"audio_seconds", AT(audio_seconds), 0.0f, 86400.0f},
    {"temperature_change", AT(temperature_change), 0.0f, 100.0f},
    {"humidity_change", AT(humidity_change), 0.0f, 100.0f},
    {"closed", AT(drive.closed), -1e6f, 1e6f},
    {"open", AT(drive.open), -1e6f, 1e6f},
    {"lowest", AT(drive.lowest), 0.0f, 100.0f},
    {"highest", AT(drive.highest), 0.0f, 100.0f},
    {"speed", AT(drive.speed), 0.1f, 1000.0f},
    {"acceleration", AT(drive.acceleration), 0.1f, 10000.0f},
    {"stall_seconds", AT(drive.stall_seconds), 0.0f, 60.0f},
    {"stall_distance", AT(drive.stall_distance), 0.1f, 100.0f},
};

const ef_climate_key *ef_climate_keys(size_t *count) {
    *count = sizeof table / sizeof table[0];
    return table;
}

ef_climate_settings ef_climate_default_settings(ef_motor motor) {
    return (ef_climate_settings){
        .read_seconds = 2.0f,
        .report_seconds = 60.0f,
        .audio_seconds = 30.0f,
        .temperature_change = 0.1f,
        .humidity_change = 0.5f,
        .drive = ef_drive_default_options(motor),
    };
}

static const ef_climate_key *find(const ef_json_member *member) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (ef_json_is(member, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

ef_status ef_climate_take_settings(ef_climate_settings *settings, const char *text, size_t size, const char **refused) {
    ef_climate_settings wanted = *settings;
    ef_json json;
    ef_json_member member;
    *refused = "";
    if (ef_json_open(&json, text, size) != EF_OK) {
        return EF_ERROR_TYPE;
    }
    while (ef_json_next(&json, &member)) {
        const ef_climate_key *key = find(&member);
        if (key == NULL) {
            continue;
        }
        const float number = (float)(member.number > 1e9 ? 1e9 : member.number < -1e9 ? -1e9 : member.number);
        if (member.kind != EF_JSON_NUMBER || number < key->least || number > key->most) {
            *refused = key->name;
            return EF_ERROR_SHAPE;
        }
        memcpy((uint8_t *)&wanted + key->at, &number, sizeof number);
    }
    ef_drive trial;
    if (ef_drive_init(&trial, &wanted.drive) != EF_OK) {
        *refused = "motor";
        return EF_ERROR_SHAPE;
    }
    *settings = wanted;
    return EF_OK;
}

void ef_climate_write_settings(const ef_climate_settings *settings, ef_text *out) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        float number;
        memcpy(&number, (const uint8_t *)settings + table[i].at, sizeof number);
        ef_text_put(out, i == 0 ? "\"" : ",\"");
        ef_text_put(out, table[i].name);
        ef_text_put(out, "\":");
        ef_text_decimal(out, (double)number, 3);
    }
}
