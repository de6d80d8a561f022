/* A board on a line, and the host's end of it: requests out, replies in, both of them by hand. */
#ifndef EDGEFLOW_LINE_H
#define EDGEFLOW_LINE_H

#include "edgeflow/frame.h"
#include "edgeflow/host_board.h"

#define LINE_BYTES 65536u

typedef struct line {
    ef_host_board board;
    _Alignas(8) uint8_t memory[1u << 20];
    _Alignas(8) uint8_t control[4u * 4096u];
    _Alignas(8) uint8_t slot[2][2u * 8192u];
    _Alignas(8) uint8_t file[8192];
    uint32_t file_bytes;
    uint64_t now_us;
    uint8_t heard[LINE_BYTES]; /* what the board said and nobody looked at yet */
    size_t count;
} line;

typedef struct heard_reply {
    ef_frame frame;
    const uint8_t *payload;
} heard_reply;

/* A board with empty slots for two ids; a reference file of `version` unless that is 0. */
void line_open(line *line, uint32_t version);
void line_power_on(line *line);

/* Write a request to `to`; returns its bytes. */
size_t line_request(uint8_t *to, uint8_t type, uint16_t id, uint8_t model, const void *payload, uint32_t length);

void line_feed(line *line, const uint8_t *bytes, size_t count);
void line_settle(line *line);            /* step until there is nothing to do */
void line_pass(line *line, uint64_t us); /* time goes by, in small steps */

/* The next reply among what was heard; false when there is none. Bytes around it are dropped. */
bool line_hear(line *line, heard_reply *reply);

/* One request and its reply's status, -1 for silence; `reply` may be NULL. */
int line_ask(line *line, uint8_t type, uint8_t model, const void *payload, uint32_t length, heard_reply *reply);

/* Upload a file and activate it with a time to confirm; the status of the step that failed, or 0. */
int line_swap(line *line, uint8_t model, const uint8_t *file, uint32_t bytes, uint32_t within_ms);

#endif
