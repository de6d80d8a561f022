#include "sdkconfig.h"
#if CONFIG_EDGEFLOW_WIRE_USB

#include "driver/usb_serial_jtag.h"
#include "esp_task_wdt.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "wire.h"

#define TRANSMIT_BYTES 4096
#define HOST_PATIENCE_MS 1000
#define DRAIN_MS 100

/* The driver tells of new bytes only to whoever reads, so one byte is kept from waiting to reading. */
static uint8_t kept;
static bool keeps;

static size_t read_bytes(void *context, uint8_t *to, size_t most) {
    (void)context;
    size_t count = 0;
    if (keeps && most > 0) {
        to[count++] = kept;
        keeps = false;
    }
    int more = usb_serial_jtag_read_bytes(to + count, (uint32_t)(most - count), 0);
    return count + (more > 0 ? (size_t)more : 0);
}

static void write_bytes(void *context, const uint8_t *from, size_t count) {
    (void)context;
    while (count > 0) {
        size_t part = count < TRANSMIT_BYTES ? count : TRANSMIT_BYTES;
        int sent = usb_serial_jtag_write_bytes(from, part, pdMS_TO_TICKS(HOST_PATIENCE_MS));
        if (sent <= 0) {
            return; /* nobody reads; the host asks again */
        }
        from += sent;
        count -= (size_t)sent;
        if (count > 0) {
            esp_task_wdt_reset(); /* a host that reads slowly is no hang */
        }
    }
}

void wire_drain(void) {
    vTaskDelay(pdMS_TO_TICKS(DRAIN_MS));
}

void wire_open(ef_port *port) {
    usb_serial_jtag_driver_config_t config = {
        .tx_buffer_size = TRANSMIT_BYTES,
        .rx_buffer_size = WIRE_RECEIVE_BYTES,
    };
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&config));
    port->read = read_bytes;
    port->write = write_bytes;
    port->set_baud = NULL;
}

void wire_wait(unsigned milliseconds) {
    if (!keeps) {
        keeps = usb_serial_jtag_read_bytes(&kept, 1, pdMS_TO_TICKS(milliseconds)) == 1;
    }
}

#endif
