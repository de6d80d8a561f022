#include "microphone.h"

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "sdkconfig.h"

#if CONFIG_EDGEFLOW_MICROPHONE

#include "driver/i2s_std.h"

#define SAMPLES (MICROPHONE_HZ / 1000u * CONFIG_EDGEFLOW_AUDIO_MS)
#define TEXT_BYTES ((SAMPLES * 2u + 2u) / 3u * 4u + 256u) /* in base64, with head and tail */
#define FRAMES 256u
#define SETTLING 8000u /* samples after its clock starts, which are none (INMP441: 2^18 clocks) */

static const char *TAG = "microphone";
static i2s_chan_handle_t channel;
static ef_sound sound;
static char *text;
static size_t settling;
static bool runs;

bool microphone_start(void) {
    i2s_chan_config_t own = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_AUTO, I2S_ROLE_MASTER);
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(MICROPHONE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {
            .mclk = I2S_GPIO_UNUSED,
            .bclk = CONFIG_EDGEFLOW_PIN_MIC_CLOCK,
            .ws = CONFIG_EDGEFLOW_PIN_MIC_SELECT,
            .dout = I2S_GPIO_UNUSED,
            .din = CONFIG_EDGEFLOW_PIN_MIC_DATA,
        },
    };
    sound = (ef_sound){.samples = heap_caps_aligned_alloc(4, SAMPLES * 2u, MALLOC_CAP_SPIRAM), .capacity = SAMPLES};
    text = heap_caps_aligned_alloc(4, TEXT_BYTES, MALLOC_CAP_SPIRAM);
    if (sound.samples == NULL || text == NULL) {
        ESP_LOGE(TAG, "no_memory bytes=%u hint=shorter_stretches_or_psram", (unsigned)(SAMPLES * 2u + TEXT_BYTES));
        return false;
    }
    return i2s_new_channel(&own, NULL, &channel) == ESP_OK && i2s_channel_init_std_mode(channel, &config) == ESP_OK;
}

static bool begin(void) {
    ef_sound_clear(&sound);
    settling = SETTLING;
    runs = i2s_channel_enable(channel) == ESP_OK;
    return runs;
}

bool microphone_record(void) {
    static int32_t frames[FRAMES];
    size_t bytes = sizeof frames;
    if (!runs && !begin()) {
        return false;
    }
    while (bytes == sizeof frames && !ef_sound_is_full(&sound)) {
        if (i2s_channel_read(channel, frames, sizeof frames, &bytes, 0) != ESP_OK) {
            return false; /* nothing came yet */
        }
        const size_t count = bytes / sizeof *frames, skipped = count < settling ? count : settling;
        settling -= skipped;
        (void)ef_sound_take(&sound, frames + skipped, count - skipped);
    }
    if (ef_sound_is_full(&sound)) {
        (void)i2s_channel_disable(channel);
        runs = false;
        return true;
    }
    return false;
}

ef_sound *microphone_sound(void) {
    return &sound;
}

char *microphone_text(size_t *most) {
    *most = TEXT_BYTES;
    return text;
}

#else

bool microphone_start(void) {
    return false;
}

bool microphone_record(void) {
    return false;
}

ef_sound *microphone_sound(void) {
    return NULL;
}

char *microphone_text(size_t *most) {
    *most = 0;
    return NULL;
}

#endif
