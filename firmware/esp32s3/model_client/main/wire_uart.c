#include "sdkconfig.h"
#if CONFIG_EDGEFLOW_WIRE_UART0

#include "driver/uart.h"
#include "esp_task_wdt.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "wire.h"

#define WIRE UART_NUM_0
#define TRANSMIT_BYTES 4096
#define PIECE_BYTES 1024
#define DRAIN_MS 6000 /* TRANSMIT_BYTES and the FIFO take 4.4 s at the slowest rate */
#define EVENTS 16
#define WAKE_AFTER_BYTES 64
#define WAKE_AFTER_SILENCE 2 /* symbols */
#define FASTEST_BAUD 5000000u

static QueueHandle_t events;

static size_t read_bytes(void *context, uint8_t *to, size_t most) {
    (void)context;
    int count = uart_read_bytes(WIRE, to, (uint32_t)most, 0);
    return count > 0 ? (size_t)count : 0;
}

static void write_bytes(void *context, const uint8_t *from, size_t count) {
    (void)context;
    while (count > 0) {
        size_t piece = count < PIECE_BYTES ? count : PIECE_BYTES;
        uart_write_bytes(WIRE, from, piece);
        from += piece;
        count -= piece;
        if (count > 0) {
            esp_task_wdt_reset(); /* the largest message takes 34 s at the slowest rate */
        }
    }
}

void wire_drain(void) {
    uart_wait_tx_done(WIRE, pdMS_TO_TICKS(DRAIN_MS));
}

static bool set_baud(void *context, uint32_t baud) {
    (void)context;
    if (baud < 9600u || baud > FASTEST_BAUD) {
        return false;
    }
    wire_drain(); /* the reply to the request, and those before it, leave at the old rate */
    return uart_set_baudrate(WIRE, baud) == ESP_OK;
}

void wire_open(ef_port *port) {
    const uart_config_t config = {
        .baud_rate = CONFIG_EDGEFLOW_BAUD,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };
    ESP_ERROR_CHECK(uart_driver_install(WIRE, WIRE_RECEIVE_BYTES, TRANSMIT_BYTES, EVENTS, &events, 0));
    ESP_ERROR_CHECK(uart_param_config(WIRE, &config));
    ESP_ERROR_CHECK(uart_set_rx_full_threshold(WIRE, WAKE_AFTER_BYTES));
    ESP_ERROR_CHECK(uart_set_rx_timeout(WIRE, WAKE_AFTER_SILENCE));
    port->read = read_bytes;
    port->write = write_bytes;
    port->set_baud = set_baud;
}

void wire_wait(unsigned milliseconds) {
    uart_event_t event;
    xQueueReceive(events, &event, pdMS_TO_TICKS(milliseconds));
}

#endif
