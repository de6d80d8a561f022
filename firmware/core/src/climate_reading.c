#include "climate_reading.h"

#include <string.h>

#include "little_endian.h"

void climate_reading_pack(const climate_reading *reading, uint8_t to[CLIMATE_READING_BYTES]) {
    uint32_t value;
    memcpy(&value, &reading->value, sizeof value);
    to[0] = (uint8_t)reading->kind;
    ef_put32(to + 1, reading->sequence);
    ef_put32(to + 5, value);
    ef_put64(to + 9, reading->at_ms);
}

bool climate_reading_unpack(const uint8_t from[CLIMATE_READING_BYTES], climate_reading *reading) {
    const uint32_t value = ef_get32(from + 5);
    reading->kind = (ef_climate_kind)from[0];
    reading->sequence = ef_get32(from + 1);
    memcpy(&reading->value, &value, sizeof value);
    reading->at_ms = (uint64_t)ef_get32(from + 13) << 32 | ef_get32(from + 9);
    return from[0] < EF_CLIMATE_KINDS;
}

static void write_path(const char *before, const char *name, const char *after, char to[EF_CLIMATE_TOPIC]) {
    ef_text out = {.to = to, .most = EF_CLIMATE_TOPIC};
    ef_text_put(&out, before);
    ef_text_put(&out, name);
    ef_text_put(&out, after);
    (void)ef_text_end(&out); /* the longest name fits */
}

void climate_reading_topic(const ef_climate_node *node, ef_climate_kind kind, char to[EF_CLIMATE_TOPIC]) {
    static const char *const kinds[] = {
        [EF_CLIMATE_TEMPERATURE] = "/temperature", [EF_CLIMATE_HUMIDITY] = "/humidity",
        [EF_CLIMATE_PRESSURE] = "/pressure",       [EF_CLIMATE_WINDOW] = "/window_position",
        [EF_CLIMATE_STALLED] = "/window_stalled",  [EF_CLIMATE_FAILURES] = "/sensor_failures",
    };
    write_path("sensor/", node->name, kinds[kind], to);
}

void ef_climate_write_topic(const ef_climate_node *node, ef_climate_topic topic, char to[EF_CLIMATE_TOPIC]) {
    static const char *const paths[][2] = {
        [EF_CLIMATE_TOPIC_STATUS] = {"device/", "/status"}, [EF_CLIMATE_TOPIC_CONTROL] = {"window/", "/control"},
        [EF_CLIMATE_TOPIC_CONFIG] = {"device/", "/config"}, [EF_CLIMATE_TOPIC_ACK] = {"device/", "/config/ack"},
        [EF_CLIMATE_TOPIC_AUDIO] = {"sensor/", "/audio"},   [EF_CLIMATE_TOPIC_OVERRIDE] = {"window/", "/override"},
    };
    write_path(paths[topic][0], node->name, paths[topic][1], to);
}

void climate_reading_write(const ef_climate_node *node, const climate_reading *reading, ef_text *out) {
    ef_text_put(out, "{\"value\":");
    ef_text_decimal(out, (double)reading->value, 2);
    ef_text_put(out, ",\"sequence\":");
    ef_text_count(out, reading->sequence);
    ef_text_put(out, ",\"boot\":");
    ef_text_count(out, node->boot);
    const int64_t unix_ms = (int64_t)reading->at_ms + node->unix_offset_ms;
    if (node->has_time && unix_ms > 0) {
        ef_text_put(out, ",\"time\":");
        ef_text_count(out, (uint64_t)unix_ms / 1000u);
        ef_text_put(out, ".");
        const unsigned rest = (unsigned)((uint64_t)unix_ms % 1000u);
        ef_text_put(out, rest < 10u ? "00" : rest < 100u ? "0" : "");
        ef_text_count(out, rest);
    }
    ef_text_put(out, "}");
}
