#include "motor.h"

#include "driver/gpio.h"
#include "sdkconfig.h"

#if CONFIG_EDGEFLOW_MOTOR_STEPPER

#include <stdatomic.h>

#include "esp_timer.h"

#define PINS 4u
#define STEP_US 1000u /* a 28BYJ-48 follows 1000 half steps a second without load */

static atomic_int wanted;
static int at; /* only the timer's task counts */

static void step(void *unused) {
    /* Half steps: which of the four coils have current. */
    static const uint8_t coils[] = {0x1, 0x3, 0x2, 0x6, 0x4, 0xC, 0x8, 0x9};
    (void)unused;
    const int left = atomic_load(&wanted) - at;
    at += left > 0 ? 1 : left < 0 ? -1 : 0;
    /* At rest it needs none: its gear holds the window. */
    const uint8_t now = left == 0 ? 0 : coils[(unsigned)at & 7u];
    for (unsigned i = 0; i < PINS; i++) {
        gpio_set_level(CONFIG_EDGEFLOW_PIN_MOTOR + (int)i, now >> i & 1u);
    }
}

ef_motor motor_kind(void) {
    return EF_MOTOR_STEPPER;
}

bool motor_start(void) {
    const esp_timer_create_args_t timer = {.callback = step, .name = "stepper"};
    esp_timer_handle_t handle;
    for (int i = 0; i < (int)PINS; i++) {
        gpio_set_direction(CONFIG_EDGEFLOW_PIN_MOTOR + i, GPIO_MODE_OUTPUT);
    }
    gpio_set_direction(CONFIG_EDGEFLOW_PIN_END_SWITCH, GPIO_MODE_INPUT);
    gpio_set_pull_mode(CONFIG_EDGEFLOW_PIN_END_SWITCH, GPIO_PULLUP_ONLY);
    return esp_timer_create(&timer, &handle) == ESP_OK && esp_timer_start_periodic(handle, STEP_US) == ESP_OK;
}

void motor_tell(float told) {
    static float last;
    static bool begun;
    const float change = told - last;
    /* The drive has found its place, or has been told another: the motor stays, and counts from there. */
    const bool jumps = !begun || change > 64.0f || change < -64.0f;
    if (!jumps) {
        atomic_fetch_add(&wanted, (int)told - (int)last);
    }
    begun = true;
    last = told;
}

bool motor_is_at_end(void) {
    return gpio_get_level(CONFIG_EDGEFLOW_PIN_END_SWITCH) == 0;
}

#else

#include "driver/ledc.h"

#define PERIOD_HZ 50
#define BITS 14u

ef_motor motor_kind(void) {
    return EF_MOTOR_SERVO;
}

bool motor_start(void) {
    const ledc_timer_config_t timer = {
        .speed_mode = LEDC_LOW_SPEED_MODE,
        .duty_resolution = LEDC_TIMER_14_BIT,
        .timer_num = LEDC_TIMER_0,
        .freq_hz = PERIOD_HZ,
        .clk_cfg = LEDC_AUTO_CLK,
    };
    const ledc_channel_config_t channel = {
        .gpio_num = CONFIG_EDGEFLOW_PIN_MOTOR,
        .speed_mode = LEDC_LOW_SPEED_MODE,
        .channel = LEDC_CHANNEL_0,
        .timer_sel = LEDC_TIMER_0,
    };
    return ledc_timer_config(&timer) == ESP_OK && ledc_channel_config(&channel) == ESP_OK;
}

void motor_tell(float told) {
    const float part = told * 1e-6f * (float)PERIOD_HZ * (float)(1u << BITS);
    ledc_set_duty(LEDC_LOW_SPEED_MODE, LEDC_CHANNEL_0, (uint32_t)(part > 0.0f ? part : 0.0f));
    ledc_update_duty(LEDC_LOW_SPEED_MODE, LEDC_CHANNEL_0);
}

bool motor_is_at_end(void) {
    return false;
}

#endif
