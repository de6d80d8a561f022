/* The HTTP server, slots and boot loader of ESP-IDF, with requests for ota_server.c: what is answered, and what boots. */
#include <setjmp.h>

#include "check.h"
#include "edgeflow/ed25519.h"
#include "esp_app_desc.h"
#include "esp_http_server.h"
#include "esp_ota_ops.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "ota_server.h"
#include "ota_slots.h"
#include "ota_world.h"
#include "sdkconfig.h"

static httpd_uri_t routes[12];
static unsigned routed;
static const char *header;
static char status[64], body[EF_OTA_STATUS_BYTES];
static const uint8_t *sent;
static size_t left;
static int at_end; /* what receiving says when nothing is left */
static int64_t now_us;
static jmp_buf restarted;
static uint64_t guard_us;
static ota_world world;
static ef_node_settings settings;
static const esp_partition_t slots[2] = {{.size = OTA_SLOT_BYTES + 4096 - OTA_SECTOR, .label = "ota_0"},
                                         {.size = OTA_SLOT_BYTES + 4096 - OTA_SECTOR, .label = "ota_1"}};
static const esp_partition_t data = {.size = 2 * OTA_SECTOR, .erase_size = OTA_SECTOR};
static esp_app_desc_t app = {.project_name = "csi_node", .date = "Jan  1 2026", .time = "00:00:00"};

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}

const char *esp_err_to_name(esp_err_t code) {
    return code == ESP_OK ? "ok" : "failed";
}

void vTaskDelay(TickType_t ticks) {
    now_us += (int64_t)ticks * 1000;
}

int64_t esp_timer_get_time(void) {
    return now_us;
}

esp_err_t esp_timer_create(const esp_timer_create_args_t *arguments, esp_timer_handle_t *timer) {
    *timer = (esp_timer_handle_t)(void *)&guard_us;
    CHECK(arguments->callback != NULL);
    return ESP_OK;
}

esp_err_t esp_timer_start_once(esp_timer_handle_t timer, uint64_t timeout_us) {
    (void)timer;
    guard_us = timeout_us;
    return ESP_OK;
}

esp_err_t esp_timer_stop(esp_timer_handle_t timer) {
    (void)timer;
    guard_us = 0;
    return ESP_OK;
}

void esp_restart(void) {
    longjmp(restarted, 1);
}

bool httpd_uri_match_wildcard(const char *reference, const char *uri, size_t up_to) {
    return strncmp(reference, uri, up_to) == 0;
}
esp_err_t httpd_start(httpd_handle_t *handle, const httpd_config_t *config) {
    CHECK_EQUAL(config->server_port, CONFIG_EDGEFLOW_OTA_PORT);
    CHECK(config->recv_wait_timeout > 0);
    *handle = routes;
    routed = 0;
    return ESP_OK;
}

esp_err_t httpd_register_uri_handler(httpd_handle_t handle, const httpd_uri_t *route) {
    CHECK(handle == routes && routed < 12);
    routes[routed++] = *route;
    return ESP_OK;
}

esp_err_t httpd_req_get_hdr_value_str(httpd_req_t *request, const char *field, char *value, size_t room) {
    (void)request;
    if (header == NULL || strcmp(field, "Authorization") != 0 || strlen(header) >= room) {
        return ESP_FAIL;
    }
    strcpy(value, header);
    return ESP_OK;
}

int httpd_req_recv(httpd_req_t *request, char *to, size_t most) {
    (void)request;
    size_t count = left < most ? left : most;
    count = count < 701 ? count : 701;
    memcpy(to, sent, count);
    sent += count;
    left -= count;
    now_us += 1000;
    return count > 0 ? (int)count : at_end;
}

esp_err_t httpd_resp_set_status(httpd_req_t *request, const char *line) {
    (void)request;
    snprintf(status, sizeof status, "%s", line);
    return ESP_OK;
}

esp_err_t httpd_resp_set_type(httpd_req_t *request, const char *type) {
    (void)request;
    CHECK(strcmp(type, "application/json") == 0);
    return ESP_OK;
}

esp_err_t httpd_resp_sendstr(httpd_req_t *request, const char *text) {
    (void)request;
    snprintf(body, sizeof body, "%s", text);
    return ESP_OK;
}

const esp_app_desc_t *esp_app_get_description(void) {
    return &app;
}

const esp_partition_t *esp_ota_get_running_partition(void) {
    return &slots[world.boot.running];
}

const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *start_from) {
    (void)start_from;
    return &slots[1 - world.boot.running];
}

esp_err_t esp_ota_get_partition_description(const esp_partition_t *partition, esp_app_desc_t *description) {
    description->version[0] = (char)world.slot_bytes[partition - slots][48];
    description->version[1] = '\0';
    return (uint8_t)description->version[0] == 0xFF ? ESP_FAIL : ESP_OK;
}

esp_err_t esp_ota_get_state_partition(const esp_partition_t *partition, esp_ota_img_states_t *state) {
    ef_ota_state found = world.boot.port.state(&world.boot, partition == &slots[world.boot.running]);
    *state = (esp_ota_img_states_t)found;
    return found == EF_OTA_UNDEFINED ? ESP_FAIL : ESP_OK;
}

bool esp_ota_check_rollback_is_possible(void) {
    return ef_host_boot_can_go_back(&world.boot);
}

esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot(void) {
    CHECK_EQUAL(ef_host_boot_give_up(&world.boot), EF_OK);
    esp_restart();
}

esp_err_t esp_ota_begin(const esp_partition_t *partition, size_t image_size, esp_ota_handle_t *handle) {
    CHECK(partition == &slots[1 - world.boot.running] && image_size == OTA_WITH_SEQUENTIAL_WRITES);
    *handle = 7;
    return world.boot.port.open(&world.boot) == EF_OK ? ESP_OK : ESP_FAIL;
}

esp_err_t esp_ota_write(esp_ota_handle_t handle, const void *bytes, size_t count) {
    CHECK_EQUAL(handle, 7);
    return world.boot.port.write(&world.boot, bytes, (uint32_t)count) == EF_OK ? ESP_OK : ESP_FAIL;
}

esp_err_t esp_ota_end(esp_ota_handle_t handle) {
    static const uint8_t blank[EF_OTA_HEADER_BYTES];
    CHECK_EQUAL(handle, 7);
    return world.boot.port.close(&world.boot, blank) == EF_OK ? ESP_OK : ESP_ERR_OTA_VALIDATE_FAILED;
}

esp_err_t esp_ota_abort(esp_ota_handle_t handle) {
    CHECK_EQUAL(handle, 7);
    world.boot.port.drop(&world.boot);
    return ESP_OK;
}

esp_err_t esp_ota_set_boot_partition(const esp_partition_t *partition) {
    CHECK(partition == &slots[1 - world.boot.running]);
    return world.boot.port.select(&world.boot) == EF_OK ? ESP_OK : ESP_FAIL;
}

const esp_partition_t *esp_partition_find_first(esp_partition_type_t type, esp_partition_subtype_t subtype,
                                                const char *name) {
    CHECK(type == ESP_PARTITION_TYPE_DATA && subtype == ESP_PARTITION_SUBTYPE_DATA_OTA && name == NULL);
    return &data;
}

/* The sectors of the world are smaller: the last one of a slot is at the same place before its end. */
static uint8_t *at(const esp_partition_t *partition, size_t offset) {
    if (partition == &data) {
        return world.data_bytes + offset;
    }
    CHECK_EQUAL(offset, partition->size - 4096);
    return world.slot_bytes[partition - slots] + OTA_SLOT_BYTES - OTA_SECTOR;
}

esp_err_t esp_partition_read(const esp_partition_t *partition, size_t offset, void *to, size_t count) {
    memcpy(to, at(partition, offset), count);
    return ESP_OK;
}

esp_err_t esp_partition_erase_range(const esp_partition_t *partition, size_t offset, size_t count) {
    CHECK_EQUAL(count, 4096);
    memset(at(partition, offset), 0xFF, OTA_SECTOR);
    return ESP_OK;
}

esp_err_t esp_partition_write(const esp_partition_t *partition, size_t offset, const void *from, size_t count) {
    memcpy(at(partition, offset), from, count);
    return ESP_OK;
}

static void boot(char wanted) {
    CHECK_EQUAL(ota_start(&world), wanted);
    app.version[0] = wanted;
    CHECK(ota_server_start(&settings) && ota_server_handle() == routes);
}

/* True: the node restarted. */
static bool ask(const char *uri, httpd_method_t method, const char *authorization, const uint8_t *bytes, size_t count,
                size_t announced) {
    httpd_req_t request = {.content_len = announced};
    sent = bytes;
    left = count;
    header = authorization;
    strcpy(status, "200 OK");
    body[0] = '\0';
    for (unsigned i = 0; i < routed; i++) {
        if (strcmp(routes[i].uri, uri) == 0 && routes[i].method == method) {
            if (setjmp(restarted) != 0) {
                return true;
            }
            esp_err_t result = routes[i].handler(&request);
            CHECK_EQUAL(result, status[0] == '2' ? ESP_OK : ESP_FAIL); /* a refusal closes the connection */
            return false;
        }
    }
    CHECK(false);
    return false;
}

static bool post(const char *authorization, const uint8_t *bytes, size_t count, size_t announced, const char *code,
                 const char *word) {
    bool restart = ask("/ota", HTTP_POST, authorization, bytes, count, announced);
    if (!CHECK(strncmp(status, code, 3) == 0 && strstr(body, word) != NULL)) {
        fprintf(stderr, "    %s %s\n", status, body);
    }
    return restart;
}

static void test_every_upload_is_refused_for_its_reason(void) {
    char longest[400];
    uint8_t upload[OTA_BODY_BYTES];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1u] = '\0';
    ota_body(upload, '2', 0);
    boot('1');
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "403", "not_allowed"));
    strcpy(settings.ota_key, "0123456789abcdef");
    boot('1');
    CHECK(!post(NULL, upload, sizeof upload, sizeof upload, "403", "not_allowed"));
    CHECK(!post("Bearer 0123456789abcdeF", upload, sizeof upload, sizeof upload, "403", "not_allowed"));
    CHECK(!post(longest, upload, sizeof upload, sizeof upload, "403", "not_allowed"));
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "403", "no_public_key"));
    CHECK_EQUAL(left, sizeof upload); /* and nothing was read */
    memset(settings.ota_public_key, 0x66, 32);
    settings.ota_public_key[0] = 0x58;
    settings.ota_public_key_bytes = 32;
    boot('1');
    CHECK(!post("Bearer 0123456789abcdef", upload, 0, 0, "400", "bad_size"));
    CHECK(!post("Bearer 0123456789abcdef", upload, 0, 3000, "400", "bad_size"));
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "403", "unknown_key"));
    CHECK(!post("Bearer 0123456789abcdef", upload + EF_OTA_HEADER_BYTES, 800, OTA_IMAGE_BYTES, "403", "unsigned"));
    at_end = HTTPD_SOCK_ERR_FAIL;
    CHECK(!post("Bearer 0123456789abcdef", upload, 100, sizeof upload, "400", "incomplete"));
    at_end = HTTPD_SOCK_ERR_TIMEOUT;
    CHECK(!post("Bearer 0123456789abcdef", upload, 100, sizeof upload, "408", "timed_out"));
    at_end = 0;
    CHECK(!post("Bearer 0123456789abcdef", upload, 100, sizeof upload, "400", "incomplete"));
    ef_ota_key_id(settings.ota_public_key, upload + 16);
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "403", "bad_signature"));
    boot('1');
}

static bool status_has(const char *part) {
    CHECK(!ask("/ota/status", HTTP_GET, NULL, NULL, 0, 0));
    return strstr(body, part) != NULL;
}

/* Of version 2, counter 5, by the key of the secret 00 01 02 ... 1f; as in test_ota.c. */
static void signed_upload(uint8_t upload[OTA_BODY_BYTES]) {
    static const uint8_t key[32] = {0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe, 0x1d, 0x70, 0xdd,
                                    0x18, 0xe7, 0x4b, 0xc0, 0x99, 0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5,
                                    0x0d, 0x5f, 0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8};
    static const uint8_t signature[64] = {
        0xab, 0x83, 0xcf, 0xd7, 0xbd, 0x16, 0x99, 0xdd, 0x76, 0xf0, 0xa9, 0xa0, 0x6b, 0x4a, 0xe5, 0xba,
        0xfa, 0x16, 0x7d, 0x88, 0x21, 0xc9, 0xd6, 0xb3, 0x89, 0x77, 0xca, 0x93, 0x25, 0xae, 0x6b, 0xb1,
        0xef, 0x2b, 0xde, 0x39, 0x91, 0x0a, 0x10, 0x03, 0x56, 0xd4, 0x81, 0xcf, 0xf4, 0x45, 0x65, 0x08,
        0xac, 0xbf, 0x6d, 0x82, 0x94, 0x9e, 0x24, 0x69, 0xb4, 0x57, 0x5f, 0xaa, 0xa8, 0xb0, 0xd6, 0x01};
    memcpy(settings.ota_public_key, key, sizeof key);
    ota_body(upload, '2', 5);
    ef_ota_key_id(key, upload + 16);
    memcpy(upload + EF_OTA_SIGNED_BYTES, signature, sizeof signature);
}

static void test_a_signed_image_boots_and_goes_back(void) {
    uint8_t upload[OTA_BODY_BYTES];
    signed_upload(upload);
    boot('1');
    upload[sizeof upload - 1u] ^= 1;
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "400", "bad_digest"));
    upload[sizeof upload - 1u] ^= 1;
    int64_t before = now_us;
    CHECK(post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "200", "ok"));
    CHECK(now_us - before >= 1000000); /* the answer is out before the node restarts */
    boot('2');
    CHECK(ota_slots_on_trial() && status_has("\"pending\":true"));
    ota_guard_begin(210);
    CHECK_EQUAL(guard_us, 210000000);
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "409", "not_confirmed"));
    ota_guard_end();
    CHECK_EQUAL(guard_us, 0);
    uint8_t *state = world.data_bytes + OTA_SECTOR + 24; /* of the second record, which counts */
    *state |= 4; /* one bit erased, and it is no state any more */
    CHECK(ota_slots_on_trial() && status_has("\"pending\":true"));
    /* It would go over the only firmware that is known to work. */
    CHECK(!post("Bearer 0123456789abcdef", upload, sizeof upload, sizeof upload, "409", "not_confirmed"));
    CHECK_EQUAL(ef_host_boot_keep(&world.boot), EF_OK);
    CHECK(!ota_slots_on_trial() && status_has("\"version\":\"2\"") && status_has("\"counter\":5,\"sequence\":2,"));
    CHECK(status_has("\"running_partition\":\"ota_1\"") && status_has("\"previous_version\":\"1\""));
    /* What runs has the counter 5, what was before 0. */
    CHECK(!ask("/ota/rollback", HTTP_POST, "Bearer 0123456789abcdef", NULL, 0, 0));
    CHECK(strncmp(status, "409", 3) == 0 && strstr(body, "downgrade") != NULL);
    CHECK(!ask("/ota/rollback", HTTP_POST, "Bearer 0123456789abcde", NULL, 0, 0));
    CHECK(strncmp(status, "403", 3) == 0);
    memset(world.slot_bytes[1] + OTA_SLOT_BYTES - OTA_SECTOR, 0xFF, OTA_SECTOR); /* without a note: no counter */
    CHECK(ask("/ota/rollback", HTTP_POST, "Bearer 0123456789abcdef", NULL, 0, 0));
    boot('1');
    CHECK(status_has("\"previous_state\":\"invalid\"") && status_has("\"last_failure\":\"invalid\""));
    CHECK(!ask("/ota/rollback", HTTP_POST, "Bearer 0123456789abcdef", NULL, 0, 0));
    CHECK(strncmp(status, "409", 3) == 0 && strstr(body, "nothing_before") != NULL);
}

static void test_the_status_is_json_whatever_the_image_says(void) {
    snprintf(app.version, sizeof app.version, "1.0\"\\\n<b>");
    CHECK(status_has("{\"version\":\"1.0___<b>\",\"date\":\"Jan  1 2026\",\"time\":\"00:00:00\",\"running_partition\":"));
}

int main(void) {
    ota_blank(&world);
    test_every_upload_is_refused_for_its_reason();
    test_a_signed_image_boots_and_goes_back();
    test_the_status_is_json_whatever_the_image_says();
    return finish("ota requests");
}
