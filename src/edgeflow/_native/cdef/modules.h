typedef struct ef_rvf {
    char name[32];
    uint16_t api;
    uint32_t capabilities, max_frame_us;
    uint16_t max_events_per_second, memory_limit_kb, event_schema;
    uint8_t hash[32];
    uint16_t min_subcarriers, max_subcarriers;
    uint16_t flags;
    uint32_t version;
    uint32_t wasm_bytes, vector_bytes;
    ...;
} ef_rvf;
typedef enum ef_rvf_fault { EF_RVF_GOOD, ... } ef_rvf_fault;
ef_rvf_fault ef_rvf_open(const uint8_t *image, size_t count, ef_rvf *rvf);
const char *ef_rvf_say(ef_rvf_fault fault);
bool ef_rvf_is_signed_by(const ef_rvf *rvf, const uint8_t public_key[32]);

typedef struct ef_module_size {
    uint32_t bytes, memory_kb, pending;
    uint16_t functions;
    ...;
} ef_module_size;
typedef struct ef_module_work { ...; } ef_module_work;
ef_status ef_module_prepare(const uint8_t *wasm, size_t count, uint8_t *to, size_t room, ef_module_work *work,
                            ef_module_size *size);

typedef struct ef_module_inputs {
    uint32_t time_ms;
    uint32_t subcarriers, history_length;
    float breathing_bpm, heart_bpm, motion_energy;
    int32_t presence, persons;
    float phases[192], amplitudes[192], variances[192];
    float history[256];
} ef_module_inputs;
typedef struct ef_module_feed {
    ef_module_inputs inputs;
    uint64_t vitals_us;
    bool started;
    ...;
} ef_module_feed;
void ef_module_feed_frame(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us);
void ef_module_feed_tick(ef_module_feed *feed, const ef_csi *csi, uint64_t time_us);

typedef struct ef_module_call {
    const ef_module_inputs *inputs;
    uint32_t capabilities, count;
    ef_csi_event events[16];
    uint32_t log_bytes;
    char log[128];
    ...;
} ef_module_call;
int32_t ef_module_history(const ef_module_call *call, uint8_t *memory, size_t bytes, uint32_t at, int32_t most);
void ef_module_emit(ef_module_call *call, int32_t id, float value);
void ef_module_write_log(ef_module_call *call, const uint8_t *memory, size_t bytes, uint32_t at, int32_t length);

typedef enum ef_module_entry { EF_MODULE_ON_INIT, EF_MODULE_ON_FRAME, EF_MODULE_ON_TIMER } ef_module_entry;
typedef enum ef_module_end { EF_MODULE_DONE, EF_MODULE_ABSENT, EF_MODULE_TRAPPED, EF_MODULE_ENDLESS } ef_module_end;
typedef struct ef_module_engine {
    void *context;
    bool (*load)(void *, uint32_t, const uint8_t *, uint32_t, uint32_t, uint32_t);
    ef_module_end (*call)(void *, uint32_t, ef_module_entry, int32_t, int32_t, ef_module_call *);
    void (*unload)(void *, uint32_t);
    uint64_t (*clock_us)(void *);
    void (*tell)(void *, const ef_csi_events_packet *);
    void (*log)(void *, uint32_t, const char *);
} ef_module_engine;
extern "Python" bool edgeflow_module_load(void *, uint32_t, const uint8_t *, uint32_t, uint32_t, uint32_t);
extern "Python" ef_module_end edgeflow_module_call(void *, uint32_t, ef_module_entry, int32_t, int32_t, ef_module_call *);
extern "Python" void edgeflow_module_unload(void *, uint32_t);
extern "Python" uint64_t edgeflow_module_clock(void *);
extern "Python" void edgeflow_module_tell(void *, const ef_csi_events_packet *);
extern "Python" void edgeflow_module_log(void *, uint32_t, const char *);

#define EF_MODULE_ARENA_BYTES 163840
#define EF_MODULE_ANSWER_BYTES 6144
typedef enum ef_module_state { EF_MODULE_EMPTY, ... } ef_module_state;
typedef struct ef_module {
    ef_module_state state;
    ef_rvf manifest;
    uint32_t budget_us, memory_kb, prepared_bytes, pending;
    uint32_t frame_count, skipped_count, event_count, suppressed_count, limited_count;
    uint32_t error_count, budget_faults, last_us, max_us, calls;
    uint64_t total_us;
    ...;
} ef_module;
typedef struct ef_module_gate {
    bool allows_older;
    uint32_t free_slots;
    ...;
} ef_module_gate;
typedef struct ef_shelf_place {
    bool holds;
    ...;
} ef_shelf_place;
typedef struct ef_module_shelf {
    ef_shelf_place place[8];
    ...;
} ef_module_shelf;
typedef struct ef_modules {
    ef_module slots[8];
    ef_module_gate gate;
    ef_module_shelf shelf;
    uint32_t count;
    ...;
} ef_modules;
typedef enum ef_module_refusal { EF_MODULE_TAKEN, EF_MODULE_CONTAINER, ... } ef_module_refusal;
const char *ef_module_say(ef_module_refusal refusal);
const char *ef_module_state_name(ef_module_state state);
ef_status ef_modules_init(ef_modules *modules, const ef_module_engine *engine, uint8_t *arena, uint32_t count, uint32_t arena_bytes,
                          uint8_t node, const uint8_t *key, bool accepts_unsigned);
ef_module_refusal ef_modules_load(ef_modules *modules, const uint8_t *image, size_t count, uint32_t *slot,
                                  ef_rvf_fault *fault);
ef_status ef_modules_restore(ef_modules *modules, const struct ef_flash *flash, bool crashed);
void ef_modules_revive(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);
ef_status ef_modules_start(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs);
ef_status ef_modules_stop(ef_modules *modules, uint32_t slot);
ef_status ef_modules_unload(ef_modules *modules, uint32_t slot);
void ef_modules_frame(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);
void ef_modules_tick(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us);
uint32_t ef_modules_loaded(const ef_modules *modules);
uint32_t ef_module_mean_us(const ef_module *module);
bool ef_module_list(const ef_modules *modules, char *to, size_t room);

typedef struct ef_module_request {
    const char *method, *path, *authorization;
    const uint8_t *body;
    size_t length;
    ...;
} ef_module_request;
#define EF_MODULE_REFUSAL_BYTES 256
int ef_module_refuse(const ef_module_gate *gate, const ef_module_request *request, size_t received, const char *key, char *to,
                     size_t room);
int ef_module_answer(ef_modules *modules, const ef_module_request *request, const char *key, const ef_module_inputs *inputs,
                     char *to, size_t room);
