#include "portal.h"

#include <stdio.h>
#include <string.h>

#include "edgeflow/climate_node.h"
#include "edgeflow/form.h"
#include "esp_http_server.h"
#include "esp_log.h"
#include "esp_system.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#define MOST_FORM 2048u
#define RESTART_MS 1000

static const char *TAG = "portal";
static const char page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Climate node</title>"
    "<style>body{font:1.1em sans-serif;max-width:26em;margin:2em auto}input,button{font:inherit;width:100%;margin:.2em 0 1em}</style>"
    "<h1>Climate node</h1><form method=post action=/save>"
    "<label>Network <input name=ssid required maxlength=32></label>"
    "<label>Its password <input name=password type=password maxlength=64></label>"
    "<label>Name of this node, empty to keep it <input name=name maxlength=64></label>"
    "<label>Broker <input name=broker required value='mqtt://' maxlength=127></label>"
    "<label>User at the broker <input name=user maxlength=63></label>"
    "<label>Password at the broker <input name=secret type=password maxlength=63></label>"
    "<button>Save and start</button></form>";

typedef struct fields {
    char ssid[33], password[65];
    store_identity own;
} fields;

static esp_err_t on_page(httpd_req_t *request) {
    httpd_resp_set_type(request, "text/html");
    return httpd_resp_sendstr(request, page);
}

static esp_err_t refuse(httpd_req_t *request, const char *why) {
    ESP_LOGW(TAG, "form_refused why=%s", why);
    httpd_resp_set_status(request, "400 Bad Request");
    httpd_resp_set_type(request, "text/plain");
    httpd_resp_sendstr(request, why);
    return ESP_FAIL;
}

static bool receive(httpd_req_t *request, char *form) {
    size_t have = 0;
    while (have < request->content_len) {
        const int count = httpd_req_recv(request, form + have, request->content_len - have);
        if (count <= 0) {
            return false;
        }
        have += (size_t)count;
    }
    return true;
}

/* A field that may be left out. */
static bool optional(const char *form, size_t size, const char *name, char *to, size_t most) {
    const ef_status found = ef_form_field(form, size, name, to, most);
    return found == EF_OK || found == EF_ERROR_TYPE;
}

static const char *read_fields(const char *form, size_t size, fields *to) {
    store_identity *own = &to->own;
    if (ef_form_field(form, size, "ssid", to->ssid, sizeof to->ssid) != EF_OK || to->ssid[0] == '\0') {
        return "the network is missing or too long";
    }
    if (ef_form_field(form, size, "broker", own->broker, sizeof own->broker) != EF_OK ||
        (strncmp(own->broker, "mqtt://", 7) != 0 && strncmp(own->broker, "mqtts://", 8) != 0)) {
        return "the broker is mqtt://HOST or mqtts://HOST";
    }
    const bool fits = optional(form, size, "password", to->password, sizeof to->password) &&
                      optional(form, size, "name", own->name, sizeof own->name) &&
                      optional(form, size, "user", own->user, sizeof own->user) &&
                      optional(form, size, "secret", own->password, sizeof own->password);
    if (!fits) {
        return "a field is too long";
    }
    return own->name[0] == '\0' || ef_climate_is_name(own->name) ? NULL : "a name has letters, digits and _ . : - only";
}

static bool keep(const fields *from) {
    const bool named = from->own.name[0] == '\0' || store_keep(false, "name", from->own.name);
    return named && store_keep(true, "ssid", from->ssid) && store_keep(true, "password", from->password) &&
           store_keep(false, "broker", from->own.broker) && store_keep(false, "user", from->own.user) &&
           store_keep(false, "password", from->own.password);
}

static esp_err_t on_save(httpd_req_t *request) {
    static char form[MOST_FORM]; /* one request at a time */
    static fields found;
    if (request->content_len > sizeof form || !receive(request, form)) {
        return refuse(request, "no form");
    }
    const char *const wrong = read_fields(form, request->content_len, &found);
    if (wrong != NULL) {
        return refuse(request, wrong);
    }
    if (!keep(&found)) {
        return refuse(request, "the flash does not take it");
    }
    httpd_resp_set_type(request, "text/plain");
    httpd_resp_sendstr(request, "Saved. The node starts anew.");
    vTaskDelay(pdMS_TO_TICKS(RESTART_MS));
    esp_restart();
}

bool portal_start(const store_identity *identity) {
    httpd_config_t config = HTTPD_DEFAULT_CONFIG();
    httpd_handle_t server;
    config.max_open_sockets = 3;
    config.lru_purge_enable = true;
    const httpd_uri_t form = {.uri = "/", .method = HTTP_GET, .handler = on_page};
    const httpd_uri_t save = {.uri = "/save", .method = HTTP_POST, .handler = on_save};
    ESP_LOGI(TAG, "setup_waits name=%s", identity->name);
    return httpd_start(&server, &config) == ESP_OK && httpd_register_uri_handler(server, &form) == ESP_OK &&
           httpd_register_uri_handler(server, &save) == ESP_OK;
}
