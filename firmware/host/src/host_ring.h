/* Bytes on their way, in a ring; used by the board's port. */
#ifndef EDGEFLOW_HOST_RING_H
#define EDGEFLOW_HOST_RING_H

#include "edgeflow/host_board.h"

/* Both return how many bytes they moved. */
size_t ef_ring_put(ef_host_ring *ring, const uint8_t *from, size_t count);
size_t ef_ring_get(ef_host_ring *ring, uint8_t *to, size_t most);

#endif
