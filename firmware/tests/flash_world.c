#include "flash_world.h"

#include <string.h>

#include "check.h"
#include "edgeflow/checksum.h"

static const made_shape shape = {2, 1, 1, 2};

void world_blank(world *world) {
    memset(world, 0, sizeof *world);
    memset(&world->bytes, 0xFF, sizeof world->bytes);
    world_power_on(world, -1, EF_CUT_BEFORE, 1);
}

void world_set_file(world *world, uint32_t version) {
    world->file_version = version;
    world->file_bytes = make_reference(world->file, shape, version);
    world->file_crc32 = ef_crc32(0, world->file, world->file_bytes);
    CHECK_EQUAL(ef_model_parse(world->file, world->file_bytes, &world->parsed_file), EF_OK);
}

void world_cut(world *world, int64_t after, uint8_t manner, uint32_t noise) {
    world->power.left = after;
    world->power.manner = manner;
    world->power.noise = noise;
}

void world_power_on(world *world, int64_t left, uint8_t manner, uint32_t noise) {
    world_bytes *bytes = &world->bytes;
    world->power = (ef_host_power){.left = left, .manner = manner, .noise = noise};
    ef_host_flash_open(&world->control, bytes->control, sizeof bytes->control, WORLD_SECTOR, world->control_wear,
                       &world->power);
    for (unsigned i = 0; i < 2; i++) {
        ef_host_flash_open(&world->slot[i], bytes->slot[i], sizeof bytes->slot[i], WORLD_SECTOR, world->slot_wear[i],
                           &world->power);
    }
    CHECK_EQUAL(ef_slots_open(&world->slots, &world->control.flash, &world->slot[0].flash, &world->slot[1].flash,
                              WORLD_IDS),
                EF_OK);
}

static uint32_t version_in(world *world, uint8_t id, uint8_t slot) {
    ef_model model;
    if (slot == EF_SLOT_FILE) {
        return world->file_version;
    }
    return ef_slots_model(&world->slots, id, slot, &model) == EF_OK ? model.info.version : WORLD_NONE;
}

uint32_t world_start(world *world, uint8_t id) {
    uint8_t active;
    const ef_model *file = world->file_version != WORLD_NONE ? &world->parsed_file : NULL;
    ef_status status = ef_slots_start(&world->slots, id, file, world->file_crc32, &active);
    CHECK_EQUAL(active == EF_SLOT_NONE, status == EF_ERROR_NO_MODEL);
    CHECK(status != EF_OK || world->slots.record[id].active == active);
    CHECK(world->slots.record[id].state != EF_RECORD_TRIAL);
    return version_in(world, id, active);
}

uint32_t world_version(world *world, uint8_t id) {
    return version_in(world, id, world->slots.record[id].active);
}

ef_status world_upload(world *world, uint8_t id, uint32_t version) {
    _Alignas(8) uint8_t file[WORLD_SHARE];
    ef_model model;
    uint32_t bytes = make_container(file, shape, version, true);
    ef_status status = ef_slots_begin(&world->slots, id, bytes, ef_crc32(0, file, bytes));
    for (uint32_t at = 0; status == EF_OK && at < bytes; at += 64u) {
        status = ef_slots_write(&world->slots, at, file + at, bytes - at < 64u ? bytes - at : 64u);
    }
    return status == EF_OK ? ef_slots_finish(&world->slots, &model) : status;
}

ef_status world_swap(world *world, uint8_t id, uint32_t version) {
    ef_status status = world_upload(world, id, version);
    if (status == EF_OK) {
        status = ef_slots_activate(&world->slots, id, id == 0 ? world->file_crc32 : 0);
    }
    return status == EF_OK ? ef_slots_confirm(&world->slots, id) : status;
}
