#include "edgeflow/ota_image.h"

#include <string.h>

#include "edgeflow/checksum.h"
#include "edgeflow/ed25519.h"
#include "little_endian.h"

enum {
    AT_LENGTH = 4,
    AT_CHIP = 6,
    AT_BYTES = 8,
    AT_COUNTER = 12,
    AT_KEY_ID = 16,
    AT_VERSION = 24,
    AT_BOARD = 56,
    AT_DIGEST = 88,
    AT_RESERVED = 120,
    ENTRY_STATE = 24,
    ENTRY_CRC = 28
};

/* One or more printable characters, then zeros to the end. */
static bool get_name(char name[EF_OTA_NAME_BYTES], const uint8_t *from) {
    size_t length = 0;
    while (length < EF_OTA_NAME_BYTES && from[length] > ' ' && from[length] <= '~') {
        length++;
    }
    bool good = length > 0 && length < EF_OTA_NAME_BYTES;
    for (size_t i = length; i < EF_OTA_NAME_BYTES; i++) {
        good = good && from[i] == 0;
    }
    memcpy(name, from, EF_OTA_NAME_BYTES);
    return good;
}

ef_status ef_ota_image_parse(const uint8_t header[EF_OTA_HEADER_BYTES], ef_ota_image *image) {
    static const uint8_t zeros[EF_OTA_SIGNED_BYTES - AT_RESERVED];
    if (ef_get32(header) != EF_OTA_MAGIC) {
        return EF_ERROR_TYPE;
    }
    image->chip = ef_get16(header + AT_CHIP);
    image->bytes = ef_get32(header + AT_BYTES);
    image->counter = ef_get32(header + AT_COUNTER);
    memcpy(image->key_id, header + AT_KEY_ID, sizeof image->key_id);
    memcpy(image->digest, header + AT_DIGEST, sizeof image->digest);
    if (ef_get16(header + AT_LENGTH) != EF_OTA_HEADER_BYTES || image->bytes == 0) {
        return EF_ERROR_LENGTH;
    }
    bool named = get_name(image->version, header + AT_VERSION) && get_name(image->board, header + AT_BOARD);
    return named && memcmp(header + AT_RESERVED, zeros, sizeof zeros) == 0 ? EF_OK : EF_ERROR_SHAPE;
}

void ef_ota_key_id(const uint8_t public_key[32], uint8_t id[EF_OTA_KEY_ID_BYTES]) {
    ef_sha256 hash;
    uint8_t digest[EF_SHA256_BYTES];
    ef_sha256_begin(&hash);
    ef_sha256_update(&hash, public_key, 32);
    ef_sha256_end(&hash, digest);
    memcpy(id, digest, EF_OTA_KEY_ID_BYTES);
}

bool ef_ota_image_is_signed(const uint8_t header[EF_OTA_HEADER_BYTES], const uint8_t public_key[32]) {
    return ef_ed25519_verify(header + EF_OTA_SIGNED_BYTES, header, EF_OTA_SIGNED_BYTES, public_key);
}

/* As the ROM counts it from UINT32_MAX on. */
static uint32_t entry_crc(const uint8_t *bytes) {
    return ef_crc32(UINT32_MAX, bytes, 4);
}

bool ef_ota_entry_get(const uint8_t bytes[EF_OTA_ENTRY_BYTES], ef_ota_entry *entry) {
    uint32_t state = ef_get32(bytes + ENTRY_STATE);
    entry->sequence = ef_get32(bytes);
    entry->state = state <= EF_OTA_ABORTED ? (ef_ota_state)state : EF_OTA_UNDEFINED;
    return entry->sequence != UINT32_MAX && ef_get32(bytes + ENTRY_CRC) == entry_crc(bytes);
}

void ef_ota_entry_put(uint8_t bytes[EF_OTA_ENTRY_BYTES], const ef_ota_entry *entry) {
    memset(bytes, 0xFF, EF_OTA_ENTRY_BYTES);
    ef_put32(bytes, entry->sequence);
    ef_put32(bytes + ENTRY_STATE, (uint32_t)entry->state);
    ef_put32(bytes + ENTRY_CRC, entry_crc(bytes));
}

int ef_ota_entry_active(const uint8_t first[EF_OTA_ENTRY_BYTES], const uint8_t second[EF_OTA_ENTRY_BYTES],
                        ef_ota_entry *entry) {
    int active = -1;
    for (int i = 0; i < 2; i++) {
        ef_ota_entry found;
        bool holds = ef_ota_entry_get(i == 0 ? first : second, &found);
        if (holds && found.state != EF_OTA_INVALID && found.state != EF_OTA_ABORTED &&
            (active < 0 || found.sequence > entry->sequence)) {
            active = i;
            *entry = found;
        }
    }
    return active;
}
