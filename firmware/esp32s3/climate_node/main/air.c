#include "air.h"

#include "edgeflow/bme280.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "sdkconfig.h"

static const char *TAG = "air";

#if CONFIG_EDGEFLOW_AIR_BME280

#include "driver/i2c_master.h"

#define CLOCK_HZ 100000
#define ANSWER_MS 20

static i2c_master_dev_handle_t device;
static ef_bme280 chip;
static bool known;

static bool read_registers(void *context, uint8_t at, uint8_t *to, size_t size) {
    return i2c_master_transmit_receive(context, &at, 1, to, size, ANSWER_MS) == ESP_OK;
}

static bool write_register(void *context, uint8_t at, uint8_t value) {
    const uint8_t bytes[] = {at, value};
    return i2c_master_transmit(context, bytes, sizeof bytes, ANSWER_MS) == ESP_OK;
}

bool air_start(void) {
    const i2c_master_bus_config_t wires = {
        .i2c_port = -1,
        .sda_io_num = CONFIG_EDGEFLOW_PIN_SDA,
        .scl_io_num = CONFIG_EDGEFLOW_PIN_SCL,
        .clk_source = I2C_CLK_SRC_DEFAULT,
        .glitch_ignore_cnt = 7,
        .flags.enable_internal_pullup = true,
    };
    const i2c_device_config_t config = {
        .dev_addr_length = I2C_ADDR_BIT_LEN_7,
        .device_address = CONFIG_EDGEFLOW_BME280_ADDRESS,
        .scl_speed_hz = CLOCK_HZ,
    };
    i2c_master_bus_handle_t bus;
    return i2c_new_master_bus(&wires, &bus) == ESP_OK && i2c_master_bus_add_device(bus, &config, &device) == ESP_OK;
}

ef_status air_read(ef_air *air) {
    const ef_register_bus bus = {device, read_registers, write_register};
    if (device == NULL) {
        return EF_ERROR_FLASH;
    }
    if (!known) { /* it may have been plugged in, or have lost its power */
        const ef_status found = ef_bme280_init(&chip, &bus);
        if (found != EF_OK) {
            ESP_LOGW(TAG, "sensor_absent status=%d", found);
            return found == EF_ERROR_BUSY ? EF_ERROR_FLASH : found;
        }
    }
    ef_status read = ef_bme280_begin(&chip);
    if (read == EF_OK) {
        vTaskDelay(pdMS_TO_TICKS(EF_BME280_MEASURE_MS + 1u));
        read = ef_bme280_finish(&chip, air);
    }
    known = read == EF_OK;
    return read == EF_ERROR_BUSY ? EF_ERROR_FLASH : read;
}

#else

#include "driver/gpio.h"
#include "driver/rmt_rx.h"
#include "esp_rom_sys.h"

#define SYMBOLS 48u /* a low and a high each: answer, 40 bits, end */
#define WAKE_US 1200u
#define ANSWER_MS 10u
#define SHORTEST_NS 1000u
#define IDLE_NS 200000u

static rmt_channel_handle_t channel;
static SemaphoreHandle_t done;
static rmt_symbol_word_t symbols[SYMBOLS];
static volatile size_t heard;

static bool on_done(rmt_channel_handle_t from, const rmt_rx_done_event_data_t *event, void *unused) {
    BaseType_t woken = 0;
    (void)from;
    (void)unused;
    heard = event->num_symbols;
    xSemaphoreGiveFromISR(done, &woken);
    return woken == pdTRUE;
}

bool air_start(void) {
    const rmt_rx_channel_config_t config = {
        .gpio_num = CONFIG_EDGEFLOW_PIN_DHT22,
        .clk_src = RMT_CLK_SRC_DEFAULT,
        .resolution_hz = 1000000,
        .mem_block_symbols = SYMBOLS,
    };
    const rmt_rx_event_callbacks_t callbacks = {.on_recv_done = on_done};
    done = xSemaphoreCreateBinary();
    if (done == NULL || rmt_new_rx_channel(&config, &channel) != ESP_OK) {
        return false;
    }
    /* After the channel, which makes an input of it. */
    return rmt_rx_register_event_callbacks(channel, &callbacks, NULL) == ESP_OK && rmt_enable(channel) == ESP_OK &&
           gpio_set_direction(CONFIG_EDGEFLOW_PIN_DHT22, GPIO_MODE_INPUT_OUTPUT_OD) == ESP_OK &&
           gpio_set_pull_mode(CONFIG_EDGEFLOW_PIN_DHT22, GPIO_PULLUP_ONLY) == ESP_OK &&
           gpio_set_level(CONFIG_EDGEFLOW_PIN_DHT22, 1) == ESP_OK;
}

/* The line's highs, the last 40 of them; returns how many there were, at most 40. */
static size_t gather(size_t count, uint16_t high_us[EF_DHT22_BITS]) {
    size_t highs = 0;
    for (size_t half = 2u * (count < SYMBOLS ? count : SYMBOLS); half-- > 0 && highs < EF_DHT22_BITS;) {
        const rmt_symbol_word_t *symbol = &symbols[half / 2u];
        const bool second = half % 2u == 1u;
        const unsigned level = second ? symbol->level1 : symbol->level0;
        const unsigned lasted = second ? symbol->duration1 : symbol->duration0;
        if (level == 1u && lasted > 0) {
            high_us[EF_DHT22_BITS - ++highs] = (uint16_t)lasted;
        }
    }
    return highs;
}

ef_status air_read(ef_air *air) {
    const rmt_receive_config_t config = {.signal_range_min_ns = SHORTEST_NS, .signal_range_max_ns = IDLE_NS};
    uint16_t high_us[EF_DHT22_BITS] = {0};
    if (channel == NULL) {
        return EF_ERROR_FLASH;
    }
    (void)xSemaphoreTake(done, 0);
    gpio_set_level(CONFIG_EDGEFLOW_PIN_DHT22, 0);
    esp_rom_delay_us(WAKE_US);
    const esp_err_t asked = rmt_receive(channel, symbols, sizeof symbols, &config);
    gpio_set_level(CONFIG_EDGEFLOW_PIN_DHT22, 1);
    if (asked != ESP_OK || xSemaphoreTake(done, pdMS_TO_TICKS(ANSWER_MS)) != pdTRUE) {
        ESP_LOGW(TAG, "sensor_silent error=%s", esp_err_to_name(asked));
        /* A job that nobody answered would refuse the next one. */
        (void)rmt_disable(channel);
        (void)rmt_enable(channel);
        return EF_ERROR_FLASH;
    }
    const size_t bits = gather(heard, high_us);
    return ef_dht22_decode(high_us, bits, air);
}

#endif
