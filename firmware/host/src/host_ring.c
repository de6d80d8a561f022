#include "host_ring.h"

#include <string.h>

static size_t least(size_t left, size_t right) {
    return left < right ? left : right;
}

size_t ef_ring_put(ef_host_ring *ring, const uint8_t *from, size_t count) {
    size_t taken = least(count, ring->size - ring->used);
    size_t at = (ring->head + ring->used) % ring->size;
    size_t first = least(taken, ring->size - at);
    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, from + first, taken - first);
    ring->used += taken;
    return taken;
}

size_t ef_ring_get(ef_host_ring *ring, uint8_t *to, size_t most) {
    size_t given = least(most, ring->used);
    size_t first = least(given, ring->size - ring->head);
    memcpy(to, ring->bytes + ring->head, first);
    memcpy(to + first, ring->bytes, given - first);
    ring->head = (ring->head + given) % ring->size;
    ring->used -= given;
    return given;
}
