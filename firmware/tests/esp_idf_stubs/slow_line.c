/* The UART driver of a line at 9600 baud with its clock: wire_uart.c waits for it, and the watchdog for wire_uart.c. */
#include "check.h"
#include "driver/uart.h"
#include "esp_task_wdt.h"
#include "wire.h"

#define WATCHDOG_US 10000000u
#define US_PER_BYTE 1042u /* 9600 baud, 8N1 */

static uint64_t now_us, fed_us, longest_us;
static size_t buffer_bytes, waiting, sent, left_at_switch = SIZE_MAX;
static uint8_t line[1u << 16];
static uint8_t message[EF_RPC_MAX_PAYLOAD + EF_RPC_HEADER_BYTES + EF_RPC_TRAILER_BYTES];

static void pass(uint64_t us) {
    size_t gone = (size_t)(us / US_PER_BYTE);
    now_us += us;
    waiting = waiting > gone ? waiting - gone : 0;
    longest_us = now_us - fed_us > longest_us ? now_us - fed_us : longest_us;
}

int uart_write_bytes(uart_port_t port, const void *source, size_t size) {
    (void)port;
    memcpy(line + sent, source, size);
    sent += size;
    waiting += size;
    if (waiting > buffer_bytes) {
        pass((waiting - buffer_bytes) * (uint64_t)US_PER_BYTE);
    }
    return (int)size;
}

esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t ticks) {
    (void)port;
    uint64_t needed = waiting * (uint64_t)US_PER_BYTE, most = ticks * (1000000u / CONFIG_FREERTOS_HZ);
    pass(needed < most ? needed : most);
    return waiting == 0 ? ESP_OK : -1;
}

esp_err_t uart_set_baudrate(uart_port_t port, uint32_t baud) {
    (void)port;
    (void)baud;
    left_at_switch = waiting;
    return ESP_OK;
}

esp_err_t esp_task_wdt_reset(void) {
    fed_us = now_us;
    return ESP_OK;
}

esp_err_t uart_driver_install(uart_port_t port, int rx_size, int tx_size, int queue_size, QueueHandle_t *queue, int flags) {
    (void)port;
    (void)queue;
    (void)flags;
    CHECK(rx_size > 128 && queue_size > 0);
    buffer_bytes = (size_t)tx_size;
    return ESP_OK;
}

esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config) {
    (void)port;
    return config->baud_rate > 0 ? ESP_OK : -1;
}

esp_err_t uart_set_rx_full_threshold(uart_port_t port, int threshold) {
    (void)port;
    return threshold > 0 ? ESP_OK : -1;
}

esp_err_t uart_set_rx_timeout(uart_port_t port, const uint8_t threshold) {
    (void)port;
    return threshold > 0 ? ESP_OK : -1;
}

int uart_read_bytes(uart_port_t port, void *buffer, uint32_t length, TickType_t ticks) {
    (void)port;
    (void)buffer;
    (void)length;
    (void)ticks;
    return 0;
}

BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t ticks) {
    (void)queue;
    (void)item;
    (void)ticks;
    return 0;
}

static void test_the_largest_message_does_not_starve_the_watchdog(const ef_port *port) {
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)next_random(&state);
    }
    port->write(port->context, message, sizeof message);
    CHECK_EQUAL(sent, sizeof message);
    CHECK(memcmp(line, message, sizeof message) == 0);
    CHECK(now_us > WATCHDOG_US);
    CHECK(longest_us < WATCHDOG_US);
}

static void test_all_that_was_written_leaves_at_the_old_rate(const ef_port *port) {
    CHECK(waiting > 1000);
    CHECK(port->set_baud(port->context, 921600));
    CHECK_EQUAL(left_at_switch, 0);
    CHECK(longest_us < WATCHDOG_US);
}

int main(void) {
    ef_port port = {0};
    wire_open(&port);
    test_the_largest_message_does_not_starve_the_watchdog(&port);
    test_all_that_was_written_leaves_at_the_old_rate(&port);
    return finish("slow line");
}
