#define EF_OTA_HEADER_BYTES ...
#define EF_OTA_CHUNK_BYTES ...
#define EF_OTA_STATUS_BYTES ...
#define EF_OTA_PSK_LEAST ...
#define EF_OTA_PSK_MOST ...
typedef enum ef_ota_failure {
    EF_OTA_FINE,
    EF_OTA_NOT_ALLOWED,
    EF_OTA_FAILURES,
    ...
} ef_ota_failure;
typedef struct ef_ota_port {
    ...;
} ef_ota_port;
typedef struct ef_ota_rules {
    const ef_ota_port *port;
    uint16_t chip;
    const char *board;
    const char *version;
    const uint8_t *public_key;
    bool takes_unsigned;
} ef_ota_rules;
typedef struct ef_ota {
    ...;
} ef_ota;
typedef struct ef_ota_source {
    void *context;
    int (*receive)(void *context, uint8_t *to, size_t most);
    uint32_t (*now_ms)(void *context);
} ef_ota_source;
typedef struct ef_ota_place {
    const char *date, *time, *running, *next;
    const char *previous_version;
    uint32_t sequence;
    bool can_go_back, has_psk;
} ef_ota_place;
extern "Python" int edgeflow_ota_receive(void *context, uint8_t *to, size_t most);
extern "Python" uint32_t edgeflow_ota_now_ms(void *context);
const char *ef_ota_word(ef_ota_failure failure);
int ef_ota_http(ef_ota_failure failure);
bool ef_ota_on_trial(const ef_ota_port *port);
void ef_ota_init(ef_ota *ota, const ef_ota_rules *rules);
ef_ota_failure ef_ota_receive(ef_ota *ota, size_t bytes, const ef_ota_source *source, uint8_t *chunk);
ef_ota_failure ef_ota_may_go_back(const ef_ota *ota, bool possible);
size_t ef_ota_status(const ef_ota *ota, const ef_ota_place *place, char *to, size_t most);
bool ef_bearer_matches(const char *authorization, const char *key);
typedef struct ef_node_test {
    bool sensing, storage, network, service;
} ef_node_test;
typedef enum ef_boot_verdict { EF_BOOT_SETTLED, EF_BOOT_WAIT, EF_BOOT_KEEP, EF_BOOT_ROLL_BACK } ef_boot_verdict;
ef_boot_verdict ef_boot_decide(const ef_node_test *test, bool pending, bool possible, uint32_t uptime_ms, uint32_t patience_ms);
typedef struct ef_csi_ring {
    ...;
} ef_csi_ring;
bool ef_node_test_sensing(ef_csi *csi, ef_csi_ring *ring);
typedef struct ef_flash {
    ...;
} ef_flash;
typedef struct ef_host_flash {
    ef_flash flash;
    ...;
} ef_host_flash;
void ef_host_flash_open(ef_host_flash *host, uint8_t *bytes, uint32_t size, uint32_t sector_size, uint32_t *wear, ef_host_power *power);
typedef struct ef_host_boot {
    ef_ota_port port;
    int running;
    ...;
} ef_host_boot;
void ef_host_boot_open(ef_host_boot *boot, const ef_flash *data, const ef_flash *slot_0, const ef_flash *slot_1);
int ef_host_boot_start(ef_host_boot *boot);
ef_status ef_host_boot_keep(ef_host_boot *boot);
ef_status ef_host_boot_give_up(ef_host_boot *boot);
bool ef_host_boot_can_go_back(const ef_host_boot *boot);
uint32_t ef_host_boot_sequence(const ef_host_boot *boot);
uint32_t ef_host_image_length(const uint8_t *bytes, uint32_t most);
typedef struct ef_setting {
    const char *space, *key;
    uint32_t least, most;
    ...;
} ef_setting;
const ef_setting *ef_settings(size_t *count);
