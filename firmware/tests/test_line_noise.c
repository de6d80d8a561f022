/*
 * 10,000 requests over a line that flips, drops and inserts bytes inside and between messages: every answer is right or
 * absent, never wrong, and the clean request after each damaged one is answered.
 */
#include "check.h"
#include "line.h"
#include "little_endian.h"

enum { ECHO = 0x23, INFER = 0x03, MODEL_INFO = 0x02, VALUES = 32, HORIZON = 3, MOST = 4096 };

static line it;
static uint32_t randomness = 20260101;
static uint8_t first_info[128];

typedef struct asked {
    uint8_t type;
    uint32_t length;
    uint8_t payload[1024];
} asked;

static asked history[65536]; /* by request id */

static uint32_t draw(uint32_t below) {
    return next_random(&randomness) % below;
}

static asked *invent(uint16_t id) {
    asked *request = &history[id];
    uint8_t kinds[] = {ECHO, INFER, MODEL_INFO};
    request->type = kinds[draw(3)];
    request->length = request->type == ECHO ? draw(600) : request->type == INFER ? 4 + 4 * VALUES : 0;
    for (uint32_t i = 0; i < request->length; i++) {
        request->payload[i] = (uint8_t)draw(256);
    }
    if (request->type == ECHO && request->length > 40 && draw(4) == 0) {
        memcpy(request->payload + draw(request->length - 4), draw(2) ? "EFX1" : "META", 4);
    }
    if (request->type == INFER) {
        memset(request->payload, 0, 4);
        for (uint32_t i = 0; i < VALUES; i++) {
            float value = (float)draw(2000) / 1000.0f - 1.0f;
            memcpy(request->payload + 4 + 4 * i, &value, 4);
        }
    }
    return request;
}

static void check_forecast(const asked *request, const uint8_t *payload) {
    static _Alignas(8) uint8_t arena[65536];
    float input[VALUES], output[HORIZON];
    memcpy(input, request->payload + 4, sizeof input);
    CHECK_EQUAL(ef_model_run(&it.board.rpc.file, input, output, arena, sizeof arena), EF_OK);
    CHECK(memcmp(output, payload + 8, sizeof output) == 0);
}

static void check_answer(const heard_reply *reply) {
    const asked *request = &history[reply->frame.id];
    if (reply->frame.type == 0xFF) {
        CHECK_EQUAL(reply->frame.status, 1);
        return;
    }
    CHECK_EQUAL(reply->frame.status, 0);
    CHECK_EQUAL(reply->frame.type, request->type | 0x80);
    if (request->type == ECHO) {
        CHECK_EQUAL(reply->frame.length, request->length);
        CHECK(memcmp(reply->payload, request->payload, request->length) == 0);
    } else if (request->type == INFER) {
        CHECK_EQUAL(reply->frame.length, 8 + 4 * HORIZON);
        check_forecast(request, reply->payload);
    } else {
        CHECK_EQUAL(reply->frame.length, 120);
        CHECK(memcmp(reply->payload, first_info, 120) == 0);
    }
}

static size_t insert(uint8_t *bytes, size_t count, size_t at) {
    static const char *const logs[] = {"[DBG] boot\r\n", "EFX", "EFX1", "I (312) main: app\n", "PRED", "\xC0\x00", "ME"};
    const char *words = logs[draw(7)];
    size_t more = strlen(words);
    memmove(bytes + at + more, bytes + at, count - at);
    memcpy(bytes + at, words, more);
    return count + more;
}

static size_t drop(uint8_t *bytes, size_t count, size_t at) {
    size_t less = 1 + draw(draw(3) == 0 ? 400 : 8);
    less = less < count - at ? less : count - at;
    memmove(bytes + at, bytes + at + less, count - at - less);
    return count - less;
}

static size_t damage(uint8_t *bytes, size_t count) {
    for (uint32_t times = 1 + draw(3); times > 0 && count > 0; times--) {
        size_t at = draw(4) == 0 ? draw(count < 16 ? (uint32_t)count : 16) : draw((uint32_t)count);
        switch (draw(3)) {
        case 0: bytes[at] ^= (uint8_t)(1u << draw(8)); break;
        case 1: count = drop(bytes, count, at); break;
        default: count = insert(bytes, count, at); break;
        }
    }
    return count;
}

/* Whether `id` was answered among what was heard; checks all of it. */
static bool answered(uint16_t id) {
    heard_reply reply;
    bool found = false;
    while (line_hear(&it, &reply)) {
        check_answer(&reply);
        found = found || (reply.frame.id == id && reply.frame.type != 0xFF);
    }
    return found;
}

static uint16_t send(uint16_t id, bool damaged) {
    static uint8_t bytes[MOST];
    const asked *request = invent(id);
    size_t count = line_request(bytes, request->type, id, 0, request->payload, request->length);
    line_feed(&it, bytes, damaged ? damage(bytes, count) : count);
    return id;
}

static void test_extended(uint32_t rounds) {
    uint32_t recovered_at_once = 0;
    heard_reply info;
    line_open(&it, 3);
    CHECK_EQUAL(line_ask(&it, MODEL_INFO, 0, NULL, 0, &info), 0);
    memcpy(first_info, info.payload, 120);
    for (uint32_t round = 0; round < rounds; round++) {
        send((uint16_t)(2 * round), true);
        if (draw(2) == 0) {
            line_settle(&it);
        }
        bool waits = draw(2) == 0; /* as a host that gave the answer up, or one that sends ahead */
        if (waits) {
            line_pass(&it, 250000);
        }
        uint16_t clean = send((uint16_t)(2 * round + 1), false);
        line_settle(&it);
        bool at_once = answered(clean);
        recovered_at_once += at_once;
        CHECK(at_once || !waits);
        if (!at_once) {
            line_pass(&it, 250000);
            CHECK(answered(clean));
        }
    }
    printf("%u damaged requests, %u of the clean ones after them answered at once\n", (unsigned)rounds,
           (unsigned)recovered_at_once);
    CHECK(it.board.overrun == 0 && it.board.choked == 0);
}

static size_t reference_request(uint8_t *to, asked *request) {
    memcpy(to, "INFR", 4);
    ef_put32(to + 4, VALUES);
    memcpy(to + 8, request->payload + 4, 4 * VALUES);
    return 8 + 4 * VALUES;
}

static void check_reference(asked *request) {
    static const uint8_t info[12] = {'I', 'N', 'F', 'O', 8, 0, 4, 0, HORIZON, 0, 8, 0};
    uint8_t bytes[MOST], answer[16 + 4 * HORIZON] = {0};
    it.count = 0;
    line_feed(&it, (const uint8_t *)"META", 4);
    line_settle(&it);
    CHECK_EQUAL(it.count, sizeof info);
    CHECK(memcmp(it.heard, info, sizeof info) == 0);
    it.count = 0;
    line_feed(&it, bytes, reference_request(bytes, request));
    line_settle(&it);
    CHECK_EQUAL(it.count, 8 + 4 * HORIZON);
    CHECK(memcmp(it.heard, "PRED", 4) == 0 && ef_get32(it.heard + 4) == HORIZON);
    memcpy(answer + 8, it.heard + 8, 4 * HORIZON);
    check_forecast(request, answer);
}

static void test_reference(uint32_t rounds) {
    line_open(&it, 3);
    for (uint32_t round = 0; round < rounds; round++) {
        uint8_t bytes[MOST];
        asked *request = &history[0];
        do {
            request = invent(0);
        } while (request->type != INFER);
        line_feed(&it, bytes, damage(bytes, reference_request(bytes, request)));
        line_settle(&it);
        line_pass(&it, 7500000);
        check_reference(request);
    }
}

int main(int count, char **arguments) {
    test_extended(rounds_of(count, arguments, 1000, 10000, 300000));
    test_reference(rounds_of(count, arguments, 100, 300, 5000));
    return finish("line noise");
}
