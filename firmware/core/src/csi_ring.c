#include "edgeflow/csi_ring.h"

#include <string.h>

_Static_assert((EF_CSI_RING_SLOTS & (EF_CSI_RING_SLOTS - 1u)) == 0, "the counts wrap");

void ef_csi_ring_init(ef_csi_ring *ring) {
    atomic_init(&ring->written, 0);
    atomic_init(&ring->read, 0);
    atomic_init(&ring->dropped, 0);
}

static bool drop(ef_csi_ring *ring) {
    atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
    return false;
}

bool ef_csi_ring_push(ef_csi_ring *ring, const ef_csi_frame *frame) {
    unsigned written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    unsigned read = atomic_load_explicit(&ring->read, memory_order_acquire);
    if (written - read == EF_CSI_RING_SLOTS || frame->subcarriers == 0 || frame->subcarriers > EF_CSI_MAX_SUBCARRIERS) {
        return drop(ring);
    }
    ef_csi_slot *slot = &ring->slots[written % EF_CSI_RING_SLOTS];
    slot->time_us = frame->time_us;
    slot->subcarriers = frame->subcarriers;
    slot->rssi = frame->rssi;
    slot->noise_floor = frame->noise_floor;
    slot->channel = frame->channel;
    slot->source = frame->source;
    memcpy(slot->pairs, frame->pairs, 2u * (size_t)frame->subcarriers);
    atomic_store_explicit(&ring->written, written + 1u, memory_order_release);
    return true;
}

bool ef_csi_ring_peek(ef_csi_ring *ring, ef_csi_frame *frame) {
    unsigned read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (atomic_load_explicit(&ring->written, memory_order_acquire) == read) {
        return false;
    }
    const ef_csi_slot *slot = &ring->slots[read % EF_CSI_RING_SLOTS];
    *frame = (ef_csi_frame){
        .time_us = slot->time_us,
        .pairs = slot->pairs,
        .subcarriers = slot->subcarriers,
        .rssi = slot->rssi,
        .noise_floor = slot->noise_floor,
        .channel = slot->channel,
        .source = slot->source,
    };
    return true;
}

void ef_csi_ring_pop(ef_csi_ring *ring) {
    unsigned read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (atomic_load_explicit(&ring->written, memory_order_acquire) != read) {
        atomic_store_explicit(&ring->read, read + 1u, memory_order_release);
    }
}

uint32_t ef_csi_ring_dropped(ef_csi_ring *ring) {
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
