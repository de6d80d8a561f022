/* A node that senses from WiFi. What it computes and decides is in the core; here is only the hardware. */
#include "collector.h"
#include "edgeflow/csi_ring.h"
#include "edgeflow/node_settings.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "module_server.h"
#include "module_task.h"
#include "ota_server.h"
#include "ota_slots.h"
#include "probe.h"
#include "radio.h"
#include "sdkconfig.h"
#include "sender.h"
#include "sensing.h"
#include "settings_store.h"
#include "station.h"

#define LOOK_MS 500
#define GUARD_MORE_S 30

static const char *TAG = "csi_node";
static ef_node_settings settings;
static ef_csi_ring ring;

static ef_boot_verdict look(const ef_node_test *test) {
    uint32_t uptime_ms = (uint32_t)(esp_timer_get_time() / 1000);
    return ef_boot_decide(test, ota_slots_on_trial(), esp_ota_check_rollback_is_possible(), uptime_ms,
                          CONFIG_EDGEFLOW_BOOT_PATIENCE_S * 1000u);
}

/* Until new firmware has shown that it works, or has not. A crash before that is a verdict of the boot loader's. */
static void settle(ef_node_test *test, bool sends) {
    ef_boot_verdict verdict = look(test);
    while (verdict == EF_BOOT_WAIT) {
        vTaskDelay(pdMS_TO_TICKS(LOOK_MS));
        test->network = sends && station_is_online();
        verdict = look(test);
    }
    ota_guard_end();
    ESP_LOGI(TAG, "boot_settled verdict=%d sensing=%d storage=%d network=%d service=%d", verdict, test->sensing,
             test->storage, test->network, test->service);
    if (verdict == EF_BOOT_KEEP) {
        esp_err_t failed = esp_ota_mark_app_valid_cancel_rollback(); /* a restart would not help: it stays on trial */
        if (failed != ESP_OK) {
            ESP_LOGE(TAG, "keep_failed error=%s", esp_err_to_name(failed));
        }
    } else if (verdict == EF_BOOT_ROLL_BACK) {
        esp_err_t failed = esp_ota_mark_app_invalid_rollback_and_reboot(); /* returns only then */
        ESP_LOGE(TAG, "rollback_failed error=%s", esp_err_to_name(failed));
    }
}

void app_main(void) {
    ota_guard_begin(CONFIG_EDGEFLOW_BOOT_PATIENCE_S + GUARD_MORE_S);
    ef_node_test test = {.sensing = sensing_test(&ring)};
    test.storage = settings_store_load(&settings);
    probe_init();
    bool tunes = station_start(&settings);
    bool sends = sender_open(settings.target_ip, settings.target_port);
    TaskHandle_t task = sensing_start(&settings, &ring);
    test.sensing = test.sensing && task != NULL;
    if (tunes && task != NULL) {
        radio_start(&settings, &ring, task);
    }
    (void)collector_start(&settings); /* it says itself why it does not work */
    test.service = ota_server_start(&settings);
    if (module_task_start(&settings) && test.service) {
        test.service = module_server_start(ota_server_handle(), &settings);
    }
    settle(&test, sends);
}
