/*
 * The header in front of a firmware image, 192 bytes, integers little-endian; docs/reference/ota.md has it to the byte.
 * It comes first, so that a node refuses before it erases anything. The signature is over all that is before it.
 */
#ifndef EDGEFLOW_OTA_IMAGE_H
#define EDGEFLOW_OTA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_OTA_MAGIC 0x314F4645u /* "EFO1" */
#define EF_OTA_HEADER_BYTES 192u
#define EF_OTA_SIGNED_BYTES 128u /* of them, before the signature */
#define EF_OTA_NAME_BYTES 32u
#define EF_OTA_KEY_ID_BYTES 8u
#define EF_OTA_IMAGE_MAGIC 0xE9u /* first byte of an image of ESP-IDF without this header */

typedef struct ef_ota_image {
    uint16_t chip;    /* as ESP-IDF numbers them: 9 is the ESP32-S3 */
    uint32_t bytes;   /* of the image behind the header */
    uint32_t counter; /* never goes down */
    uint8_t key_id[EF_OTA_KEY_ID_BYTES];
    char version[EF_OTA_NAME_BYTES]; /* both ended and padded with zeros; printable ASCII */
    char board[EF_OTA_NAME_BYTES];
    uint8_t digest[32]; /* SHA-256 of the image */
} ef_ota_image;

/* EF_ERROR_TYPE: another magic. EF_ERROR_LENGTH: another header length, or no image. EF_ERROR_SHAPE: a name is empty, not
 * ended or not printable, or reserved bytes are not 0. The signature is not looked at. */
EF_MUST_CHECK ef_status ef_ota_image_parse(const uint8_t header[EF_OTA_HEADER_BYTES], ef_ota_image *image);

/* The first bytes of a public key's SHA-256. */
void ef_ota_key_id(const uint8_t public_key[32], uint8_t id[EF_OTA_KEY_ID_BYTES]);

/* Whether the header was signed with this key. */
EF_MUST_CHECK bool ef_ota_image_is_signed(const uint8_t header[EF_OTA_HEADER_BYTES], const uint8_t public_key[32]);

/*
 * ESP-IDF's record of what to boot: two of them, each in a sector of its own. The one that holds and has the higher
 * sequence counts; it names slot (sequence - 1) modulo the number of slots.
 */
#define EF_OTA_ENTRY_BYTES 32u

typedef enum ef_ota_state {
    EF_OTA_NEW = 0,     /* boots next, for the first time */
    EF_OTA_PENDING = 1, /* runs for the first time */
    EF_OTA_VALID = 2,
    EF_OTA_INVALID = 3, /* said so itself: never again */
    EF_OTA_ABORTED = 4, /* was restarted before it said anything: never again */
    EF_OTA_UNDEFINED = -1
} ef_ota_state;

typedef struct ef_ota_entry {
    uint32_t sequence;
    ef_ota_state state;
} ef_ota_entry;

/* False: nothing was ever written there, or what was is damaged. */
bool ef_ota_entry_get(const uint8_t bytes[EF_OTA_ENTRY_BYTES], ef_ota_entry *entry);
void ef_ota_entry_put(uint8_t bytes[EF_OTA_ENTRY_BYTES], const ef_ota_entry *entry);

/* Which of the two counts: 0 or 1, or -1. An invalid or aborted one does not. */
int ef_ota_entry_active(const uint8_t first[EF_OTA_ENTRY_BYTES], const uint8_t second[EF_OTA_ENTRY_BYTES],
                        ef_ota_entry *entry);

#endif
