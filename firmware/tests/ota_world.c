#include "ota_world.h"

#include "little_endian.h"

enum { SEGMENT_BYTES = OTA_IMAGE_BYTES - 24 - 8 - 16 - 32, DESCRIPTION_AT = 32, VERSION_AT = 48 };

static void sha256(uint8_t digest[32], const uint8_t *bytes, size_t count) {
    ef_sha256 hash;
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, bytes, count);
    ef_sha256_end(&hash, digest);
}

void ota_image(uint8_t image[OTA_IMAGE_BYTES], char version) {
    uint32_t random = (uint32_t)version * 2654435761u;
    memset(image, 0, OTA_IMAGE_BYTES);
    image[0] = EF_OTA_IMAGE_MAGIC;
    image[1] = 1;
    image[12] = OTA_CHIP;
    image[23] = 1;
    ef_put32(image + 28, SEGMENT_BYTES);
    uint8_t sum = 0xEF;
    for (unsigned i = DESCRIPTION_AT; i < DESCRIPTION_AT + SEGMENT_BYTES; i++) {
        image[i] = (uint8_t)next_random(&random);
    }
    ef_put32(image + DESCRIPTION_AT, 0xABCD5432);
    memset(image + VERSION_AT, 0, EF_OTA_NAME_BYTES);
    image[VERSION_AT] = (uint8_t)version;
    for (unsigned i = DESCRIPTION_AT; i < DESCRIPTION_AT + SEGMENT_BYTES; i++) {
        sum ^= image[i];
    }
    image[OTA_IMAGE_BYTES - 33] = sum;
    sha256(image + OTA_IMAGE_BYTES - 32, image, OTA_IMAGE_BYTES - 32);
}

void ota_body(uint8_t body[OTA_BODY_BYTES], char version, uint32_t counter) {
    memset(body, 0, EF_OTA_HEADER_BYTES);
    ef_put32(body, EF_OTA_MAGIC);
    ef_put16(body + 4, EF_OTA_HEADER_BYTES);
    ef_put16(body + 6, OTA_CHIP);
    ef_put32(body + 8, OTA_IMAGE_BYTES);
    ef_put32(body + 12, counter);
    body[24] = (uint8_t)version;
    memcpy(body + 56, "csi_node", 8);
    ota_image(body + EF_OTA_HEADER_BYTES, version);
    sha256(body + 88, body + EF_OTA_HEADER_BYTES, OTA_IMAGE_BYTES);
}

void ota_power_on(ota_world *world) {
    world->power = (ef_host_power){.left = -1, .noise = 1};
    ef_host_flash_open(&world->data, world->data_bytes, sizeof world->data_bytes, OTA_SECTOR, NULL, &world->power);
    for (int i = 0; i < 2; i++) {
        ef_host_flash_open(&world->slot[i], world->slot_bytes[i], OTA_SLOT_BYTES, OTA_SECTOR, NULL, &world->power);
    }
    ef_host_boot_open(&world->boot, &world->data.flash, &world->slot[0].flash, &world->slot[1].flash);
}

void ota_blank(ota_world *world) {
    memset(world->data_bytes, 0xFF, sizeof world->data_bytes);
    memset(world->slot_bytes, 0xFF, sizeof world->slot_bytes);
    ota_image(world->slot_bytes[0], '1');
    ota_power_on(world);
}

char ota_start(ota_world *world) {
    int slot = ef_host_boot_start(&world->boot);
    world->version[0] = slot < 0 ? '\0' : (char)world->slot_bytes[slot][VERSION_AT];
    world->version[1] = '\0';
    const ef_ota_rules rules = {
        .port = &world->boot.port,
        .chip = OTA_CHIP,
        .board = "csi_node",
        .version = world->version,
        .takes_unsigned = true,
    };
    ef_ota_init(&world->ota, &rules);
    return world->version[0];
}

static ef_ota_failure push(ef_ota *ota, const uint8_t *body, size_t bytes, size_t piece) {
    ef_ota_failure failure = ef_ota_begin(ota, bytes);
    for (size_t at = 0; at < bytes && failure == EF_OTA_FINE; at += piece) {
        failure = ef_ota_write(ota, body + at, bytes - at < piece ? bytes - at : piece);
    }
    return failure == EF_OTA_FINE ? ef_ota_finish(ota) : failure;
}

ef_ota_failure ota_push(ota_world *world, char version, uint32_t counter, size_t piece) {
    uint8_t body[OTA_BODY_BYTES];
    ota_body(body, version, counter);
    return push(&world->ota, body, sizeof body, piece);
}

bool ota_update(ota_world *world, char version) {
    return ota_push(world, version, 0, OTA_SECTOR) == EF_OTA_FINE && ota_start(world) == version &&
           ef_host_boot_keep(&world->boot) == EF_OK;
}
