/* Integers of the wire and of the flash, whatever the alignment. Floats are copied: all targets are little-endian. */
#ifndef EDGEFLOW_LITTLE_ENDIAN_H
#define EDGEFLOW_LITTLE_ENDIAN_H

#include <stdint.h>

static inline uint16_t ef_get16(const uint8_t *at) {
    return (uint16_t)(at[0] | ((uint32_t)at[1] << 8));
}

static inline uint32_t ef_get32(const uint8_t *at) {
    return (uint32_t)at[0] | ((uint32_t)at[1] << 8) | ((uint32_t)at[2] << 16) | ((uint32_t)at[3] << 24);
}

static inline uint8_t *ef_put16(uint8_t *at, uint16_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

static inline uint8_t *ef_put32(uint8_t *at, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8u * i));
    }
    return at + 4;
}

static inline uint8_t *ef_put64(uint8_t *at, uint64_t value) {
    return ef_put32(ef_put32(at, (uint32_t)value), (uint32_t)(value >> 32));
}

#endif
