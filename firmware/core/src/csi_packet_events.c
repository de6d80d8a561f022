/* Events of modules, the mesh envelope, and the reference's XOR compression. */
#include "csi_packet_wire.h"
#include "edgeflow/checksum.h"
#include "edgeflow/csi_packet.h"

enum { NARROW_HEADER = 8, NARROW_EVENT = 5, WIDE_HEADER = 20, WIDE_EVENT = 6, MESH_HEADER = 16, XOR_HEADER = 10, MAX_RUN = 255 };

size_t ef_csi_encode_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room) {
    size_t size = NARROW_HEADER + (size_t)NARROW_EVENT * packet->count;
    if (packet->count < 1u || packet->count > EF_CSI_PACKET_MAX_EVENTS || room < size) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_FUSED_OR_EVENTS);
    *at++ = packet->node;
    *at++ = packet->slot;
    at = ef_put16(at, packet->count);
    for (unsigned i = 0; i < packet->count; i++) {
        if (packet->events[i].id > 255u) {
            return 0;
        }
        *at++ = (uint8_t)packet->events[i].id;
        at = put_float(at, packet->events[i].value);
        if (!finite_at(at - 4, 1)) {
            return 0;
        }
    }
    return size;
}

ef_status ef_csi_decode_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet) {
    if (count < NARROW_HEADER) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_FUSED_OR_EVENTS)) {
        return EF_ERROR_TYPE;
    }
    if (ef_csi_packet_kind(bytes, count) != EF_CSI_KIND_EVENTS) {
        return EF_ERROR_LENGTH;
    }
    memset(packet, 0, sizeof *packet);
    packet->node = bytes[4];
    packet->slot = bytes[5];
    packet->count = ef_get16(bytes + 6);
    for (unsigned i = 0; i < packet->count; i++) {
        const uint8_t *at = bytes + NARROW_HEADER + i * NARROW_EVENT;
        if (!finite_at(at + 1, 1)) {
            return EF_ERROR_NOT_FINITE;
        }
        packet->events[i] = (ef_csi_event){at[0], get_float(at + 1)};
    }
    return EF_OK;
}

size_t ef_csi_encode_wide_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room) {
    size_t size = WIDE_HEADER + (size_t)WIDE_EVENT * packet->count;
    if (packet->count < 1u || packet->count > EF_CSI_PACKET_MAX_WIDE_EVENTS || room < size) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_WIDE_EVENTS);
    *at++ = packet->node;
    *at++ = packet->slot;
    at = ef_put64(ef_put16(at, packet->count), packet->time_us);
    at = ef_put16(ef_put16(at, packet->sequence), 0);
    for (unsigned i = 0; i < packet->count; i++) {
        at = put_float(ef_put16(at, packet->events[i].id), packet->events[i].value);
        if (!finite_at(at - 4, 1)) {
            return 0;
        }
    }
    return size;
}

ef_status ef_csi_decode_wide_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet) {
    if (count < WIDE_HEADER) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_WIDE_EVENTS)) {
        return EF_ERROR_TYPE;
    }
    memset(packet, 0, sizeof *packet);
    packet->node = bytes[4];
    packet->slot = bytes[5];
    packet->count = ef_get16(bytes + 6);
    packet->time_us = get64(bytes + 8);
    packet->sequence = ef_get16(bytes + 16);
    if (packet->count < 1u || packet->count > EF_CSI_PACKET_MAX_WIDE_EVENTS ||
        count != WIDE_HEADER + (size_t)WIDE_EVENT * packet->count) {
        packet->count = 0;
        return EF_ERROR_LENGTH;
    }
    for (unsigned i = 0; i < packet->count; i++) {
        const uint8_t *at = bytes + WIDE_HEADER + i * WIDE_EVENT;
        if (!finite_at(at + 2, 1)) {
            return EF_ERROR_NOT_FINITE;
        }
        packet->events[i] = (ef_csi_event){ef_get16(at), get_float(at + 2)};
    }
    return EF_OK;
}

/* Bytes of the payload of a type; 0 for a type that is not known. */
static size_t payload_of(uint8_t type) {
    static const uint8_t sizes[8] = {0, 16, 16, 24, 20, 60, 28, 28};
    return type < 8u ? sizes[type] : 0u;
}

size_t ef_csi_encode_mesh(const ef_csi_mesh_packet *packet, uint8_t *to, size_t room) {
    size_t size = (size_t)MESH_HEADER + packet->length, known = payload_of(packet->type);
    if (packet->length > EF_CSI_PACKET_MAX_MESH || room < size + 4u || (known != 0 && packet->length != known)) {
        return 0;
    }
    uint8_t *at = put_magic(to, MAGIC_MESH);
    *at++ = 1;
    *at++ = packet->type;
    *at++ = packet->role;
    *at++ = packet->auth;
    at = ef_put16(ef_put16(ef_put32(at, packet->epoch), packet->length), 0);
    if (packet->length > 0) {
        memcpy(at, packet->payload, packet->length);
    }
    ef_put32(to + size, ef_crc32(0, to, size));
    return size + 4u;
}

ef_status ef_csi_decode_mesh(const uint8_t *bytes, size_t count, ef_csi_mesh_packet *packet) {
    if (count < MESH_HEADER + 4u) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_MESH)) {
        return EF_ERROR_TYPE;
    }
    if (bytes[4] != 1u) {
        return EF_ERROR_UNSUPPORTED;
    }
    packet->type = bytes[5];
    packet->role = bytes[6];
    packet->auth = bytes[7];
    packet->epoch = ef_get32(bytes + 8);
    packet->length = ef_get16(bytes + 12);
    packet->payload = bytes + MESH_HEADER;
    size_t known = payload_of(packet->type);
    if (packet->length > EF_CSI_PACKET_MAX_MESH || count != MESH_HEADER + packet->length + 4u ||
        (known != 0 && packet->length != known)) {
        return EF_ERROR_LENGTH;
    }
    return ef_crc32(0, bytes, count - 4u) == ef_get32(bytes + count - 4u) ? EF_OK : EF_ERROR_CRC;
}

void ef_csi_write_health(const ef_csi_health *health, uint8_t to[EF_CSI_HEALTH_BYTES]) {
    uint8_t *at = ef_put64(ef_put64(to, health->node), health->time_us);
    *at++ = health->role;
    *at++ = health->channel;
    *at++ = health->bandwidth_mhz;
    *at++ = (uint8_t)health->noise_floor;
    at = ef_put16(ef_put16(at, health->frame_rate), health->sync_error_us);
    ef_put16(ef_put16(at, health->flags), 0);
}

void ef_csi_write_alert(const ef_csi_alert *alert, uint8_t to[EF_CSI_HEALTH_BYTES]) {
    uint8_t *at = ef_put64(ef_put64(to, alert->node), alert->time_us);
    *at++ = alert->severity;
    *at++ = alert->reason;
    put_float(put_float(ef_put16(at, 0), alert->anomaly), alert->motion);
}

size_t ef_csi_encode_xor(uint8_t node, uint8_t channel, const uint8_t *before, const uint8_t *now, size_t length, uint8_t *to,
                         size_t room) {
    size_t coded = 0;
    if (length < 1u || length > 2u * EF_CSI_PACKET_MAX_PAIRS || room < XOR_HEADER) {
        return 0;
    }
    for (size_t i = 0, run; i < length; i += run) {
        uint8_t value = before[i] ^ now[i];
        for (run = 1; i + run < length && run < MAX_RUN && (before[i + run] ^ now[i + run]) == value; run++) {
        }
        if (coded + 2u >= length || XOR_HEADER + coded + 2u > room) {
            return 0;
        }
        to[XOR_HEADER + coded++] = value;
        to[XOR_HEADER + coded++] = (uint8_t)run;
    }
    uint8_t *at = put_magic(to, MAGIC_XOR);
    *at++ = node;
    *at++ = channel;
    ef_put16(ef_put16(at, (uint16_t)length), (uint16_t)coded);
    return XOR_HEADER + coded;
}

ef_status ef_csi_decode_xor(const uint8_t *bytes, size_t count, ef_csi_xor_packet *packet) {
    if (count < XOR_HEADER) {
        return EF_ERROR_LENGTH;
    }
    if (!has_magic(bytes, MAGIC_XOR)) {
        return EF_ERROR_TYPE;
    }
    packet->node = bytes[4];
    packet->channel = bytes[5];
    packet->length = ef_get16(bytes + 6);
    packet->coded = ef_get16(bytes + 8);
    packet->data = bytes + XOR_HEADER;
    if (packet->length < 1u || packet->length > 2u * EF_CSI_PACKET_MAX_PAIRS || count != (size_t)XOR_HEADER + packet->coded ||
        packet->coded % 2u != 0) {
        return EF_ERROR_LENGTH;
    }
    size_t whole = 0;
    for (size_t i = 1; i < packet->coded; i += 2) {
        if (packet->data[i] == 0) {
            return EF_ERROR_LENGTH;
        }
        whole += packet->data[i];
    }
    return whole == packet->length ? EF_OK : EF_ERROR_LENGTH;
}

void ef_csi_expand_xor(const ef_csi_xor_packet *packet, const uint8_t *before, uint8_t *now) {
    size_t at = 0;
    for (size_t i = 0; i + 1 < packet->coded; i += 2) {
        for (unsigned run = packet->data[i + 1]; run > 0 && at < packet->length; run--, at++) {
            now[at] = before[at] ^ packet->data[i];
        }
    }
}
