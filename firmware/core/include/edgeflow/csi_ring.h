/*
 * Frames from the radio's callback on one core to the task that works on the other: one writer, one reader, no lock.
 * What does not fit is counted and dropped: the newest, so that what lies in the ring stays whole.
 */
#ifndef EDGEFLOW_CSI_RING_H
#define EDGEFLOW_CSI_RING_H

#include <stdatomic.h>

#include "edgeflow/csi.h"

#define EF_CSI_RING_SLOTS 8u /* a power of two; 160 ms at 50 frames/s */

typedef struct ef_csi_slot {
    uint64_t time_us;
    uint16_t subcarriers;
    int8_t rssi, noise_floor;
    uint8_t channel, source;
    int8_t pairs[2u * EF_CSI_MAX_SUBCARRIERS];
} ef_csi_slot;

typedef struct ef_csi_ring {
    atomic_uint written; /* slots ever filled; only the writer changes it */
    atomic_uint read;    /* slots ever given back; only the reader changes it */
    atomic_uint dropped; /* for want of room or of a length that fits */
    ef_csi_slot slots[EF_CSI_RING_SLOTS];
} ef_csi_ring;

/* Before the writer and the reader start. */
void ef_csi_ring_init(ef_csi_ring *ring);

/* The writer: copy a frame in. False: dropped. */
bool ef_csi_ring_push(ef_csi_ring *ring, const ef_csi_frame *frame);

/* The reader: the oldest frame, whose pairs stay valid until it is popped. False: none. */
bool ef_csi_ring_peek(ef_csi_ring *ring, ef_csi_frame *frame);
void ef_csi_ring_pop(ef_csi_ring *ring);

uint32_t ef_csi_ring_dropped(ef_csi_ring *ring);

#endif
