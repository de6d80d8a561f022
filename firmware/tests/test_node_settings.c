/* The keys of a node: every range from both sides, every kind in a wrong size, and noise. */
#include "edgeflow/node_settings.h"

#include "check.h"

static ef_node_settings settings;

static const ef_setting *find(const char *key) {
    size_t count;
    const ef_setting *table = ef_settings(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].key, key) == 0) {
            return &table[i];
        }
    }
    CHECK(!"a key of the table");
    return table;
}

static ef_status take(const char *key, uint32_t number) {
    const ef_setting *setting = find(key);
    size_t bytes = setting->kind == EF_SETTING_U8 ? 1 : setting->kind == EF_SETTING_U16 ? 2 : 4;
    return ef_setting_take(&settings, setting, &number, bytes);
}

static ef_status take_text(const char *key, const char *text) {
    return ef_setting_take(&settings, find(key), text, strlen(text));
}

static void test_the_defaults(void) {
    ef_settings_default(&settings);
    CHECK(strcmp(settings.target_ip, "192.168.1.100") == 0 && settings.target_port == 5005 && settings.node_id == 1);
    CHECK(settings.edge_tier == 2 && settings.vital_interval_ms == 1000 && settings.power_duty == 100);
    CHECK(settings.fall_milli == 50000 && settings.presence_milli == 0 && settings.ota_key[0] == '\0');
    CHECK(ef_settings_finish(&settings));
    ef_csi_options options = ef_settings_options(&settings);
    CHECK(options.tier == 2 && options.fall_threshold == 50.0f && options.presence_threshold == 0.0f);
}

static void test_every_number_has_its_range(void) {
    static const struct { const char *key; uint32_t least, most; } ranges[] = {
        {"hop_count", 1, 6}, {"dwell_ms", 10, 60000}, {"tdm_nodes", 1, 255}, {"edge_tier", 0, 2},
        {"vital_win", 32, 256}, {"vital_int", 100, 65535}, {"subk_count", 1, 32}, {"power_duty", 10, 100},
        {"wasm_max", 1, 8}, {"wasm_verify", 0, 1}, {"wasm_older", 0, 1}, {"target_port", 1, 65535}, {"csi_channel", 0, 177},
        {"fall_thresh", 1, 65535},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        ef_settings_default(&settings);
        ef_setting_kind kind = find(ranges[i].key)->kind;
        uint32_t limit = kind == EF_SETTING_U8 ? UINT8_MAX : kind == EF_SETTING_U16 ? UINT16_MAX : UINT32_MAX;
        CHECK_EQUAL(take(ranges[i].key, ranges[i].least), EF_OK);
        CHECK_EQUAL(take(ranges[i].key, ranges[i].most), EF_OK);
        ef_node_settings before = settings;
        if (ranges[i].least > 0) {
            CHECK_EQUAL(take(ranges[i].key, ranges[i].least - 1u), EF_ERROR_SHAPE);
        }
        if (ranges[i].most < limit) {
            CHECK_EQUAL(take(ranges[i].key, ranges[i].most + 1u), EF_ERROR_SHAPE);
        }
        CHECK(memcmp(&before, &settings, sizeof settings) == 0);
    }
}

static void test_channels_between_the_bands_are_none(void) {
    ef_settings_default(&settings);
    CHECK_EQUAL(take("csi_channel", 15), EF_ERROR_SHAPE);
    CHECK_EQUAL(take("csi_channel", 35), EF_ERROR_SHAPE);
    CHECK_EQUAL(take("csi_channel", 36), EF_OK);
    CHECK_EQUAL(settings.channel, 36);
}

static void test_texts_and_blobs_fit_or_are_left_out(void) {
    char longest[66];
    memset(longest, 'x', sizeof longest);
    longest[65] = '\0';
    ef_settings_default(&settings);
    CHECK_EQUAL(take_text("ssid", "lab"), EF_OK);
    CHECK_EQUAL(take_text("ssid", longest), EF_ERROR_LENGTH);
    CHECK_EQUAL(take_text("ssid", ""), EF_ERROR_LENGTH);
    CHECK(strcmp(settings.ssid, "lab") == 0);
    CHECK_EQUAL(take_text("password", ""), EF_OK);
    CHECK_EQUAL(take_text("ota_psk", longest), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("ota_psk"), longest, 15), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("ota_psk"), longest, 64), EF_OK);
    CHECK_EQUAL(strlen(settings.ota_key), 64);
    CHECK_EQUAL(ef_setting_take(&settings, find("ssid"), "a\0b", 3), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("filter_mac"), longest, 5), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("ota_pubkey"), longest, 31), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("ota_pubkey"), longest, 32), EF_OK);
    CHECK_EQUAL(settings.ota_public_key_bytes, 32);
    CHECK_EQUAL(settings.filter_mac_bytes, 0);
    CHECK_EQUAL(ef_setting_take(&settings, find("filter_mac"), longest, 6), EF_OK);
    CHECK_EQUAL(settings.filter_mac_bytes, 6);
    CHECK_EQUAL(ef_setting_take(&settings, find("chan_list"), longest, 7), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_setting_take(&settings, find("target_port"), longest, 4), EF_ERROR_LENGTH);
}

static void test_what_holds_between_keys(void) {
    ef_settings_default(&settings);
    CHECK(take("tdm_slot", 3) == EF_OK && take("tdm_nodes", 3) == EF_OK && take("hop_count", 4) == EF_OK);
    CHECK_EQUAL(ef_setting_take(&settings, find("chan_list"), "\1\6", 2), EF_OK);
    CHECK(!ef_settings_finish(&settings));
    CHECK(settings.tdm_slot == 0 && settings.hop_count == 2);
    CHECK(ef_settings_finish(&settings));
}

static void test_noise_leaves_settings_the_core_takes(bool exhaustive) {
    size_t count;
    const ef_setting *table = ef_settings(&count);
    uint32_t state = 7;
    for (unsigned round = 0; round < (exhaustive ? 200000u : 5000u); round++) {
        uint8_t value[80];
        for (size_t i = 0; i < sizeof value; i++) {
            value[i] = (uint8_t)next_random(&state);
        }
        if (round % 50u == 0) {
            ef_settings_default(&settings);
        }
        ef_status done = ef_setting_take(&settings, &table[next_random(&state) % count], value, next_random(&state) % 80u);
        CHECK(done == EF_OK || done == EF_ERROR_LENGTH || done == EF_ERROR_SHAPE);
        ef_settings_finish(&settings);
        CHECK(settings.tdm_slot < settings.tdm_nodes && settings.hop_count >= 1 && settings.hop_count <= EF_HOP_CHANNELS);
        CHECK(memchr(settings.ssid, '\0', sizeof settings.ssid) && memchr(settings.ota_key, '\0', sizeof settings.ota_key));
        ef_csi_options options = ef_settings_options(&settings);
        CHECK(options.fall_threshold > 0.0f && options.top_subcarriers >= 1 && options.top_subcarriers <= 32);
    }
}

static void test_keys_fit_into_flash(void) {
    size_t count;
    const ef_setting *table = ef_settings(&count);
    CHECK_EQUAL(count, 30);
    for (size_t i = 0; i < count; i++) {
        CHECK(strlen(table[i].key) <= 15 && strlen(table[i].space) <= 15);
        bool bytes = table[i].kind == EF_SETTING_STRING || table[i].kind == EF_SETTING_BLOB;
        CHECK(!bytes || table[i].most < EF_SETTING_BYTES);
    }
}

int main(int count, char **arguments) {
    test_the_defaults();
    test_every_number_has_its_range();
    test_channels_between_the_bands_are_none();
    test_texts_and_blobs_fit_or_are_left_out();
    test_what_holds_between_keys();
    test_noise_leaves_settings_the_core_takes(is_exhaustive(count, arguments));
    test_keys_fit_into_flash();
    return finish("node settings");
}
