#include "module_server.h"

#include "esp_timer.h"
#include "module_task.h"

#define UPLOAD_US 30000000 /* nobody else is served meanwhile, not even an update */
#define AUTHORIZATION_BYTES (sizeof "Bearer " + EF_SETTING_BYTES)

static const ef_node_settings *node;

static const char *status_line(int status) {
    switch (status) {
    case 200:
        return "200 OK";
    case 400:
        return "400 Bad Request";
    case 403:
        return "403 Forbidden";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 409:
        return "409 Conflict";
    case 408:
        return "408 Request Timeout";
    case 413:
        return "413 Content Too Large";
    case 503:
        return "503 Service Unavailable";
    default:
        return "500 Internal Server Error";
    }
}

/* The body up to a byte, or nothing: a sender that falls silent, or that sends slowly, ends the request. */
static bool receive(httpd_req_t *request, size_t *at, size_t until, int64_t end_us) {
    while (*at < until) {
        const int got = httpd_req_recv(request, (char *)module_task_buffer() + *at, until - *at);
        if (got <= 0 || esp_timer_get_time() > end_us) {
            return false;
        }
        *at += (size_t)got;
    }
    return true;
}

static esp_err_t say(httpd_req_t *request, int status, const char *json) {
    httpd_resp_set_status(request, status_line(status));
    httpd_resp_set_type(request, "application/json");
    return httpd_resp_sendstr(request, json);
}

/* Whatever can be refused is refused here and at once, however busy the modules are: before the body, with its header, with
 * all of it. False: it was answered. */
static bool take(httpd_req_t *request, const ef_module_request *asked) {
    static ef_module_gate gate; /* of this task alone */
    const size_t stops[] = {0, EF_RVF_HEADER_BYTES, request->content_len};
    const int64_t end_us = esp_timer_get_time() + UPLOAD_US;
    char refusal[EF_MODULE_REFUSAL_BYTES];
    size_t at = 0;
    if (!module_task_gate(&gate)) {
        say(request, 503, "{\"error\":\"no modules\"}");
        return false;
    }
    for (unsigned i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        const size_t until = stops[i] < request->content_len ? stops[i] : request->content_len;
        if (!receive(request, &at, until, end_us)) {
            say(request, 408, "{\"error\":\"the body did not come in time\"}");
            return false;
        }
        const int status = ef_module_refuse(&gate, asked, at, node->ota_key, refusal, sizeof refusal);
        if (status != 0) {
            say(request, status, refusal);
            return false;
        }
        if (request->content_len > module_task_room()) {
            say(request, 413, "{\"error\":\"larger than this board has memory for\"}");
            return false;
        }
    }
    return true;
}

static esp_err_t on_request(httpd_req_t *request) {
    char authorization[AUTHORIZATION_BYTES] = "";
    const bool given = httpd_req_get_hdr_value_str(request, "Authorization", authorization, sizeof authorization) == ESP_OK;
    const ef_module_request asked = {
        .method = request->user_ctx,
        .path = request->uri,
        .authorization = given ? authorization : NULL,
        .body = module_task_buffer(),
        .length = request->content_len,
    };
    const char *json = "";
    if (!take(request, &asked)) { /* what is left of the body is not read, and the connection ends */
        return ESP_FAIL;
    }
    const int status = module_task_answer(&asked, &json);
    return say(request, status, json);
}

bool module_server_start(httpd_handle_t server, const ef_node_settings *settings) {
    const httpd_uri_t routes[] = {
        {"/wasm/upload", HTTP_POST, on_request, (void *)"POST"},
        {"/wasm/list", HTTP_GET, on_request, (void *)"GET"},
        {"/wasm/start/*", HTTP_POST, on_request, (void *)"POST"},
        {"/wasm/stop/*", HTTP_POST, on_request, (void *)"POST"},
        {"/wasm/*", HTTP_DELETE, on_request, (void *)"DELETE"},
    };
    bool taken = true;
    node = settings;
    for (unsigned i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        taken = taken && httpd_register_uri_handler(server, &routes[i]) == ESP_OK;
    }
    return taken;
}
