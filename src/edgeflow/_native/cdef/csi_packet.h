#define EF_CSI_PACKET_MAX_PAIRS 512
#define EF_CSI_PACKET_MAX_ANTENNAS 8
#define EF_CSI_PACKET_MAX_BYTES 1120
#define EF_CSI_PACKET_MAX_EVENTS 16
#define EF_CSI_PACKET_MAX_WIDE_EVENTS 64
#define EF_CSI_PACKET_MAX_MESH 256
typedef enum ef_csi_kind {
    EF_CSI_KIND_NONE = 0,
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
ef_csi_kind ef_csi_packet_kind(const uint8_t *bytes, size_t count);
typedef struct ef_csi_raw_packet {
    uint8_t node;
    uint8_t antennas;
    uint16_t subcarriers;
    uint32_t frequency_mhz;
    uint32_t sequence;
    int8_t rssi;
    int8_t noise_floor;
    const int8_t *pairs;
} ef_csi_raw_packet;
size_t ef_csi_encode_raw(const ef_csi_raw_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_raw(const uint8_t *bytes, size_t count, ef_csi_raw_packet *packet);
typedef struct ef_csi_vitals_packet {
    uint8_t node;
    uint8_t flags;
    uint16_t breathing;
    uint32_t heart;
    int8_t rssi;
    uint8_t persons;
    float motion_energy, presence_score;
    uint32_t uptime_ms;
    uint8_t radar, confidence;
    float radar_heart, radar_breathing, distance_cm;
    uint8_t targets, radar_confidence;
} ef_csi_vitals_packet;
uint32_t ef_csi_fixed(float value, uint32_t steps, uint32_t most);
size_t ef_csi_encode_vitals(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_vitals(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet);
size_t ef_csi_encode_fused(const ef_csi_vitals_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_fused(const uint8_t *bytes, size_t count, ef_csi_vitals_packet *packet);
typedef struct ef_csi_features_packet {
    uint8_t node;
    uint16_t sequence;
    int64_t time_us;
    float values[8];
} ef_csi_features_packet;
size_t ef_csi_encode_features(const ef_csi_features_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_features(const uint8_t *bytes, size_t count, ef_csi_features_packet *packet);
typedef struct ef_csi_state_packet {
    uint8_t node;
    uint8_t mode;
    uint16_t sequence;
    uint64_t time_us;
    float values[9];
    uint16_t quality;
} ef_csi_state_packet;
size_t ef_csi_encode_state(const ef_csi_state_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_state(const uint8_t *bytes, size_t count, ef_csi_state_packet *packet);
typedef struct ef_csi_event {
    uint16_t id;
    float value;
} ef_csi_event;
typedef struct ef_csi_events_packet {
    uint8_t node;
    uint8_t slot;
    uint16_t count;
    uint64_t time_us;
    uint16_t sequence;
    ef_csi_event events[64];
} ef_csi_events_packet;
size_t ef_csi_encode_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet);
size_t ef_csi_encode_wide_events(const ef_csi_events_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_wide_events(const uint8_t *bytes, size_t count, ef_csi_events_packet *packet);
typedef struct ef_csi_mesh_packet {
    uint8_t type, role, auth;
    uint32_t epoch;
    uint16_t length;
    const uint8_t *payload;
} ef_csi_mesh_packet;
size_t ef_csi_encode_mesh(const ef_csi_mesh_packet *packet, uint8_t *to, size_t room);
ef_status ef_csi_decode_mesh(const uint8_t *bytes, size_t count, ef_csi_mesh_packet *packet);
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
#define EF_CSI_HEALTH_BYTES 28
void ef_csi_write_health(const ef_csi_health *health, uint8_t *to);
void ef_csi_write_alert(const ef_csi_alert *alert, uint8_t *to);
typedef struct ef_csi_xor_packet {
    uint8_t node;
    uint8_t channel;
    uint16_t length;
    uint16_t coded;
    const uint8_t *data;
} ef_csi_xor_packet;
size_t ef_csi_encode_xor(uint8_t node, uint8_t channel, const uint8_t *before, const uint8_t *now, size_t length, uint8_t *to,
                         size_t room);
ef_status ef_csi_decode_xor(const uint8_t *bytes, size_t count, ef_csi_xor_packet *packet);
void ef_csi_expand_xor(const ef_csi_xor_packet *packet, const uint8_t *before, uint8_t *now);
#define EF_CSI_KEYS 8
#define EF_CSI_FLAG_KEY 1
#define EF_CSI_FLAG_STORED 2
#define EF_CSI_FLAG_HEAD 16
typedef struct ef_csi_key {
    bool held;
    uint8_t node, source, antennas;
    uint16_t pairs;
    uint32_t sequence;
    uint32_t used;
    uint64_t time_us;
    int8_t head[4];
    uint8_t null[64];
} ef_csi_key;
typedef struct ef_csi_keys {
    uint32_t clock;
    ef_csi_key keys[8];
} ef_csi_keys;
typedef struct ef_csi_compressed_packet {
    uint8_t node, flags, antennas, source;
    uint16_t subcarriers, frequency_mhz, distance, check, length;
    uint32_t sequence;
    int8_t rssi, noise_floor;
    uint64_t time_us;
    const uint8_t *data;
} ef_csi_compressed_packet;
void ef_csi_keys_clear(ef_csi_keys *keys);
size_t ef_csi_compress(ef_csi_keys *keys, const ef_csi_raw_packet *frame, uint64_t time_us, uint8_t source, uint32_t interval_us,
                       uint8_t *to, size_t room);
ef_status ef_csi_decode_compressed(const uint8_t *bytes, size_t count, ef_csi_compressed_packet *packet);
ef_status ef_csi_expand(ef_csi_keys *keys, const ef_csi_compressed_packet *packet, int8_t *pairs, size_t room);
