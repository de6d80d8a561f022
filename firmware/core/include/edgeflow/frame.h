/* One message of the extended protocol: header, payload, checksums. docs/reference/uart-protocol.md has the bytes. */
#ifndef EDGEFLOW_FRAME_H
#define EDGEFLOW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EF_FRAME_HEADER_BYTES 16u
#define EF_FRAME_TRAILER_BYTES 4u
#define EF_FRAME_REPLY 0x80u /* bit of the type that makes it a reply or an event */

typedef struct ef_frame {
    uint8_t type;
    uint8_t status;
    uint16_t id;
    uint8_t model;
    uint8_t flags;
    uint32_t length; /* of the payload */
} ef_frame;

/* Read a header; false when it is none (magic or CRC-16). */
bool ef_frame_read(const uint8_t header[EF_FRAME_HEADER_BYTES], ef_frame *frame);

/* Whether the CRC-32 behind header and payload fits them. `message` has length + 20 bytes. */
bool ef_frame_intact(const uint8_t *message, uint32_t length);

/* Put header and CRC-32 around the payload that lies at message + 16; returns the bytes of the whole. */
size_t ef_frame_seal(uint8_t *message, const ef_frame *frame);

#endif
