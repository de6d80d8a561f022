#include "edgeflow/outbox.h"

#define HEAD 2u /* bytes of a size */

static uint8_t *at(const ef_outbox *outbox, size_t offset) {
    return &outbox->memory[(outbox->first + offset) % outbox->size];
}

static size_t size_of_first(const ef_outbox *outbox) {
    return (size_t)(*at(outbox, 0) | *at(outbox, 1) << 8);
}

void ef_outbox_init(ef_outbox *outbox, uint8_t *memory, size_t size) {
    *outbox = (ef_outbox){.memory = memory, .size = size};
}

void ef_outbox_pop(ef_outbox *outbox) {
    if (outbox->messages > 0) {
        const size_t gone = HEAD + size_of_first(outbox);
        outbox->first = (outbox->first + gone) % outbox->size;
        outbox->used -= gone;
        outbox->messages--;
    }
}

ef_status ef_outbox_push(ef_outbox *outbox, const void *message, uint16_t size) {
    if (size == 0 || HEAD + size > outbox->size) {
        return EF_ERROR_SPACE;
    }
    while (outbox->used + HEAD + size > outbox->size) {
        ef_outbox_pop(outbox);
        outbox->dropped++;
    }
    *at(outbox, outbox->used) = (uint8_t)size;
    *at(outbox, outbox->used + 1u) = (uint8_t)(size >> 8);
    for (size_t i = 0; i < size; i++) {
        *at(outbox, outbox->used + HEAD + i) = ((const uint8_t *)message)[i];
    }
    outbox->used += HEAD + size;
    outbox->messages++;
    return EF_OK;
}

size_t ef_outbox_peek(const ef_outbox *outbox, void *to, size_t most) {
    const size_t size = outbox->messages > 0 ? size_of_first(outbox) : 0;
    if (size > most) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = *at(outbox, HEAD + i);
    }
    return size;
}
