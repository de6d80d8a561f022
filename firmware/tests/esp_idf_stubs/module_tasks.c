/* Threads for the tasks of module_task.c: frames, HTTP requests and modules at the same time. The engine is told what to do. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "edgeflow/csi_state.h"
#include "edgeflow/host_flash.h"
#include "esp_heap_caps.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "module_flash.h"
#include "module_maker.h"
#include "module_server.h"
#include "module_task.h"
#include "module_wasm3.h"

enum { FRAMES = 400, REQUESTS = 60, ROUTES = 5, FLASH_SECTOR = 4096, FLASH_BYTES = 10 * FLASH_SECTOR };

struct stub_semaphore {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
};

static struct stub_semaphore notified = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
static httpd_uri_t routes[ROUTES];
static unsigned registered, calls, silent_calls, sent;
static bool external = true;
static size_t claimed;
static uint64_t fake_us = 1000000;
static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static char answered_status[40], answered_body[EF_MODULE_ANSWER_BYTES];
static const uint8_t *body;
static size_t body_at;
static uint64_t piece_us; /* that each piece of a body takes */
static const char *shown;
static pthread_mutex_t module_works = PTHREAD_MUTEX_INITIALIZER; /* held: a call of a module does not end */
static _Alignas(4) uint8_t flash_bytes[FLASH_BYTES];
static ef_host_power power = {.left = -1, .noise = 1};
static ef_host_flash module_flash;

const ef_flash *module_flash_open(void) {
    memset(flash_bytes, 0xFF, sizeof flash_bytes);
    ef_host_flash_open(&module_flash, flash_bytes, sizeof flash_bytes, FLASH_SECTOR, NULL, &power);
    return &module_flash.flash;
}
bool module_flash_crashed(void) {
    return false;
}

void stub_log(const char *tag, const char *format, ...) {
    (void)tag;
    (void)format;
}
int64_t esp_timer_get_time(void) {
    pthread_mutex_lock(&clock_lock);
    const int64_t now = (int64_t)fake_us;
    pthread_mutex_unlock(&clock_lock);
    return now;
}
static void pass(uint64_t us) {
    pthread_mutex_lock(&clock_lock);
    fake_us += us;
    pthread_mutex_unlock(&clock_lock);
}
void *heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps) {
    if (caps == MALLOC_CAP_SPIRAM && !external) {
        return NULL;
    }
    claimed += size;
    return aligned_alloc(alignment, (size + alignment - 1u) / alignment * alignment);
}
void heap_caps_free(void *pointer) {
    free(pointer);
}

static SemaphoreHandle_t make(unsigned count) {
    SemaphoreHandle_t made = calloc(1, sizeof *made);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->count = count;
    return made;
}
SemaphoreHandle_t xSemaphoreCreateMutex(void) {
    return make(1);
}
SemaphoreHandle_t xSemaphoreCreateBinary(void) {
    return make(0);
}
static BaseType_t take(SemaphoreHandle_t semaphore, TickType_t ticks) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ticks == 0 ? 0 : 60; /* of a loaded machine */
    pthread_mutex_lock(&semaphore->mutex);
    int failed = semaphore->count == 0 && ticks == 0;
    while (semaphore->count == 0 && failed == 0) {
        failed = pthread_cond_timedwait(&semaphore->changed, &semaphore->mutex, &until);
    }
    semaphore->count -= failed == 0;
    pthread_mutex_unlock(&semaphore->mutex);
    return failed == 0 ? pdTRUE : 0;
}
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks) {
    return take(semaphore, ticks);
}
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore) {
    pthread_mutex_lock(&semaphore->mutex);
    semaphore->count = 1;
    pthread_cond_signal(&semaphore->changed);
    pthread_mutex_unlock(&semaphore->mutex);
    return pdTRUE;
}
BaseType_t xTaskNotifyGive(TaskHandle_t task) {
    (void)task;
    return xSemaphoreGive(&notified);
}
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks) {
    (void)clear;
    return take(&notified, ticks) == pdTRUE;
}
static TaskFunction_t code;
static void *begin(void *unused) {
    code(unused);
    return NULL;
}
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t task, const char *name, uint32_t stack, void *parameters, UBaseType_t priority,
                                   TaskHandle_t *handle, BaseType_t core) {
    pthread_t thread;
    CHECK(core == 1 && stack >= 24576 && parameters == NULL && priority < 5 && name != NULL);
    code = task;
    *handle = (TaskHandle_t)(void *)&notified;
    return pthread_create(&thread, NULL, begin, NULL) == 0 && pthread_detach(thread) == 0 ? pdPASS : 0;
}

bool module_wasm3_open(module_wasm3 *engine, uint32_t native_stack_bytes) {
    memset(engine, 0, sizeof *engine);
    return native_stack_bytes >= 12288;
}
bool module_wasm3_load(module_wasm3 *engine, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb,
                       uint32_t pending) {
    (void)engine;
    (void)slot;
    return bytes > 8 && wasm[1] == 'a' && memory_kb == 32 && pending > 0;
}
void module_wasm3_unload(module_wasm3 *engine, uint32_t slot) {
    (void)engine;
    (void)slot;
}
/* A frame is whole while a module looks at it: all phases are of one frame, whose amplitudes are alike. */
ef_module_end module_wasm3_call(module_wasm3 *engine, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                                ef_module_call *call) {
    (void)engine;
    (void)slot;
    CHECK(fuel == 80000);
    pthread_mutex_lock(&module_works);
    pthread_mutex_unlock(&module_works);
    if (entry == EF_MODULE_ON_FRAME) {
        float sum = 0.0f;
        for (int32_t i = 0; i < argument; i++) {
            sum += ef_module_amplitude(call, i);
        }
        calls++;
        ef_module_emit(call, 300, sum + (float)(calls % 7u));
    } else {
        silent_calls += call->inputs->subcarriers == 0;
    }
    return EF_MODULE_DONE;
}

bool httpd_uri_match_wildcard(const char *reference, const char *uri, size_t up_to) {
    const size_t prefix = strcspn(reference, "*");
    return reference[prefix] == '*' ? strncmp(reference, uri, prefix) == 0
                                    : strlen(reference) == up_to && strncmp(reference, uri, up_to) == 0;
}
esp_err_t httpd_register_uri_handler(httpd_handle_t handle, const httpd_uri_t *route) {
    (void)handle;
    if (registered == ROUTES) {
        return ESP_FAIL;
    }
    routes[registered++] = *route;
    return ESP_OK;
}
esp_err_t httpd_req_get_hdr_value_str(httpd_req_t *request, const char *field, char *value, size_t room) {
    (void)request;
    CHECK(strcmp(field, "Authorization") == 0 && strlen(shown) < room);
    memcpy(value, shown, strlen(shown) + 1u);
    return ESP_OK;
}
int httpd_req_recv(httpd_req_t *request, char *to, size_t most) {
    const size_t left = request->content_len - body_at, wanted = left < most ? left : most, got = wanted < 50 ? wanted : 50;
    memcpy(to, body + body_at, got);
    body_at += got;
    pass(piece_us);
    return (int)got;
}
esp_err_t httpd_resp_set_status(httpd_req_t *request, const char *line) {
    (void)request;
    memcpy(answered_status, line, strlen(line) + 1u);
    return ESP_OK;
}
esp_err_t httpd_resp_set_type(httpd_req_t *request, const char *type) {
    (void)request;
    return strcmp(type, "application/json") == 0 ? ESP_OK : ESP_FAIL;
}
esp_err_t httpd_resp_sendstr(httpd_req_t *request, const char *text) {
    (void)request;
    memcpy(answered_body, text, strlen(text) + 1u);
    sent++;
    return ESP_OK;
}

static int ask(httpd_method_t method, const char *uri, const uint8_t *bytes, size_t count) {
    httpd_req_t request = {.content_len = count};
    memcpy(request.uri, uri, strlen(uri) + 1u);
    body = bytes;
    body_at = 0;
    for (unsigned i = 0; i < registered; i++) {
        if (routes[i].method == method && httpd_uri_match_wildcard(routes[i].uri, uri, strlen(uri))) {
            request.user_ctx = routes[i].user_ctx;
            (void)routes[i].handler(&request);
            return atoi(answered_status);
        }
    }
    return 404;
}

static void *request_again_and_again(void *unused) {
    uint8_t image[512];
    const size_t count = make_module(endless_wasm, MODULE_WASM_BYTES, image);
    (void)unused;
    for (unsigned i = 0; i < REQUESTS; i++) {
        CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 200);
        CHECK_EQUAL(ask(HTTP_GET, "/wasm/list", NULL, 0), 200);
        CHECK_EQUAL(ask(HTTP_POST, "/wasm/stop/0", NULL, 0), 200);
        CHECK_EQUAL(ask(HTTP_POST, "/wasm/start/0", NULL, 0), 200);
        CHECK_EQUAL(i + 1u < REQUESTS ? ask(HTTP_DELETE, "/wasm/0", NULL, 0) : 200, 200);
    }
    return NULL;
}

static void test_frames_and_requests_at_once(void) {
    static ef_csi csi;
    const ef_csi_options options = ef_csi_default_options();
    pthread_t thread;
    unsigned packets = 0;
    int8_t pairs[128];
    CHECK_EQUAL(ef_csi_init(&csi, &options), EF_OK);
    CHECK(pthread_create(&thread, NULL, request_again_and_again, NULL) == 0);
    for (unsigned i = 0; i < FRAMES || packets == 0; i++) {
        for (unsigned k = 0; k < sizeof pairs; k++) {
            pairs[k] = (int8_t)(20 + (k * 7u + i) % 9u);
        }
        pass(50000);
        const uint64_t now = (uint64_t)esp_timer_get_time();
        const ef_csi_frame frame = {.time_us = now, .pairs = pairs, .subcarriers = 64, .rssi = -50, .channel = 6};
        uint8_t packet[MODULE_PACKET_BYTES];
        module_task_offer(&csi, now, ef_csi_push(&csi, &frame) == EF_OK);
        packets += module_task_packet(packet) > 0;
        const struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(packets > 0);
    CHECK(strstr(answered_body, "\"status\":\"ok\"") != NULL);
}

static void test_who_may_not_and_what_does_not_fit(void) {
    static uint8_t image[512];
    const size_t count = make_module(endless_wasm, MODULE_WASM_BYTES, image);
    const unsigned before = sent;
    shown = "Bearer another";
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 403);
    CHECK_EQUAL(ask(HTTP_GET, "/wasm/list", NULL, 0), 403);
    shown = "Bearer the key of it";
    CHECK_EQUAL(body_at, 0); /* nothing was read of it */
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, EF_RVF_MOST_BYTES + 1u), 413);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, module_task_room() + 1u), 413);
    piece_us = 9000000; /* never silent for long enough to be hung up on */
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 408);
    CHECK(body_at < count);
    piece_us = 0;
    image[count - 1u] ^= 1u;
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 403);
    CHECK_EQUAL(sent, before + 6u);
}

/* While a call does not end, what cannot succeed is answered; the module task would not answer at all. */
static void test_refusals_do_not_wait_for_modules(void) {
    static uint8_t image[512];
    const size_t count = make_module(endless_wasm, MODULE_WASM_BYTES, image);
    pthread_mutex_lock(&module_works);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", endless_wasm, MODULE_WASM_BYTES), 403);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count + 1u), 400);
    CHECK(body_at >= 32 && body_at < 100); /* its header was enough */
    image[count - 1u] ^= 1u;
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 403);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/none/0", image, count), 404);
    shown = "Bearer another";
    CHECK_EQUAL(ask(HTTP_GET, "/wasm/list", NULL, 0), 403);
    shown = "Bearer the key of it";
    pthread_mutex_unlock(&module_works);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 403);
    image[count - 1u] ^= 1u;
    while (ask(HTTP_POST, "/wasm/upload", image, count) == 200) {
        CHECK(strstr(answered_body, "\"kept\":true") != NULL);
    }
    CHECK(strcmp(answered_body, "{\"error\":\"no slot is empty\"}") == 0);
    pthread_mutex_lock(&module_works);
    CHECK_EQUAL(ask(HTTP_POST, "/wasm/upload", image, count), 500);
    CHECK_EQUAL(body_at, 0); /* there is no slot for whatever comes */
    pthread_mutex_unlock(&module_works);
}

int main(int count, char **arguments) {
    static ef_node_settings settings;
    external = count < 2 || strcmp(arguments[1], "small") != 0;
    ef_settings_default(&settings);
    memcpy(settings.wasm_key, module_key, sizeof module_key);
    settings.wasm_key_bytes = sizeof module_key;
    strcpy(settings.ota_key, "the key of it");
    shown = "Bearer the key of it";
    CHECK(module_task_start(&settings));
    CHECK(module_server_start(NULL, &settings));
    CHECK(external ? module_task_room() == EF_RVF_MOST_BYTES : module_task_room() == 16384u);
    test_frames_and_requests_at_once();
    test_who_may_not_and_what_does_not_fit();
    test_refusals_do_not_wait_for_modules();
    return finish("module tasks");
}
