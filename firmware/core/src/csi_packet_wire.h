/* Reading and writing packets of CSI nodes. */
#ifndef EDGEFLOW_CSI_PACKET_WIRE_H
#define EDGEFLOW_CSI_PACKET_WIRE_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "little_endian.h"

enum {
    MAGIC_RAW = 1,
    MAGIC_VITALS = 2,
    MAGIC_FEATURES = 3,
    MAGIC_FUSED_OR_EVENTS = 4,
    MAGIC_XOR = 5,
    MAGIC_STATE = 6,
    MAGIC_MESH = 0x8100,
    MAGIC_WIDE_EVENTS = 0xEF01,
    MAGIC_COMPRESSED = 0xEF02
};

static inline uint8_t *put_magic(uint8_t *to, uint32_t low) {
    return ef_put32(to, 0xC5110000u | low);
}

static inline bool has_magic(const uint8_t *bytes, uint32_t low) {
    return ef_get32(bytes) == (0xC5110000u | low);
}

static inline uint64_t get64(const uint8_t *at) {
    return ef_get32(at) | (uint64_t)ef_get32(at + 4) << 32;
}

static inline float get_float(const uint8_t *at) {
    uint32_t bits = ef_get32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint8_t *put_float(uint8_t *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return ef_put32(at, bits);
}

/* Whether all of these are finite: their exponent is not all ones. */
static inline bool finite_at(const uint8_t *at, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if ((ef_get32(at + 4u * i) & 0x7F800000u) == 0x7F800000u) {
            return false;
        }
    }
    return true;
}

#endif
