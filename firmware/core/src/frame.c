#include "edgeflow/frame.h"

#include <string.h>

#include "edgeflow/checksum.h"
#include "little_endian.h"

bool ef_frame_read(const uint8_t header[EF_FRAME_HEADER_BYTES], ef_frame *frame) {
    if (memcmp(header, "EFX1", 4) != 0 || ef_get16(header + 14) != ef_crc16(header + 4, 10)) {
        return false;
    }
    frame->type = header[4];
    frame->status = header[5];
    frame->id = ef_get16(header + 6);
    frame->model = header[8];
    frame->flags = header[9];
    frame->length = ef_get32(header + 10);
    return true;
}

bool ef_frame_intact(const uint8_t *message, uint32_t length) {
    const uint8_t *trailer = message + EF_FRAME_HEADER_BYTES + length;
    return ef_crc32(0, message + 4, EF_FRAME_HEADER_BYTES - 4u + length) == ef_get32(trailer);
}

size_t ef_frame_seal(uint8_t *message, const ef_frame *frame) {
    memcpy(message, "EFX1", 4);
    message[4] = frame->type;
    message[5] = frame->status;
    ef_put16(message + 6, frame->id);
    message[8] = frame->model;
    message[9] = frame->flags;
    ef_put32(message + 10, frame->length);
    ef_put16(message + 14, ef_crc16(message + 4, 10));
    size_t body = EF_FRAME_HEADER_BYTES + (size_t)frame->length;
    ef_put32(message + body, ef_crc32(0, message + 4, body - 4u));
    return body + EF_FRAME_TRAILER_BYTES;
}
