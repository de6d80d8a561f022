/*
 * Well-framed messages of every type with hostile contents, models damaged on their way, time that jumps and power that
 * goes: every request gets exactly one reply, and id 0 goes on answering.
 */
#include "check.h"
#include "edgeflow/checksum.h"
#include "line.h"
#include "little_endian.h"
#include "versioned_model.h"

static line it;
static uint32_t randomness = 7;
static const made_shape shape = {8, 4, 3, 8};

static uint32_t draw(uint32_t below) {
    return next_random(&randomness) % below;
}

/* Small numbers and extreme ones more often than others. */
static uint32_t number(void) {
    static const uint32_t edges[] = {0, 1, 4, 31, 32, 4095, 4096, 8191, 8192, 16384, 0x7FFFFFFFu, 0xFFFFFFFFu, 115200};
    return draw(3) == 0 ? next_random(&randomness) : edges[draw(sizeof edges / sizeof edges[0])];
}

static uint32_t hostile_payload(uint8_t *payload, uint8_t type) {
    static const uint32_t usual[] = {0, 4, 8, 12, 16, 20, 36, 132, 52, 148};
    uint32_t length = draw(4) == 0 ? draw(8193) : usual[draw(10)];
    for (uint32_t i = 0; i + 4 <= length; i += 4) {
        ef_put32(payload + i, draw(2) ? number() : 0x3F000000u);
    }
    if (length >= 4 && (type == 0x03 || type == 0x04 || type == 0x17)) {
        payload[0] = (uint8_t)draw(4);
        payload[1] = (uint8_t)draw(3);
    }
    return length;
}

static void ask_hostile(void) {
    static const uint8_t types[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12,
                                    0x13, 0x14, 0x15, 0x16, 0x17, 0x20, 0x21, 0x22, 0x23};
    uint8_t payload[8192];
    uint8_t type = draw(20) == 0 ? (uint8_t)draw(0x80) : types[draw(sizeof types)];
    uint32_t length = hostile_payload(payload, type);
    CHECK(line_ask(&it, type, (uint8_t)draw(3), payload, length, NULL) >= 0);
    if (it.board.restart_wanted) {
        CHECK(type == 0x22 && line_ask(&it, 0x01, 0, NULL, 0, NULL) == -1);
        line_power_on(&it);
        line_settle(&it);
    }
}

static void stream_some(void) {
    uint8_t payload[64] = {(uint8_t)draw(2), (uint8_t)draw(2), 0, 0};
    uint8_t model = (uint8_t)draw(2);
    bool int8 = payload[1] == 1;
    memset(payload + 4, 0x3D, 16);
    if (line_ask(&it, 0x04, model, payload, int8 ? 20 : 4, NULL) != 0) {
        return;
    }
    for (uint32_t step = draw(20); step > 0; step--) {
        heard_reply reply;
        int status = line_ask(&it, 0x05, model, payload + 4, int8 ? 4 : 16, &reply);
        CHECK(status == 0);
        CHECK(reply.frame.length == 8 || reply.frame.length == 8 + 4 * 3);
    }
}

static void upload_some(void) {
    static _Alignas(8) uint8_t file[8192];
    uint32_t bytes = draw(8) == 0 ? make_failing_container(file, shape, draw(50)) : make_container(file, shape, draw(50), draw(2));
    bool damaged = draw(3) == 0;
    if (damaged) {
        file[draw(bytes)] ^= (uint8_t)(1u << draw(8));
    }
    int status = line_swap(&it, (uint8_t)draw(3), file, bytes, draw(3) == 0 ? 0 : draw(5000));
    CHECK(status >= 0 && (!damaged || status != 0));
}

/* The steps of a swap in any order. */
static void shuffle_a_swap(void) {
    static const uint8_t steps[] = {0x10, 0x11, 0x12, 0x14, 0x15, 0x15};
    uint8_t model = (uint8_t)draw(2);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = steps[draw(sizeof steps)], payload[4 + 64] = {0};
        payload[0] = type == 0x10 ? 64 : 0;
        CHECK(line_ask(&it, type, model, payload, type == 0x10 ? 8 : type == 0x11 ? 68 : 0, NULL) >= 0);
    }
}

static void check_alive(void) {
    uint8_t payload[4 + 4 * 32] = {0};
    heard_reply reply;
    CHECK_EQUAL(line_ask(&it, 0x03, 0, payload, sizeof payload, &reply), 0);
    CHECK_EQUAL(reply.frame.length, 8 + 4 * 3);
    CHECK_EQUAL(line_ask(&it, 0x01, 0, NULL, 0, &reply), 0);
    CHECK_EQUAL(reply.frame.length, 84);
}

/* Nobody writes to a model that answers. */
static void check_residents(void) {
    for (uint8_t id = 0; id < 2; id++) {
        const ef_rpc_resident *resident = &it.board.rpc.resident[id];
        ef_model model;
        if (resident->slot <= EF_SLOT_B) {
            CHECK_EQUAL(ef_slots_model(&it.board.slots, id, resident->slot, &model), EF_OK);
            CHECK_EQUAL(model.info.crc32, resident->model.info.crc32);
        }
    }
}

static void one_round(void) {
    switch (draw(12)) {
    case 0: upload_some(); break;
    case 1: stream_some(); break;
    case 4: shuffle_a_swap(); break;
    case 2: line_pass(&it, draw(2000000)); break;
    case 3:
        if (draw(4) == 0) {
            line_power_on(&it);
            line_settle(&it);
        }
        break;
    default: ask_hostile(); break;
    }
}

/* Bytes that are no messages at all, in pieces of any size. */
static void feed_garbage(uint32_t rounds) {
    static const char *const pieces[] = {"EFX1", "META", "INFR", "EFX1\x03\0\0\0", "E", "INFR\x20\0\0\0"};
    static const uint8_t sizes[] = {4, 4, 4, 8, 1, 8};
    for (uint32_t round = 0; round < rounds; round++) {
        uint8_t bytes[300];
        uint32_t count = draw(sizeof bytes), piece = draw(6);
        for (uint32_t i = 0; i < count; i++) {
            bytes[i] = (uint8_t)draw(256);
        }
        if (count > 8) {
            memcpy(bytes + draw(count - 8), pieces[piece], sizes[piece]);
        }
        line_feed(&it, bytes, count);
        line_settle(&it);
        it.count = 0;
    }
    line_pass(&it, 60000000);
    check_alive();
}

int main(int count, char **arguments) {
    uint32_t rounds = rounds_of(count, arguments, 1000, 10000, 150000);
    line_open(&it, 3);
    for (uint32_t round = 0; round < rounds; round++) {
        one_round();
        check_residents();
        if (round % 16 == 0) {
            check_alive();
        }
    }
    feed_garbage(rounds / 4);
    CHECK(it.board.overrun == 0 && it.board.choked == 0);
    return finish("hostile requests");
}
