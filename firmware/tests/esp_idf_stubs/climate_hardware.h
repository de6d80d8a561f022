/* Pins, a servo, a DHT22 and a microphone for climate_turns.c, whose time they use. */
#ifndef CLIMATE_HARDWARE_H
#define CLIMATE_HARDWARE_H

#include "driver/i2s_std.h"
#include "driver/ledc.h"
#include "driver/rmt_rx.h"
#include "esp_heap_caps.h"
#include "freertos/semphr.h"

static rmt_rx_done_callback_t on_pulses;
static rmt_symbol_word_t *symbols;
static uint32_t duty;
static size_t frames_left;

/* Pins, servo, memory */
esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode) {
    CHECK(pin >= 0 && mode > 0);
    return ESP_OK;
}

esp_err_t gpio_set_pull_mode(gpio_num_t pin, gpio_pull_mode_t pull) {
    CHECK(pin >= 0 && pull == GPIO_PULLUP_ONLY);
    return ESP_OK;
}

int gpio_get_level(gpio_num_t pin) {
    CHECK(pin >= 0);
    return 1;
}

esp_err_t ledc_timer_config(const ledc_timer_config_t *timer) {
    CHECK(timer->freq_hz == 50 && timer->duty_resolution == LEDC_TIMER_14_BIT);
    return ESP_OK;
}

esp_err_t ledc_channel_config(const ledc_channel_config_t *channel) {
    CHECK(channel->gpio_num == CONFIG_EDGEFLOW_PIN_MOTOR);
    return ESP_OK;
}

esp_err_t ledc_set_duty(ledc_mode_t mode, ledc_channel_t channel, uint32_t value) {
    CHECK(mode == LEDC_LOW_SPEED_MODE && channel == LEDC_CHANNEL_0);
    duty = value;
    return ESP_OK;
}

esp_err_t ledc_update_duty(ledc_mode_t mode, ledc_channel_t channel) {
    (void)mode;
    (void)channel;
    return ESP_OK;
}

void *heap_caps_aligned_alloc(size_t alignment, size_t size, uint32_t caps) {
    CHECK(caps == MALLOC_CAP_SPIRAM);
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

/* The sensor: the data sheet's example, 65.8 % and 26.9 degrees. */
esp_err_t rmt_new_rx_channel(const rmt_rx_channel_config_t *config, rmt_channel_handle_t *channel) {
    CHECK(config->resolution_hz == 1000000 && config->mem_block_symbols >= 43);
    *channel = (rmt_channel_handle_t)&duty;
    return ESP_OK;
}

esp_err_t rmt_rx_register_event_callbacks(rmt_channel_handle_t channel, const rmt_rx_event_callbacks_t *callbacks, void *user) {
    CHECK(channel != NULL && user == NULL);
    on_pulses = callbacks->on_recv_done;
    return ESP_OK;
}

esp_err_t rmt_enable(rmt_channel_handle_t channel) {
    return channel == NULL ? ESP_FAIL : ESP_OK;
}

esp_err_t rmt_disable(rmt_channel_handle_t channel) {
    return channel == NULL ? ESP_FAIL : ESP_OK;
}

static bool low_since_wake;

esp_err_t rmt_receive(rmt_channel_handle_t channel, void *buffer, size_t size, const rmt_receive_config_t *config) {
    CHECK(channel != NULL && config->signal_range_max_ns > 90000 && size >= 43 * sizeof *symbols && low_since_wake);
    symbols = buffer;
    return ESP_OK;
}

esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level) {
    CHECK(pin == CONFIG_EDGEFLOW_PIN_DHT22);
    low_since_wake = level == 0;
    return ESP_OK;
}

static void sensor_speaks(void) {
    static const uint8_t bytes[] = {0x02, 0x92, 0x01, 0x0D, 0xA2};
    symbols[0] = (rmt_symbol_word_t){.duration0 = 80, .duration1 = 80, .level1 = 1};
    for (unsigned i = 0; i < 40; i++) {
        const uint16_t high = bytes[i / 8] >> (7 - i % 8) & 1 ? 70 : 26;
        symbols[i + 1] = (rmt_symbol_word_t){.duration0 = 50, .duration1 = high, .level1 = 1};
    }
    symbols[41] = (rmt_symbol_word_t){.duration0 = 50, .duration1 = 0, .level1 = 1};
    const rmt_rx_done_event_data_t data = {symbols, 42};
    (void)on_pulses((rmt_channel_handle_t)&duty, &data, NULL);
}

SemaphoreHandle_t xSemaphoreCreateBinary(void) {
    return (SemaphoreHandle_t)&duty;
}

BaseType_t xSemaphoreGiveFromISR(SemaphoreHandle_t semaphore, BaseType_t *woken) {
    *woken = pdTRUE;
    return semaphore != NULL;
}

BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks) {
    CHECK(semaphore != NULL);
    if (ticks == 0) {
        now_us += ticks * 1000u;
        return 0;
    }
    sensor_speaks();
    return pdTRUE;
}

/* The microphone: 16 samples a millisecond. */
esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *to, i2s_chan_handle_t *from) {
    CHECK(config->role == I2S_ROLE_MASTER && to == NULL);
    *from = (i2s_chan_handle_t)&duty;
    return ESP_OK;
}

esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t channel, const i2s_std_config_t *config) {
    CHECK(channel != NULL && config->clk_cfg.sample_rate_hz == 16000);
    return ESP_OK;
}

esp_err_t i2s_channel_enable(i2s_chan_handle_t channel) {
    frames_left = 0;
    return channel == NULL ? ESP_FAIL : ESP_OK;
}

esp_err_t i2s_channel_disable(i2s_chan_handle_t channel) {
    return channel == NULL ? ESP_FAIL : ESP_OK;
}

esp_err_t i2s_channel_read(i2s_chan_handle_t channel, void *to, size_t size, size_t *bytes, uint32_t timeout) {
    CHECK(channel != NULL && timeout == 0);
    if (frames_left == 0) {
        *bytes = 0;
        return ESP_FAIL;
    }
    *bytes = frames_left * 4 < size ? frames_left * 4 : size;
    frames_left -= *bytes / 4;
    memset(to, 0x01, *bytes);
    return ESP_OK;
}

#endif
