/* What could not be sent: messages in a block of memory that the caller owns, oldest first; the oldest give way to the newest. */
#ifndef EDGEFLOW_OUTBOX_H
#define EDGEFLOW_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

typedef struct ef_outbox {
    uint8_t *memory;
    size_t size, first, used; /* bytes */
    uint32_t messages, dropped;
} ef_outbox;

void ef_outbox_init(ef_outbox *outbox, uint8_t *memory, size_t size);

/* EF_ERROR_SPACE: it would not even fit into an empty one. */
EF_MUST_CHECK ef_status ef_outbox_push(ef_outbox *outbox, const void *message, uint16_t size);

/* The oldest; returns its size, 0 when there is none or it does not fit into `most`. It stays until it is dropped. */
size_t ef_outbox_peek(const ef_outbox *outbox, void *to, size_t most);
void ef_outbox_pop(ef_outbox *outbox);

#endif
