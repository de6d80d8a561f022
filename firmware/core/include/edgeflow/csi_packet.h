/*
 * Packets of CSI nodes, one per datagram. docs/reference/csi-packets.md has the bytes.
 *
 * Encoders write at most `room` bytes and return how many, or 0 when they do not fit or a value cannot travel. Decoders look
 * at no byte beyond `count`; what they return points into the datagram. Reserved bytes are written 0 and not looked at.
 */
#ifndef EDGEFLOW_CSI_PACKET_H
#define EDGEFLOW_CSI_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_CSI_PACKET_MAX_PAIRS 512u /* of a frame, over all antennas */
#define EF_CSI_PACKET_MAX_ANTENNAS 8u
#define EF_CSI_PACKET_MAX_BYTES 1120u /* of any packet here */
#define EF_CSI_PACKET_MAX_EVENTS 16u
#define EF_CSI_PACKET_MAX_WIDE_EVENTS 64u
#define EF_CSI_PACKET_MAX_MESH 256u

typedef enum ef_csi_kind {
    EF_CSI_KIND_NONE = 0, /* too short, unknown or reserved */
    EF_CSI_KIND_RAW,
    EF_CSI_KIND_VITALS,
    EF_CSI_KIND_FEATURES,
    EF_CSI_KIND_FUSED,
    EF_CSI_KIND_EVENTS,
    EF_CSI_KIND_XOR,
    EF_CSI_KIND_STATE,
    EF_CSI_KIND_MESH,
    EF_CSI_KIND_WIDE_EVENTS,
    EF_CSI_KIND_COMPRESSED
} ef_csi_kind;

/* By the magic; events and fused vitals, which share one, by what they say of their length. */
ef_csi_kind ef_csi_packet_kind(const uint8_t *bytes, size_t count);

typedef struct ef_csi_raw_packet {
    uint8_t node;
    uint8_t antennas;
    uint16_t subcarriers; /* of each antenna */
    uint32_t frequency_mhz;
    uint32_t sequence;
    int8_t rssi;
    int8_t noise_floor;
    const int8_t *pairs; /* antennas * subcarriers: imaginary, real */
} ef_csi_raw_packet;

size_t ef_csi_encode_raw(const ef_csi_raw_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_raw(const uint8_t *bytes, size_t count, ef_csi_raw_packet *packet);

/* Vitals as the wire has them; the part from `radar` on only in those fused with a radar's. */
typedef struct ef_csi_vitals_packet {
    uint8_t node;
    uint8_t flags;       /* 1 presence, 2 fall, 4 motion, 8 the radar sees a person */
    uint16_t breathing;  /* BPM * 100; 0 for no reading */
    uint32_t heart;      /* BPM * 10000; 0 for no reading */
    int8_t rssi;
    uint8_t persons;
    float motion_energy, presence_score;
    uint32_t uptime_ms;
    uint8_t radar, confidence;
    float radar_heart, radar_breathing, distance_cm;
    uint8_t targets, radar_confidence;
} ef_csi_vitals_packet;

/* A rate in whole steps, rounded and held within 0 and `most`; 0 for one that is not finite. */
uint32_t ef_csi_fixed(float value, uint32_t steps, uint32_t most);

size_t ef_csi_encode_vitals(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_vitals(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet);
size_t ef_csi_encode_fused(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_fused(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet);

typedef struct ef_csi_features_packet {
    uint8_t node;
    uint16_t sequence;
    int64_t time_us;
    float values[8]; /* by convention 0 to 1 */
} ef_csi_features_packet;

size_t ef_csi_encode_features(const ef_csi_features_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_features(const uint8_t *bytes, size_t count, ef_csi_features_packet *packet);

typedef struct ef_csi_state_packet {
    uint8_t node;
    uint8_t mode;
    uint16_t sequence;
    uint64_t time_us;
    float values[9]; /* motion, presence, respiration and confidence, heart and confidence, anomaly, shift, coherence */
    uint16_t quality;
} ef_csi_state_packet;

size_t ef_csi_encode_state(const ef_csi_state_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_state(const uint8_t *bytes, size_t count, ef_csi_state_packet *packet);

typedef struct ef_csi_event {
    uint16_t id;
    float value;
} ef_csi_event;

typedef struct ef_csi_events_packet {
    uint8_t node;
    uint8_t slot;
    uint16_t count;
    uint64_t time_us;  /* wide events only */
    uint16_t sequence; /* wide events only */
    ef_csi_event events[EF_CSI_PACKET_MAX_WIDE_EVENTS];
} ef_csi_events_packet;

/* The reference's, with ids up to 255; and ours, with ids up to 65535. */
size_t ef_csi_encode_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet);
size_t ef_csi_encode_wide_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_wide_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet);

typedef struct ef_csi_mesh_packet {
    uint8_t type, role, auth;
    uint32_t epoch;
    uint16_t length;
    const uint8_t *payload;
} ef_csi_mesh_packet;

/* Of the known types only the length of the payload is checked. */
size_t ef_csi_encode_mesh(const ef_csi_mesh_packet *packet, uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_mesh(const uint8_t *bytes, size_t count, ef_csi_mesh_packet *packet);

typedef struct ef_csi_health {
    uint8_t node, role, channel, bandwidth_mhz;
    int8_t noise_floor;
    uint64_t time_us;
    uint16_t frame_rate, sync_error_us, flags;
} ef_csi_health;

typedef struct ef_csi_alert {
    uint8_t node, severity, reason;
    uint64_t time_us;
    float anomaly, motion;
} ef_csi_alert;

#define EF_CSI_HEALTH_BYTES 28u
void ef_csi_write_health(const ef_csi_health *health, uint8_t to[EF_CSI_HEALTH_BYTES]);
void ef_csi_write_alert(const ef_csi_alert *alert, uint8_t to[EF_CSI_HEALTH_BYTES]);

/* The reference's compression: XOR with the frame before, run-length coded. */
typedef struct ef_csi_xor_packet {
    uint8_t node;
    uint8_t channel;
    uint16_t length; /* bytes of the frame */
    uint16_t coded;
    const uint8_t *data;
} ef_csi_xor_packet;

/* 0 also when the frame would not get shorter. */
size_t ef_csi_encode_xor(uint8_t node, uint8_t channel, const uint8_t *before, const uint8_t *now, size_t length, uint8_t *to,
                         size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_xor(const uint8_t *bytes, size_t count, ef_csi_xor_packet *packet);
/* `before` and `now` have `length` bytes. */
void ef_csi_expand_xor(const ef_csi_xor_packet *packet, const uint8_t *before, uint8_t *now);

/* Lossless frames: keyframes, and frames that lean on one. */
#define EF_CSI_KEYS 8u
#define EF_CSI_FLAG_KEY 1u
#define EF_CSI_FLAG_STORED 2u
#define EF_CSI_FLAG_HEAD 16u

typedef struct ef_csi_key {
    bool held;
    uint8_t node, source, antennas;
    uint16_t pairs;
    uint32_t sequence;
    uint32_t used; /* when it was last asked for, to know the oldest */
    uint64_t time_us;
    int8_t head[4];
    uint8_t null[EF_CSI_PACKET_MAX_PAIRS / 8u]; /* bit by bit, those that are zero */
} ef_csi_key;

typedef struct ef_csi_keys {
    uint32_t clock;
    ef_csi_key keys[EF_CSI_KEYS];
} ef_csi_keys;

typedef struct ef_csi_compressed_packet {
    uint8_t node, flags, antennas, source;
    uint16_t subcarriers, frequency_mhz, distance, check, length;
    uint32_t sequence;
    int8_t rssi, noise_floor;
    uint64_t time_us;
    const uint8_t *data;
} ef_csi_compressed_packet;

/* Forget all keyframes: the next frame of each sender and length is one. */
void ef_csi_keys_clear(ef_csi_keys *keys);

/* Compress the frames of one node; a keyframe at least every `interval_us`. Room for raw plus 12 bytes always suffices. */
size_t ef_csi_compress(ef_csi_keys *keys, const ef_csi_raw_packet *frame, uint64_t time_us, uint8_t source, uint32_t interval_us,
                       uint8_t *to, size_t room);
EF_MUST_CHECK ef_status ef_csi_decode_compressed(const uint8_t *bytes, size_t count, ef_csi_compressed_packet *packet);

/* Expand into `pairs` (room for antennas * subcarriers of them) and take note of keyframes. EF_ERROR_STATE: the keyframe, whose
 * number is sequence - distance, is missing; EF_ERROR_CRC: damaged, or of a node's life before. One `keys` serves few streams:
 * a host gives one to each node. */
EF_MUST_CHECK ef_status ef_csi_expand(ef_csi_keys *keys, const ef_csi_compressed_packet *packet, int8_t *pairs, size_t room);

#endif
