#ifndef ESP_HTTP_SERVER_H
#define ESP_HTTP_SERVER_H
#include "esp_err.h"
#define HTTPD_SOCK_ERR_FAIL -1
#define HTTPD_SOCK_ERR_TIMEOUT -3
typedef void *httpd_handle_t;
typedef enum { HTTP_DELETE, HTTP_GET, HTTP_HEAD, HTTP_POST } httpd_method_t;
typedef struct httpd_req {
    char uri[513];
    size_t content_len;
    void *user_ctx;
} httpd_req_t;
typedef struct {
    const char *uri;
    httpd_method_t method;
    esp_err_t (*handler)(httpd_req_t *r);
    void *user_ctx;
} httpd_uri_t;
typedef struct {
    unsigned task_priority;
    size_t stack_size;
    int core_id;
    uint16_t server_port;
    uint16_t max_open_sockets;
    uint16_t max_uri_handlers;
    bool lru_purge_enable;
    uint16_t recv_wait_timeout;
    bool (*uri_match_fn)(const char *reference, const char *uri, size_t up_to);
} httpd_config_t;
#define HTTPD_DEFAULT_CONFIG() {.task_priority = 5, .stack_size = 4096, .server_port = 80, .max_open_sockets = 7, .max_uri_handlers = 8}
bool httpd_uri_match_wildcard(const char *reference, const char *uri, size_t up_to);
esp_err_t httpd_start(httpd_handle_t *handle, const httpd_config_t *config);
esp_err_t httpd_register_uri_handler(httpd_handle_t handle, const httpd_uri_t *uri_handler);
esp_err_t httpd_req_get_hdr_value_str(httpd_req_t *r, const char *field, char *val, size_t val_size);
int httpd_req_recv(httpd_req_t *r, char *buf, size_t buf_len);
esp_err_t httpd_resp_set_status(httpd_req_t *r, const char *status);
esp_err_t httpd_resp_set_type(httpd_req_t *r, const char *type);
esp_err_t httpd_resp_sendstr(httpd_req_t *r, const char *str);
#endif
