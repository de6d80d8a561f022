/* A node's flash with two slots and the boot record, and images for it. */
#ifndef EDGEFLOW_OTA_WORLD_H
#define EDGEFLOW_OTA_WORLD_H

#include "check.h"
#include "edgeflow/host_boot.h"

enum {
    OTA_SECTOR = 256,
    OTA_SLOT_BYTES = 8 * OTA_SECTOR,
    OTA_IMAGE_BYTES = 1200 + 16 + 32, /* 24 and 8 of headers, 1168 of a segment, the checksum's line, the hash */
    OTA_BODY_BYTES = EF_OTA_HEADER_BYTES + OTA_IMAGE_BYTES,
    OTA_CHIP = 9
};

typedef struct ota_world {
    uint8_t data_bytes[2 * OTA_SECTOR], slot_bytes[2][OTA_SLOT_BYTES];
    ef_host_power power;
    ef_host_flash data, slot[2];
    ef_host_boot boot;
    ef_ota ota;
    char version[2]; /* of what runs, for the rules */
} ota_world;

/* An image that boots, and the whole body of an upload of it: its header is not signed. */
void ota_image(uint8_t image[OTA_IMAGE_BYTES], char version);
void ota_body(uint8_t body[OTA_BODY_BYTES], char version, uint32_t counter);

/* Version '1' in slot 0, the rest erased; not started. */
void ota_blank(ota_world *world);

/* Power on after a copy or a cut: the bytes stay. */
void ota_power_on(ota_world *world);

/* The boot loader, then the node's rules for what runs. The version, or 0 when nothing boots. */
char ota_start(ota_world *world);

/* Upload a version in pieces. */
ef_ota_failure ota_push(ota_world *world, char version, uint32_t counter, size_t piece);

/* The same in pieces of one sector, then started and kept. False: it did not come to that. */
bool ota_update(ota_world *world, char version);

#endif
