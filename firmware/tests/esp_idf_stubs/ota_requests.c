/* The HTTP server of ESP-IDF, with requests for ota_server.c: what is answered, and that no image is read or booted. */
#include "check.h"
#include "esp_app_desc.h"
#include "esp_http_server.h"
#include "esp_ota_ops.h"
#include "freertos/FreeRTOS.h"
#include "ota_server.h"
#include "sdkconfig.h"

static httpd_uri_t routes[4];
static unsigned routed;
static const char *header;
static char status[64], body[512];
static const esp_partition_t next = {.size = 0x200000, .label = "ota_1"};
static const esp_app_desc_t app = {.version = "1.0\"\\\n<b>", .date = "Jan  1 2026", .time = "00:00:00"};

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}

esp_err_t httpd_start(httpd_handle_t *handle, const httpd_config_t *config) {
    CHECK_EQUAL(config->server_port, CONFIG_EDGEFLOW_OTA_PORT);
    *handle = routes;
    return ESP_OK;
}

esp_err_t httpd_register_uri_handler(httpd_handle_t handle, const httpd_uri_t *route) {
    CHECK(handle == routes && routed < 4);
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
    return NULL;
}

const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *start_from) {
    (void)start_from;
    return &next;
}

static void post(const char *authorization, size_t bytes, const char *wanted) {
    httpd_req_t request = {.content_len = bytes, .user_ctx = routes[0].user_ctx};
    header = authorization;
    status[0] = '\0';
    CHECK(routes[0].method == HTTP_POST && strcmp(routes[0].uri, "/ota") == 0);
    CHECK_EQUAL(routes[0].handler(&request), ESP_FAIL); /* the connection is closed with the body unread */
    CHECK(strncmp(status, wanted, 3) == 0 && strstr(body, "\"error\"") != NULL);
}

static void test_every_upload_is_refused_for_its_reason(void) {
    char longest[400];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1u] = '\0';
    CHECK(ota_server_start("secret"));
    post(NULL, 1000, "403");
    post("Bearer wrong", 1000, "403");
    post(longest, 1000, "403");
    post("Bearer secret", 0, "400");
    post("Bearer secret", 0x200001, "413");
    post("Bearer secret", 990480, "501");
}

static void test_the_status_is_json_whatever_the_image_says(void) {
    httpd_req_t request = {0};
    CHECK(routes[1].method == HTTP_GET && strcmp(routes[1].uri, "/ota/status") == 0);
    CHECK_EQUAL(routes[1].handler(&request), ESP_OK);
    CHECK(strcmp(body, "{\"version\":\"1.0___<b>\",\"date\":\"Jan  1 2026\",\"time\":\"00:00:00\",\"running_partition\":\"\","
                       "\"next_partition\":\"ota_1\",\"max_size\":2097152,\"accepts\":false}") == 0);
}

int main(void) {
    test_every_upload_is_refused_for_its_reason();
    test_the_status_is_json_whatever_the_image_says();
    return finish("ota requests");
}
