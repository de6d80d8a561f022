#include "line.h"

#include <string.h>

#include "check.h"
#include "edgeflow/checksum.h"
#include "little_endian.h"
#include "versioned_model.h"

void line_power_on(line *line) {
    ef_host_plan plan = {
        .control = {line->control, sizeof line->control, NULL},
        .slot_a = {line->slot[0], sizeof line->slot[0], NULL},
        .slot_b = {line->slot[1], sizeof line->slot[1], NULL},
        .sector_size = 4096,
        .models = 2,
        .file = line->file_bytes > 0 ? line->file : NULL,
        .file_bytes = line->file_bytes,
        .identity = {.unique_id = {2, 0, 0, 0, 0, 1}, .chip = "ESP32-S3", .firmware = "test", .baud = 115200},
        .window = 4,
        .window_bytes = 16384,
        .max_payload = 8192,
        .arena_bytes = 65536,
        .stream_bytes = 65536,
    };
    CHECK(ef_host_board_memory(&plan) <= sizeof line->memory);
    CHECK_EQUAL(ef_host_board_open(&line->board, &plan, line->memory, line->now_us), EF_OK);
    line->count = 0;
}

void line_open(line *line, uint32_t version) {
    memset(line, 0, sizeof *line);
    memset(line->control, 0xFF, sizeof line->control);
    memset(line->slot, 0xFF, sizeof line->slot);
    line->now_us = 1000000;
    if (version > 0) {
        line->file_bytes = make_reference(line->file, (made_shape){8, 4, 3, 8}, version);
    }
    line_power_on(line);
    line_settle(line);
}

size_t line_request(uint8_t *to, uint8_t type, uint16_t id, uint8_t model, const void *payload, uint32_t length) {
    ef_frame frame = {.type = type, .id = id, .model = model, .length = length};
    if (length > 0) {
        memmove(to + EF_FRAME_HEADER_BYTES, payload, length);
    }
    return ef_frame_seal(to, &frame);
}

void line_feed(line *line, const uint8_t *bytes, size_t count) {
    CHECK_EQUAL(ef_host_board_feed(&line->board, bytes, count), count);
}

void line_settle(line *line) {
    bool worked = true;
    for (unsigned i = 0; worked && i < 100000; i++) {
        worked = ef_host_board_step(&line->board, line->now_us);
        line->count += ef_host_board_take(&line->board, line->heard + line->count, LINE_BYTES - line->count);
    }
    CHECK(!worked);
}

void line_pass(line *line, uint64_t us) {
    for (uint64_t end = line->now_us + us; line->now_us < end;) {
        line->now_us += end - line->now_us < 10000 ? end - line->now_us : 10000;
        line_settle(line);
    }
}

static void drop(line *line, size_t bytes) {
    line->count -= bytes;
    memmove(line->heard, line->heard + bytes, line->count);
}

bool line_hear(line *line, heard_reply *reply) {
    static _Alignas(8) uint8_t kept[LINE_BYTES];
    for (size_t at = 0; at + EF_FRAME_HEADER_BYTES + EF_FRAME_TRAILER_BYTES <= line->count; at++) {
        const uint8_t *here = line->heard + at;
        size_t left = line->count - at - EF_FRAME_HEADER_BYTES - EF_FRAME_TRAILER_BYTES;
        if (!ef_frame_read(here, &reply->frame) || reply->frame.length > left ||
            !ef_frame_intact(here, reply->frame.length)) {
            continue;
        }
        memcpy(kept, here + EF_FRAME_HEADER_BYTES, reply->frame.length);
        reply->payload = kept;
        drop(line, at + EF_FRAME_HEADER_BYTES + EF_FRAME_TRAILER_BYTES + reply->frame.length);
        return true;
    }
    return false;
}

int line_ask(line *line, uint8_t type, uint8_t model, const void *payload, uint32_t length, heard_reply *reply) {
    static uint8_t request[LINE_BYTES];
    static uint16_t id;
    heard_reply unread;
    reply = reply != NULL ? reply : &unread;
    line->count = 0;
    id++;
    line_feed(line, request, line_request(request, type, id, model, payload, length));
    line_settle(line);
    if (!line_hear(line, reply)) {
        return -1;
    }
    CHECK_EQUAL(reply->frame.type, type | 0x80u);
    CHECK_EQUAL(reply->frame.id, id);
    CHECK_EQUAL(reply->frame.model, model);
    CHECK(reply->frame.status == 0 || reply->frame.length >= 4);
    return reply->frame.status;
}

int line_swap(line *line, uint8_t model, const uint8_t *file, uint32_t bytes, uint32_t within_ms) {
    uint8_t payload[4 + 1024];
    ef_put32(ef_put32(payload, bytes), ef_crc32(0, file, bytes));
    int status = line_ask(line, 0x10, model, payload, 8, NULL);
    for (uint32_t at = 0; status == 0 && at < bytes; at += 1024u) {
        uint32_t piece = bytes - at < 1024u ? bytes - at : 1024u;
        ef_put32(payload, at);
        memcpy(payload + 4, file + at, piece);
        status = line_ask(line, 0x11, model, payload, 4u + piece, NULL);
    }
    if (status == 0) {
        status = line_ask(line, 0x12, model, NULL, 0, NULL);
    }
    ef_put32(payload, within_ms);
    return status == 0 ? line_ask(line, 0x13, model, payload, 4, NULL) : status;
}
