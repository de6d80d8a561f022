#ifndef PING_SOCK_H
#define PING_SOCK_H
#include "esp_err.h"
typedef struct {
    union {
        struct {
            uint32_t addr;
        } ip4;
    } u_addr;
    uint8_t type;
} ip_addr_t;
#define IPADDR_TYPE_V4 0
typedef void *esp_ping_handle_t;
typedef struct {
    void *cb_args;
    void (*on_ping_success)(esp_ping_handle_t hdl, void *args);
    void (*on_ping_timeout)(esp_ping_handle_t hdl, void *args);
    void (*on_ping_end)(esp_ping_handle_t hdl, void *args);
} esp_ping_callbacks_t;
typedef struct {
    uint32_t count;
    uint32_t interval_ms;
    uint32_t timeout_ms;
    uint32_t data_size;
    ip_addr_t target_addr;
    uint32_t task_stack_size;
} esp_ping_config_t;
#define ESP_PING_DEFAULT_CONFIG() {.count = 5, .interval_ms = 1000, .timeout_ms = 1000, .data_size = 64}
#define ESP_PING_COUNT_INFINITE (0)
esp_err_t esp_ping_new_session(const esp_ping_config_t *config, const esp_ping_callbacks_t *cbs, esp_ping_handle_t *hdl_out);
esp_err_t esp_ping_start(esp_ping_handle_t hdl);
esp_err_t esp_ping_stop(esp_ping_handle_t hdl);
esp_err_t esp_ping_delete_session(esp_ping_handle_t hdl);
#endif
