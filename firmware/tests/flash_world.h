/* Three partitions in memory, and power that goes and comes back. */
#ifndef EDGEFLOW_FLASH_WORLD_H
#define EDGEFLOW_FLASH_WORLD_H

#include "edgeflow/host_flash.h"
#include "edgeflow/slots.h"
#include "versioned_model.h"

#define WORLD_SECTOR 256u
#define WORLD_IDS 2u
#define WORLD_SHARE 512u /* of a slot, for one id */
#define WORLD_SECTORS (WORLD_IDS * WORLD_SHARE / WORLD_SECTOR)
#define WORLD_NONE 0u /* version of no model */

typedef struct world_bytes {
    _Alignas(8) uint8_t control[2u * WORLD_IDS * WORLD_SECTOR];
    _Alignas(8) uint8_t slot[2][WORLD_IDS * WORLD_SHARE];
} world_bytes;

typedef struct world {
    world_bytes bytes; /* all that outlives the power */
    uint32_t control_wear[2u * WORLD_IDS], slot_wear[2][WORLD_SECTORS];
    _Alignas(8) uint8_t file[512];
    uint32_t file_bytes;
    uint32_t file_version; /* WORLD_NONE: there is no reference file */
    /* lost with the power */
    ef_host_power power;
    ef_host_flash control, slot[2];
    ef_slots slots;
    ef_model parsed_file;
    uint32_t file_crc32;
} world;

void world_blank(world *world);
void world_set_file(world *world, uint32_t version);

/* Cut the power after `after` operations from now. */
void world_cut(world *world, int64_t after, uint8_t manner, uint32_t noise);

/* Power on: open the slots. `left` as in ef_host_power: the power may go again while it starts. */
void world_power_on(world *world, int64_t left, uint8_t manner, uint32_t noise);

/* Version of the model that answers after a start, WORLD_NONE for none. */
uint32_t world_start(world *world, uint8_t id);

/* Version of the model in the slot that the record in memory names. */
uint32_t world_version(world *world, uint8_t id);

/* Upload, activate and confirm; stops at the first error and returns it. */
ef_status world_upload(world *world, uint8_t id, uint32_t version);
ef_status world_swap(world *world, uint8_t id, uint32_t version);

#endif
