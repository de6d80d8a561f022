/* A flash and an HTTP server in memory, for portal.c and store.c: forms come in, texts are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "check.h"
#include "esp_http_server.h"
#include "esp_log.h"
#include "esp_mac.h"
#include "esp_system.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "nvs.h"
#include "portal.h"

#define TEXTS 16

static struct { char space[16], key[16], text[600]; } texts[TEXTS];
static size_t text_count;
static char spaces[8][16];
static bool full;
static httpd_uri_t routes[4];
static size_t route_count, form_at, piece;
static const char *form;
static char status[40], body[2000];
static jmp_buf restarted;

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}

esp_err_t esp_efuse_mac_get_default(uint8_t *mac) {
    memcpy(mac, "\x01\x02\x03\xAB\xCD\xEF", 6);
    return ESP_OK;
}

esp_err_t nvs_open(const char *name, nvs_open_mode_t mode, nvs_handle_t *handle) {
    for (nvs_handle_t i = 1; i < 8; i++) {
        if (spaces[i][0] == '\0' && mode == NVS_READWRITE) {
            snprintf(spaces[i], sizeof spaces[i], "%s", name);
        }
        if (strcmp(spaces[i], name) == 0) {
            *handle = i;
            return ESP_OK;
        }
    }
    return ESP_ERR_NVS_NOT_FOUND;
}

void nvs_close(nvs_handle_t handle) {
    CHECK(handle > 0);
}

static size_t find(nvs_handle_t handle, const char *key) {
    size_t at = 0;
    while (at < text_count && (strcmp(texts[at].space, spaces[handle]) != 0 || strcmp(texts[at].key, key) != 0)) {
        at++;
    }
    return at;
}

esp_err_t nvs_set_str(nvs_handle_t handle, const char *key, const char *value) {
    const size_t at = find(handle, key);
    if (full || at >= TEXTS || strlen(value) >= sizeof texts[at].text) {
        return ESP_FAIL;
    }
    snprintf(texts[at].space, sizeof texts[at].space, "%s", spaces[handle]);
    snprintf(texts[at].key, sizeof texts[at].key, "%s", key);
    snprintf(texts[at].text, sizeof texts[at].text, "%s", value);
    text_count += at == text_count;
    return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle) {
    return handle > 0 ? ESP_OK : ESP_FAIL;
}

esp_err_t nvs_get_str(nvs_handle_t handle, const char *key, char *to, size_t *length) {
    const size_t at = find(handle, key);
    if (at == text_count || strlen(texts[at].text) >= *length) {
        return ESP_ERR_NVS_NOT_FOUND;
    }
    *length = strlen(texts[at].text) + 1;
    memcpy(to, texts[at].text, *length);
    return ESP_OK;
}

esp_err_t httpd_start(httpd_handle_t *handle, const httpd_config_t *config) {
    CHECK(config->stack_size >= 4096);
    *handle = routes;
    return ESP_OK;
}

esp_err_t httpd_register_uri_handler(httpd_handle_t handle, const httpd_uri_t *route) {
    CHECK(handle == routes && route_count < 4);
    routes[route_count++] = *route;
    return ESP_OK;
}

int httpd_req_recv(httpd_req_t *request, char *to, size_t most) {
    (void)request;
    const size_t left = strlen(form) - form_at, count = left < most ? left : most, taken = count < piece ? count : piece;
    memcpy(to, form + form_at, taken);
    form_at += taken;
    return (int)taken;
}

esp_err_t httpd_resp_set_status(httpd_req_t *request, const char *line) {
    (void)request;
    snprintf(status, sizeof status, "%s", line);
    return ESP_OK;
}

esp_err_t httpd_resp_set_type(httpd_req_t *request, const char *type) {
    (void)request;
    CHECK(strchr(type, '/') != NULL);
    return ESP_OK;
}

esp_err_t httpd_resp_sendstr(httpd_req_t *request, const char *text) {
    (void)request;
    snprintf(body, sizeof body, "%s", text);
    return ESP_OK;
}

void vTaskDelay(TickType_t ticks) {
    CHECK(ticks > 0);
}

void esp_restart(void) {
    longjmp(restarted, 1);
}

/* Returns whether the node started anew. */
static bool post(const char *text, size_t claimed) {
    httpd_req_t request = {.content_len = claimed};
    form = text;
    form_at = 0;
    snprintf(status, sizeof status, "200 OK");
    if (setjmp(restarted) != 0) {
        return true;
    }
    (void)routes[1].handler(&request);
    return false;
}

static void test_what_was_filled_in_is_kept(void) {
    static const char filled[] = "ssid=My+net&password=secret%21&name=attic&broker=mqtt%3A%2F%2F192.168.1.5&user=a&secret=b%26c";
    for (piece = 1; piece < 100; piece += 7) {
        CHECK(post(filled, strlen(filled)));
    }
    store_identity own;
    ef_climate_settings settings = ef_climate_default_settings(EF_MOTOR_SERVO);
    store_load(&own, &settings);
    CHECK(strcmp(own.name, "attic") == 0 && strcmp(own.broker, "mqtt://192.168.1.5") == 0);
    CHECK(strcmp(own.user, "a") == 0 && strcmp(own.password, "b&c") == 0);
    nvs_handle_t network;
    char text[65];
    size_t size = sizeof text;
    CHECK_EQUAL(nvs_open("csi_cfg", NVS_READONLY, &network), ESP_OK);
    CHECK(nvs_get_str(network, "ssid", text, &size) == ESP_OK && strcmp(text, "My net") == 0);
}

static void test_what_makes_no_sense_is_refused(void) {
    static const char *const wrong[] = {
        "", "ssid=a", "ssid=&broker=mqtt://b", "ssid=a&broker=http://b", "ssid=a&broker=mqtt://b&name=a%2Fb", "broker=mqtt://b",
        "ssid=123456789012345678901234567890123&broker=mqtt://b", "ssid=a&broker=mqtt://b&user=%zz",
    };
    piece = 1000;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!post(wrong[i], strlen(wrong[i])) && strncmp(status, "400", 3) == 0);
    }
    CHECK(!post("ssid=a&broker=mqtt://b", 100) && !post("ssid=a&broker=mqtt://b", 1u << 20));
    full = true;
    CHECK(!post("ssid=a&broker=mqtt://b", 22) && strstr(body, "flash") != NULL);
    full = false;
}

static void test_settings_come_back(void) {
    store_identity own;
    ef_climate_settings first = ef_climate_default_settings(EF_MOTOR_STEPPER), second = first;
    first.read_seconds = 17.0f;
    first.drive.highest = 80.5f;
    store_keep_settings(&first);
    store_load(&own, &second);
    CHECK(second.read_seconds == 17.0f && second.drive.highest == 80.5f);
}

static void test_a_new_node_is_called_as_its_chip(void) {
    store_identity own;
    ef_climate_settings settings = ef_climate_default_settings(EF_MOTOR_SERVO);
    store_load(&own, &settings);
    CHECK(strcmp(own.name, "climate-abcdef") == 0 && own.broker[0] == '\0');
}

int main(void) {
    store_identity own = {0};
    CHECK(portal_start(&own) && route_count == 2);
    httpd_req_t request = {0};
    CHECK(routes[0].handler(&request) == ESP_OK && strstr(body, "name=ssid") != NULL && strlen(body) < sizeof body - 1);
    test_a_new_node_is_called_as_its_chip();
    test_what_was_filled_in_is_kept();
    test_what_makes_no_sense_is_refused();
    test_settings_come_back();
    return finish("climate_portal");
}
