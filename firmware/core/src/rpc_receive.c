/* The scanner: finds messages of both protocols in whatever the line brings, and loses no more than the damaged one. */
#include "rpc_internal.h"

#define EXTENDED_WAIT_US 200000u
#define COUNT_WAIT_US 2000000u
#define PAYLOAD_WAIT_US 5000000u
#define QUIET_US 20000u /* bytes that go on coming keep a message alive */
#define MAGIC_BYTES 4u

enum { WAIT_NONE, WAIT_HEADER, WAIT_PAYLOAD };

static const char magic[3][MAGIC_BYTES + 1] = {"META", "INFR", "EFX1"};

/* Whether the bytes could start a message: a magic, or as much of one as there is. */
static bool could_start(const uint8_t *at, size_t have) {
    size_t compared = have < MAGIC_BYTES ? have : MAGIC_BYTES;
    for (unsigned i = 0; i < 3; i++) {
        if (memcmp(at, magic[i], compared) == 0) {
            return true;
        }
    }
    return false;
}

static void move_on(ef_rpc *rpc, size_t bytes) {
    rpc->head += bytes;
    rpc->waiting = WAIT_NONE;
    if (rpc->head == rpc->used) {
        rpc->head = rpc->used = 0;
    }
}

/* Give up what seemed a message: scanning goes on behind its magic. */
static void pass_magic(ef_rpc *rpc) {
    rpc->statistics.skipped_bytes += MAGIC_BYTES;
    move_on(rpc, MAGIC_BYTES);
}

static void compact(ef_rpc *rpc) {
    uint8_t *bytes = rpc->board.memory.receive;
    if (rpc->head > 0) {
        memmove(bytes, bytes + rpc->head, rpc->used - rpc->head);
        rpc->used -= rpc->head;
        rpc->head = 0;
    }
}

bool ef_rpc_take_in(ef_rpc *rpc) {
    const ef_port *port = rpc->board.port;
    const ef_rpc_memory *memory = &rpc->board.memory;
    if (rpc->used == memory->receive_bytes) {
        compact(rpc);
    }
    size_t room = memory->receive_bytes - rpc->used;
    size_t got = room > 0 ? port->read(port->context, memory->receive + rpc->used, room) : 0;
    rpc->used += got;
    if (got > 0) {
        rpc->read_us = ef_rpc_now(rpc);
    }
    return got > 0;
}

/* Drop bytes until a message could start; returns whether any fell. */
static bool seek(ef_rpc *rpc) {
    const uint8_t *bytes = rpc->board.memory.receive;
    size_t at = rpc->head;
    while (at < rpc->used && !could_start(bytes + at, rpc->used - at)) {
        at++;
    }
    size_t skipped = at - rpc->head;
    size_t known = skipped < rpc->looked_twice ? skipped : rpc->looked_twice;
    rpc->looked_twice = (uint8_t)(rpc->looked_twice - known);
    if (skipped > 0) {
        rpc->statistics.skipped_bytes += (uint32_t)(skipped - known);
        move_on(rpc, skipped);
    }
    return skipped > 0;
}

static uint64_t line_us(const ef_rpc *rpc, uint64_t bytes) {
    return bytes * 10u * 1000000u / rpc->baud;
}

/* The rest is not there yet. True when it was waited for in vain. */
static bool wait(ef_rpc *rpc, uint8_t what, uint64_t limit_us) {
    uint64_t now = ef_rpc_now(rpc);
    if (rpc->waiting != what) {
        rpc->waiting = what;
        rpc->waiting_us = now;
    }
    if (now - rpc->waiting_us < limit_us || now - rpc->read_us < QUIET_US) {
        return false;
    }
    rpc->statistics.timeouts++;
    pass_magic(rpc);
    return true;
}

/* Between arrival and now, at least: the bytes behind the message took their time on the line. */
static uint32_t queued_us(const ef_rpc *rpc, size_t total) {
    uint64_t behind = line_us(rpc, rpc->used - rpc->head - total) + ef_rpc_now(rpc) - rpc->read_us;
    return behind > UINT32_MAX ? UINT32_MAX : (uint32_t)behind;
}

static void deliver(ef_rpc *rpc, const ef_frame *frame, size_t total) {
    compact(rpc);
    uint8_t *message = rpc->board.memory.receive;
    if (!ef_frame_intact(message, frame->length)) {
        rpc->statistics.crc_errors++;
        ef_rpc_refuse(rpc, frame, 0xFFu, EF_ERROR_CRC, 0);
        pass_magic(rpc);
        return;
    }
    ef_rpc_understood(rpc);
    if ((frame->type & EF_FRAME_REPLY) == 0) {
        ef_request request = {*frame, message + EF_FRAME_HEADER_BYTES, queued_us(rpc, total)};
        ef_rpc_dispatch(rpc, &request);
    }
    /* A message that lost its last bytes may be whole by chance with the first ones of the next magic. */
    rpc->looked_twice = MAGIC_BYTES - 1u;
    move_on(rpc, total - rpc->looked_twice);
}

static bool examine_extended(ef_rpc *rpc, const uint8_t *at, size_t have) {
    ef_frame frame;
    rpc->looked_twice = 0;
    if (have < EF_FRAME_HEADER_BYTES) {
        return wait(rpc, WAIT_HEADER, EXTENDED_WAIT_US);
    }
    if (!ef_frame_read(at, &frame) || frame.length > rpc->max_payload) {
        rpc->statistics.crc_errors++;
        pass_magic(rpc);
        return true;
    }
    size_t total = EF_FRAME_OVERHEAD + (size_t)frame.length;
    if (have < total) {
        uint64_t twice = 2u * line_us(rpc, total);
        return wait(rpc, WAIT_PAYLOAD, twice > EXTENDED_WAIT_US ? twice : EXTENDED_WAIT_US);
    }
    deliver(rpc, &frame, total);
    return true;
}

static bool examine_reference(ef_rpc *rpc, size_t have) {
    size_t consumed = 0;
    rpc->looked_twice = 0;
    compact(rpc);
    if (!ef_rpc_reference(rpc, rpc->board.memory.receive, have, &consumed)) {
        bool counted = have >= 8u;
        return wait(rpc, counted ? WAIT_PAYLOAD : WAIT_HEADER, counted ? PAYLOAD_WAIT_US : COUNT_WAIT_US);
    }
    ef_rpc_understood(rpc);
    move_on(rpc, consumed);
    return true;
}

bool ef_rpc_examine(ef_rpc *rpc) {
    bool skipped = seek(rpc);
    size_t have = rpc->used - rpc->head;
    const uint8_t *at = rpc->board.memory.receive + rpc->head;
    if (have < MAGIC_BYTES) {
        return skipped;
    }
    bool done = at[0] == 'E' ? examine_extended(rpc, at, have) : examine_reference(rpc, have);
    return done || skipped;
}
