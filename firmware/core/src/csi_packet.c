/* What a node says of itself: raw frames, vitals, features, state. */
#include "edgeflow/csi_packet.h"

#include "csi_packet_wire.h"
#include "edgeflow/checksum.h"

enum { RAW_HEADER = 20, VITALS_BYTES = 32, FUSED_BYTES = 48, FEATURES_BYTES = 48, STATE_BYTES = 60 };

static bool is_events(const uint8_t *bytes, size_t count) {
    unsigned events = count < 8u ? 0u : ef_get16(bytes + 6);
    return events >= 1u && events <= EF_CSI_PACKET_MAX_EVENTS && count == 8u + 5u * events;
}

ef_csi_kind ef_csi_packet_kind(const uint8_t *bytes, size_t count) {
    if (count < 4u || ef_get16(bytes + 2) != 0xC511u) {
        return EF_CSI_KIND_NONE;
    }
    switch (ef_get16(bytes)) {
    case MAGIC_RAW: return EF_CSI_KIND_RAW;
    case MAGIC_VITALS: return EF_CSI_KIND_VITALS;
    case MAGIC_FEATURES: return EF_CSI_KIND_FEATURES;
    case MAGIC_FUSED_OR_EVENTS: return is_events(bytes, count) ? EF_CSI_KIND_EVENTS : EF_CSI_KIND_FUSED;
    case MAGIC_XOR: return EF_CSI_KIND_XOR;
    case MAGIC_STATE: return EF_CSI_KIND_STATE;
    case MAGIC_MESH: return EF_CSI_KIND_MESH;
    case MAGIC_WIDE_EVENTS: return EF_CSI_KIND_WIDE_EVENTS;
    case MAGIC_COMPRESSED: return EF_CSI_KIND_COMPRESSED;
    default: return EF_CSI_KIND_NONE;
    }
}

static size_t pairs_of(unsigned antennas, unsigned subcarriers) {
    size_t pairs = (size_t)antennas * subcarriers;
    return antennas <= EF_CSI_PACKET_MAX_ANTENNAS && pairs <= EF_CSI_PACKET_MAX_PAIRS ? pairs : 0;
}

size_t ef_csi_encode_raw(const ef_csi_raw_packet *packet, uint8_t *to, size_t room) {
    size_t pairs = pairs_of(packet->antennas, packet->subcarriers);
    if (pairs == 0 || room < RAW_HEADER + 2u * pairs) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_RAW);
    *at++ = packet->node;
    *at++ = packet->antennas;
    at = ef_put16(at, packet->subcarriers);
    at = ef_put32(at, packet->frequency_mhz);
    at = ef_put32(at, packet->sequence);
    *at++ = (uint8_t)packet->rssi;
    *at++ = (uint8_t)packet->noise_floor;
    at = ef_put16(at, 0);
    memcpy(at, packet->pairs, 2u * pairs);
    return RAW_HEADER + 2u * pairs;
}

ef_status ef_csi_decode_raw(const uint8_t *bytes, size_t count, ef_csi_raw_packet *packet) {
    if (count < RAW_HEADER) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_RAW)) {
        return EF_ERROR_TYPE;
    }
    size_t pairs = pairs_of(bytes[5], ef_get16(bytes + 6));
    if (pairs == 0 || count != RAW_HEADER + 2u * pairs) {
        return EF_ERROR_LENGTH;
    }
    packet->node = bytes[4];
    packet->antennas = bytes[5];
    packet->subcarriers = ef_get16(bytes + 6);
    packet->frequency_mhz = ef_get32(bytes + 8);
    packet->sequence = ef_get32(bytes + 12);
    packet->rssi = (int8_t)bytes[16];
    packet->noise_floor = (int8_t)bytes[17];
    packet->pairs = (const int8_t *)(bytes + RAW_HEADER);
    return EF_OK;
}

uint32_t ef_csi_fixed(float value, uint32_t steps, uint32_t most) {
    double whole = (double)value * steps + 0.5;
    if (!(whole >= 1.0) || !isfinite(value)) {
        return 0;
    }
    return whole >= (double)most ? most : (uint32_t)whole;
}

/* Bytes 0 to 27. */
static uint8_t *put_common(uint8_t *to, unsigned magic, const ef_csi_vitals_packet *packet, const uint8_t bytes_14[2]) {
    uint8_t *at = put_magic(to, magic);
    *at++ = packet->node;
    *at++ = packet->flags;
    at = ef_put16(at, packet->breathing);
    at = ef_put32(at, packet->heart);
    *at++ = (uint8_t)packet->rssi;
    *at++ = packet->persons;
    *at++ = bytes_14[0];
    *at++ = bytes_14[1];
    at = put_float(at, packet->motion_energy);
    at = put_float(at, packet->presence_score);
    return ef_put32(at, packet->uptime_ms);
}

static void get_common(const uint8_t *bytes, ef_csi_vitals_packet *packet) {
    memset(packet, 0, sizeof *packet);
    packet->node = bytes[4];
    packet->flags = bytes[5];
    packet->breathing = ef_get16(bytes + 6);
    packet->heart = ef_get32(bytes + 8);
    packet->rssi = (int8_t)bytes[12];
    packet->persons = bytes[13];
    packet->motion_energy = get_float(bytes + 16);
    packet->presence_score = get_float(bytes + 20);
    packet->uptime_ms = ef_get32(bytes + 24);
}

size_t ef_csi_encode_vitals(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room) {
    static const uint8_t nothing[2];
    if (room < VITALS_BYTES) {
        return 0;
    }
    ef_put32(put_common(to, MAGIC_VITALS, packet, nothing), 0);
    return finite_at(to + 16, 2) ? VITALS_BYTES : 0;
}

ef_status ef_csi_decode_vitals(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet) {
    if (count != VITALS_BYTES) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_VITALS)) {
        return EF_ERROR_TYPE;
    }
    get_common(bytes, packet);
    return finite_at(bytes + 16, 2) ? EF_OK : EF_ERROR_NOT_FINITE;
}

size_t ef_csi_encode_fused(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room) {
    const uint8_t bytes_14[2] = {packet->radar, packet->confidence};
    if (room < FUSED_BYTES) {
        return 0;
    }
    uint8_t *at = put_common(to, MAGIC_FUSED_OR_EVENTS, packet, bytes_14);
    at = put_float(at, packet->radar_heart);
    at = put_float(at, packet->radar_breathing);
    at = put_float(at, packet->distance_cm);
    *at++ = packet->targets;
    *at++ = packet->radar_confidence;
    ef_put32(ef_put16(at, 0), 0);
    return finite_at(to + 16, 2) && finite_at(to + 28, 3) ? FUSED_BYTES : 0;
}

ef_status ef_csi_decode_fused(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet) {
    if (count != FUSED_BYTES) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_FUSED_OR_EVENTS)) {
        return EF_ERROR_TYPE;
    }
    get_common(bytes, packet);
    packet->radar = bytes[14];
    packet->confidence = bytes[15];
    packet->radar_heart = get_float(bytes + 28);
    packet->radar_breathing = get_float(bytes + 32);
    packet->distance_cm = get_float(bytes + 36);
    packet->targets = bytes[40];
    packet->radar_confidence = bytes[41];
    return finite_at(bytes + 16, 2) && finite_at(bytes + 28, 3) ? EF_OK : EF_ERROR_NOT_FINITE;
}

size_t ef_csi_encode_features(const ef_csi_features_packet *packet, uint8_t *to, size_t room) {
    if (room < FEATURES_BYTES) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_FEATURES);
    *at++ = packet->node;
    *at++ = 0;
    at = ef_put64(ef_put16(at, packet->sequence), (uint64_t)packet->time_us);
    for (unsigned i = 0; i < 8; i++) {
        at = put_float(at, packet->values[i]);
    }
    return finite_at(to + 16, 8) ? FEATURES_BYTES : 0;
}

ef_status ef_csi_decode_features(const uint8_t *bytes, size_t count, ef_csi_features_packet *packet) {
    if (count != FEATURES_BYTES) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_FEATURES)) {
        return EF_ERROR_TYPE;
    }
    packet->node = bytes[4];
    packet->sequence = ef_get16(bytes + 6);
    packet->time_us = (int64_t)get64(bytes + 8);
    for (unsigned i = 0; i < 8; i++) {
        packet->values[i] = get_float(bytes + 16 + 4u * i);
    }
    return finite_at(bytes + 16, 8) ? EF_OK : EF_ERROR_NOT_FINITE;
}

size_t ef_csi_encode_state(const ef_csi_state_packet *packet, uint8_t *to, size_t room) {
    if (room < STATE_BYTES) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_STATE);
    *at++ = packet->node;
    *at++ = packet->mode;
    at = ef_put64(ef_put16(at, packet->sequence), packet->time_us);
    for (unsigned i = 0; i < 9; i++) {
        at = put_float(at, packet->values[i]);
    }
    at = ef_put16(ef_put16(at, packet->quality), 0);
    ef_put32(at, ef_crc32(0, to, STATE_BYTES - 4));
    return finite_at(to + 16, 9) ? STATE_BYTES : 0;
}

ef_status ef_csi_decode_state(const uint8_t *bytes, size_t count, ef_csi_state_packet *packet) {
    if (count != STATE_BYTES) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_STATE)) {
        return EF_ERROR_TYPE;
    }
    if (ef_crc32(0, bytes, STATE_BYTES - 4) != ef_get32(bytes + STATE_BYTES - 4)) {
        return EF_ERROR_CRC;
    }
    packet->node = bytes[4];
    packet->mode = bytes[5];
    packet->sequence = ef_get16(bytes + 6);
    packet->time_us = get64(bytes + 8);
    for (unsigned i = 0; i < 9; i++) {
        packet->values[i] = get_float(bytes + 16 + 4u * i);
    }
    packet->quality = ef_get16(bytes + 52);
    return finite_at(bytes + 16, 9) ? EF_OK : EF_ERROR_NOT_FINITE;
}
