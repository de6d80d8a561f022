#define EF_CSI_MAX_SUBCARRIERS 192
#define EF_CSI_STATE_BUDGET 24576
typedef struct ef_csi_frame {
    uint64_t time_us;
    const int8_t *pairs;
    uint16_t subcarriers;
    int8_t rssi;
    int8_t noise_floor;
    uint8_t channel;
    uint8_t source;
    ...;
} ef_csi_frame;
typedef struct ef_csi_options {
    uint8_t tier;
    uint8_t top_subcarriers;
    uint16_t calibration_frames;
    float presence_threshold;
    float presence_sigma;
    float fall_threshold;
    float breathing_low_hz, breathing_high_hz;
    float heart_low_hz, heart_high_hz;
    bool zero_crossing;
    ...;
} ef_csi_options;
typedef struct ef_csi_vitals {
    uint64_t time_us;
    bool presence, motion, fall;
    uint64_t fall_us;
    bool calibrated;
    bool degraded;
    float motion_score;
    float motion_threshold;
    float presence_confidence;
    float presence_score;
    bool apnea;
    float breathing_bpm, breathing_confidence;
    float heart_bpm, heart_confidence;
    uint8_t persons;
    float person_bpm[4];
    float frame_rate;
    int8_t rssi;
    uint32_t frames, refused;
    ...;
} ef_csi_vitals;
typedef struct ef_csi_calibration {
    uint32_t frames;
    float mean, deviation;
    float threshold;
    ...;
} ef_csi_calibration;
typedef struct ef_csi {
    ...;
} ef_csi;
ef_csi_options ef_csi_default_options(void);
ef_status ef_csi_init(ef_csi *csi, const ef_csi_options *options);
ef_status ef_csi_push(ef_csi *csi, const ef_csi_frame *frame);
void ef_csi_get_vitals(const ef_csi *csi, uint64_t now_us, ef_csi_vitals *vitals);
void ef_csi_calibrate(ef_csi *csi);
void ef_csi_set_calibration(ef_csi *csi, const ef_csi_calibration *calibration);
bool ef_csi_get_calibration(const ef_csi *csi, ef_csi_calibration *calibration);
size_t ef_csi_amplitudes(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_phases(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_variances(const ef_csi *csi, float *to, size_t most);
size_t ef_csi_top(const ef_csi *csi, uint16_t *to, size_t most);
