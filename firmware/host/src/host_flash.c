#include "edgeflow/host_flash.h"

#include <string.h>

static uint32_t noise(ef_host_power *power) {
    uint32_t x = power->noise != 0 ? power->noise : 1u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    power->noise = x;
    return x;
}

/* Whether this operation is the one that the cut hits. */
static bool cut(ef_host_power *power) {
    if (power->left < 0) {
        return false;
    }
    power->lost = power->left == 0;
    power->left -= power->left > 0;
    return power->lost;
}

static bool outside(const ef_host_flash *host, uint32_t offset, uint32_t count) {
    return offset > host->flash.size || count > host->flash.size - offset;
}

static ef_status read_bytes(void *context, uint32_t offset, void *to, uint32_t count) {
    const ef_host_flash *host = context;
    if (host->power->lost || outside(host, offset, count)) {
        return EF_ERROR_FLASH;
    }
    memcpy(to, host->bytes + offset, count);
    return EF_OK;
}

static void clear_bits(uint8_t *at, const uint8_t *from, uint32_t kept) {
    for (unsigned i = 0; i < 4; i++) {
        at[i] &= (uint8_t)(from[i] | (kept >> (8u * i)));
    }
}

static ef_status program_word(ef_host_flash *host, uint8_t *at, const uint8_t *from) {
    ef_host_power *power = host->power;
    if (!cut(power)) {
        clear_bits(at, from, 0);
        power->words++;
        return EF_OK;
    }
    if (power->manner != EF_CUT_BEFORE) {
        clear_bits(at, from, noise(power));
    }
    if (power->manner == EF_CUT_GARBAGE) {
        static const uint8_t all_clear[4];
        clear_bits(at, all_clear, noise(power));
    }
    return EF_ERROR_FLASH;
}

static ef_status program_bytes(void *context, uint32_t offset, const void *from, uint32_t count) {
    ef_host_flash *host = context;
    const uint8_t *words = from;
    if (host->power->lost || outside(host, offset, count) || offset % 4u != 0 || count % 4u != 0) {
        return EF_ERROR_FLASH;
    }
    for (uint32_t done = 0; done < count; done += 4) {
        if (program_word(host, host->bytes + offset + done, words + done) != EF_OK) {
            return EF_ERROR_FLASH;
        }
    }
    return EF_OK;
}

static void half_erase(ef_host_flash *host, uint8_t *sector) {
    ef_host_power *power = host->power;
    for (uint32_t i = 0; i < host->flash.sector_size && power->manner != EF_CUT_BEFORE; i++) {
        uint32_t draw = noise(power);
        sector[i] = power->manner == EF_CUT_GARBAGE ? (uint8_t)(draw >> 8) : (draw & 1u) ? 0xFFu : sector[i];
    }
}

static ef_status erase_sector(void *context, uint32_t offset) {
    ef_host_flash *host = context;
    uint32_t size = host->flash.sector_size;
    if (host->power->lost || outside(host, offset, size) || offset % size != 0) {
        return EF_ERROR_FLASH;
    }
    if (cut(host->power)) {
        half_erase(host, host->bytes + offset);
        return EF_ERROR_FLASH;
    }
    memset(host->bytes + offset, 0xFF, size);
    host->power->erases++;
    if (host->wear != NULL) {
        host->wear[offset / size]++;
    }
    return EF_OK;
}

static const uint8_t *map_bytes(void *context) {
    const ef_host_flash *host = context;
    return host->bytes;
}

void ef_host_flash_open(ef_host_flash *host, uint8_t *bytes, uint32_t size, uint32_t sector_size, uint32_t *wear,
                        ef_host_power *power) {
    host->flash = (ef_flash){
        .context = host,
        .size = size,
        .sector_size = sector_size,
        .read = read_bytes,
        .program = program_bytes,
        .erase = erase_sector,
        .map = map_bytes,
    };
    host->bytes = bytes;
    host->wear = wear;
    host->power = power;
}
