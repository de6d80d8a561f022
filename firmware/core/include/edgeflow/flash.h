/* NOR flash as the core sees it: one partition behind four function pointers. */
#ifndef EDGEFLOW_FLASH_H
#define EDGEFLOW_FLASH_H

#include <stdint.h>

#include "edgeflow/status.h"

typedef struct ef_flash {
    void *context;
    uint32_t size;        /* bytes of the partition, a multiple of sector_size */
    uint32_t sector_size; /* bytes that an erase sets to 0xFF; 4096 on the ESP32 */
    ef_status (*read)(void *context, uint32_t offset, void *to, uint32_t count);
    /* Bits go from 1 to 0 only. Offset and count are multiples of 4. */
    ef_status (*program)(void *context, uint32_t offset, const void *from, uint32_t count);
    ef_status (*erase)(void *context, uint32_t offset); /* the sector that starts at offset */
    /* The partition in the address space, 4-byte aligned; NULL where it cannot be mapped. */
    const uint8_t *(*map)(void *context);
} ef_flash;

#endif
