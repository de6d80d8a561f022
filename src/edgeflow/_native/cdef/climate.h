#define EF_CLIMATE_TOPIC ...
#define EF_CLIMATE_PAYLOAD ...
typedef struct ef_air {
    float temperature, humidity, pressure;
} ef_air;
typedef enum ef_motor { EF_MOTOR_SERVO, EF_MOTOR_STEPPER } ef_motor;
typedef enum ef_drive_state {
    EF_DRIVE_UNKNOWN,
    EF_DRIVE_HOMING,
    EF_DRIVE_RESTING,
    EF_DRIVE_MOVING,
    EF_DRIVE_STALLED
} ef_drive_state;
typedef struct ef_drive {
    ef_drive_state state;
    float position, velocity, target;
    ...;
} ef_drive;
void ef_drive_end_switch(ef_drive *drive);
void ef_drive_measured(ef_drive *drive, float at, float seconds);
typedef struct ef_outbox {
    uint32_t messages, dropped;
    ...;
} ef_outbox;
typedef struct ef_climate_settings {
    ...;
} ef_climate_settings;
typedef enum ef_climate_topic {
    EF_CLIMATE_TOPIC_STATUS,
    EF_CLIMATE_TOPIC_CONTROL,
    EF_CLIMATE_TOPIC_CONFIG,
    EF_CLIMATE_TOPIC_ACK,
    EF_CLIMATE_TOPIC_AUDIO,
    EF_CLIMATE_TOPIC_OVERRIDE
} ef_climate_topic;
typedef enum ef_climate_taken {
    EF_CLIMATE_IGNORED,
    EF_CLIMATE_REFUSED,
    EF_CLIMATE_MOVES,
    EF_CLIMATE_CONFIGURED
} ef_climate_taken;
typedef struct ef_climate_node {
    ef_climate_settings settings;
    ef_drive drive;
    ef_outbox outbox;
    uint32_t popped, failures, repeats, refused, audio_sequence, audio_missed;
    ...;
} ef_climate_node;
typedef struct ef_climate_message {
    char topic[...], payload[...];
    size_t size;
    bool retain;
} ef_climate_message;
ef_climate_settings ef_climate_default_settings(ef_motor motor);
ef_status ef_climate_take_settings(ef_climate_settings *settings, const char *text, size_t size, const char **refused);
ef_status ef_climate_init(ef_climate_node *node, const char *name, uint32_t boot, const ef_climate_settings *settings, uint8_t *memory, size_t size, uint64_t now_ms);
void ef_climate_set_time(ef_climate_node *node, int64_t unix_ms, uint64_t now_ms);
bool ef_climate_wants_air(const ef_climate_node *node, uint64_t now_ms);
void ef_climate_air(ef_climate_node *node, ef_status status, const ef_air *air, uint64_t now_ms);
float ef_climate_motor(ef_climate_node *node, uint64_t now_ms);
void ef_climate_connected(ef_climate_node *node);
void ef_climate_lost(ef_climate_node *node);
bool ef_climate_next(ef_climate_node *node, ef_climate_message *message, uint64_t now_ms);
void ef_climate_confirmed(ef_climate_node *node);
ef_climate_taken ef_climate_take(ef_climate_node *node, const char *topic, const char *payload, size_t size);
void ef_climate_write_topic(const ef_climate_node *node, ef_climate_topic topic, char *to);
bool ef_climate_wants_audio(const ef_climate_node *node, uint64_t now_ms);
typedef struct ef_sound {
    int16_t *samples;
    size_t capacity, count;
    uint64_t squares;
} ef_sound;
size_t ef_climate_audio_head(ef_climate_node *node, const ef_sound *sound, uint32_t rate, char *to, size_t most, uint64_t now_ms);
uint32_t ef_climate_wait_ms(const ef_climate_node *node, uint64_t now_ms);
size_t ef_sound_take(ef_sound *sound, const int32_t *frames, size_t count);
float ef_sound_volume(const ef_sound *sound);
typedef struct ef_base64 {
    ...;
} ef_base64;
size_t ef_base64_push(ef_base64 *state, const uint8_t *data, size_t size, char *to);
size_t ef_base64_end(ef_base64 *state, char *to);
ef_status ef_dht22_decode(const uint16_t *high_us, size_t bits, ef_air *air);
