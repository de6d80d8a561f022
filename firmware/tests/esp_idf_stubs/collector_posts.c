/* A collector, for collector.c: it takes, refuses, and is away, while a node senses. */
#include <setjmp.h>

#include "check.h"
#include "collector.h"
#include "esp_http_client.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "radio.h"
#include "sensing.h"
#include "station.h"

static TaskFunction_t code;
static jmp_buf done;
static uint64_t clock_us, end_us;
static bool online = true, home = true, present, memory = true;
static int answer = 200;
static unsigned posts, beats, opened, logged;
static char body[256], authorization[128];

struct esp_http_client {
    int unused;
};
static struct esp_http_client client;

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
    logged++;
}
size_t strlcpy(char *to, const char *from, size_t size) {
    snprintf(to, size, "%s", from);
    return strlen(from);
}
size_t strlcat(char *to, const char *from, size_t size) {
    size_t length = strlen(to);
    snprintf(to + length, size - length, "%s", from);
    return length + strlen(from);
}
int64_t esp_timer_get_time(void) {
    return (int64_t)clock_us;
}
bool station_is_online(void) {
    return online;
}
bool radio_is_home(void) {
    return home;
}
bool sensing_latest(float values[EF_INGEST_VALUES], bool *somebody) {
    for (unsigned i = 0; i < EF_INGEST_VALUES; i++) {
        values[i] = 0.25f;
    }
    *somebody = present;
    return true;
}
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t task, const char *name, uint32_t stack, void *parameters, UBaseType_t priority,
                                   TaskHandle_t *handle, BaseType_t core) {
    CHECK(core == 0 && stack >= 4096 && parameters == NULL && priority < 5 && name != NULL && handle != NULL);
    code = task;
    return memory ? pdPASS : 0;
}
void vTaskDelay(TickType_t ticks) {
    CHECK(ticks > 0);
    clock_us += ticks * 1000u;
    if (clock_us >= end_us) {
        longjmp(done, 1);
    }
}
esp_http_client_handle_t esp_http_client_init(const esp_http_client_config_t *config) {
    CHECK(strcmp(config->url, "http://10.0.0.2:8080/api/v1/store/ingest") == 0 && config->method == HTTP_METHOD_POST);
    CHECK(config->timeout_ms == 3000 && config->disable_auto_redirect);
    opened++;
    return memory ? &client : NULL;
}
esp_err_t esp_http_client_set_header(esp_http_client_handle_t of, const char *key, const char *value) {
    CHECK(of == &client);
    if (strcmp(key, "Authorization") == 0) {
        snprintf(authorization, sizeof authorization, "%s", value);
    }
    return ESP_OK;
}
esp_err_t esp_http_client_set_post_field(esp_http_client_handle_t of, const char *data, int length) {
    CHECK(of == &client && (size_t)length == strlen(data) && (size_t)length < sizeof body);
    snprintf(body, sizeof body, "%s", data);
    return ESP_OK;
}
esp_err_t esp_http_client_perform(esp_http_client_handle_t of) {
    CHECK(of == &client && online && home);
    posts++;
    beats += strncmp(body, "{\"vectors\":[[91", 15) == 0;
    return answer == 0 ? ESP_FAIL : ESP_OK;
}
int esp_http_client_get_status_code(esp_http_client_handle_t of) {
    CHECK(of == &client);
    return answer;
}
esp_err_t esp_http_client_cleanup(esp_http_client_handle_t of) {
    CHECK(of == &client && opened-- > 0);
    return ESP_OK;
}

static void run_for(unsigned seconds) {
    posts = beats = logged = 0;
    end_us = clock_us + seconds * 1000000u;
    if (setjmp(done) == 0) {
        code(NULL);
    }
    CHECK_EQUAL(opened, 0);
}

static void test_heartbeats_and_vectors(void) {
    run_for(60);
    CHECK(posts == 2 && beats == 2 && logged == 0);
    CHECK(strcmp(authorization, "Bearer a token") == 0);
    present = true;
    run_for(60);
    CHECK_EQUAL(beats, 2);
    CHECK(posts >= 13 && posts <= 15);
    CHECK(strncmp(body, "{\"vectors\":[[92", 15) == 0 && strstr(body, ",[0.2500,0.2500") != NULL);
}

static void test_nothing_is_sent_while_away(void) {
    online = false;
    run_for(60);
    CHECK_EQUAL(posts, 0);
    online = true;
    home = false;
    run_for(60);
    CHECK_EQUAL(posts, 0);
    home = true;
}

static void test_what_fails_is_told_once(void) {
    answer = 503;
    run_for(60);
    CHECK(posts > 10 && logged == 1);
    answer = 0;
    run_for(60);
    CHECK(posts > 10 && logged == 0);
    answer = 200;
    run_for(60);
    CHECK(posts > 10 && logged == 1);
}

int main(void) {
    static ef_node_settings settings = {.node_id = 9, .swarm_heartbeat_s = 30, .swarm_ingest_s = 5};
    CHECK(collector_start(&settings) && code == NULL); /* none was provisioned */
    strcpy(settings.seed_url, "https://10.0.0.2");
    CHECK(!collector_start(&settings) && code == NULL && logged == 1);
    strcpy(settings.seed_url, "http://10.0.0.2:8080/");
    strcpy(settings.seed_token, "a token");
    memory = false;
    CHECK(!collector_start(&settings));
    memory = true;
    CHECK(collector_start(&settings) && code != NULL);
    clock_us = 1;
    test_heartbeats_and_vectors();
    test_nothing_is_sent_while_away();
    test_what_fails_is_told_once();
    return finish("collector");
}
