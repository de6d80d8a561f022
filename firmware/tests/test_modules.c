/* The host of modules behind an engine that does as it is told: states, budgets, faults, events, capabilities, HTTP. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/module_service.h"
#include "module_maker.h"

enum { SLOTS = 2, BYTES = 32 + 96 + MODULE_WASM_BYTES + 64 };

typedef struct world {
    ef_modules modules;
    ef_module_inputs inputs;
    uint8_t *arena;
    uint64_t now, takes_us;
    ef_module_end ends;
    uint32_t emits, calls[3], slot;
    float value;
    int32_t id;
    bool refuses;
    uint32_t unloaded;
    ef_csi_events_packet told;
    uint32_t packets;
    char logged[128];
} world;

static bool on_load(void *context, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb, uint32_t pending) {
    world *all = context;
    CHECK(bytes > MODULE_WASM_BYTES && memory_kb == 32 && pending > 0 && wasm[1] == 'a');
    all->slot = slot;
    return !all->refuses;
}

static ef_module_end on_call(void *context, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                             ef_module_call *call) {
    world *all = context;
    CHECK(fuel == 80000 && argument == (int32_t)all->inputs.subcarriers);
    all->slot = slot;
    all->calls[entry]++;
    all->now += all->takes_us;
    for (uint32_t i = 0; i < all->emits; i++) {
        ef_module_emit(call, all->id, all->value);
    }
    ef_module_write_log(call, (const uint8_t *)"one\ntwo", 7, 0, 7);
    return all->ends;
}

static void on_unload(void *context, uint32_t slot) {
    (void)slot;
    ((world *)context)->unloaded++;
}

static uint64_t on_clock(void *context) {
    return ((world *)context)->now;
}

static void on_tell(void *context, const ef_csi_events_packet *events) {
    world *all = context;
    all->told = *events;
    all->packets++;
}

static void on_log(void *context, uint32_t slot, const char *line) {
    (void)slot;
    memcpy(((world *)context)->logged, line, strlen(line) + 1u);
}

static void begin(world *all, bool accepts_unsigned) {
    memset(all, 0, sizeof *all);
    all->arena = malloc((size_t)SLOTS * EF_MODULE_ARENA_BYTES);
    const ef_module_engine engine = {all, on_load, on_call, on_unload, on_clock, on_tell, on_log};
    CHECK_EQUAL(ef_modules_init(&all->modules, &engine, all->arena, SLOTS, EF_MODULE_ARENA_BYTES, 9, module_key, accepts_unsigned), EF_OK);
    all->takes_us = 100;
    all->inputs.subcarriers = 64;
}

static uint32_t load(world *all) {
    uint8_t image[BYTES];
    uint32_t slot = 99;
    ef_rvf_fault fault;
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    CHECK_EQUAL(ef_modules_load(&all->modules, image, BYTES, &slot, &fault), EF_MODULE_TAKEN);
    return slot;
}

static void frame(world *all, uint64_t now_us) {
    all->inputs.time_ms = (uint32_t)(now_us / 1000u);
    ef_modules_frame(&all->modules, &all->inputs, now_us);
}

static void test_states(void) {
    world all;
    begin(&all, false);
    CHECK_EQUAL(ef_modules_start(&all.modules, 0, &all.inputs), EF_ERROR_NO_MODEL);
    CHECK_EQUAL(load(&all), 0);
    CHECK_EQUAL(load(&all), 1);
    CHECK_EQUAL(all.modules.slots[1].state, EF_MODULE_LOADED);
    frame(&all, 0);
    CHECK_EQUAL(all.calls[EF_MODULE_ON_FRAME], 0);
    CHECK_EQUAL(ef_modules_stop(&all.modules, 1), EF_ERROR_STATE);
    CHECK_EQUAL(ef_modules_start(&all.modules, 1, &all.inputs), EF_OK);
    CHECK_EQUAL(all.slot, 1); /* on_init runs in the slot of its own */
    CHECK_EQUAL(ef_modules_start(&all.modules, 1, &all.inputs), EF_ERROR_STATE);
    frame(&all, 1);
    CHECK(all.calls[EF_MODULE_ON_FRAME] == 1 && all.modules.slots[1].frame_count == 1);
    CHECK_EQUAL(ef_modules_stop(&all.modules, 1), EF_OK);
    frame(&all, 2);
    CHECK_EQUAL(all.calls[EF_MODULE_ON_FRAME], 1);
    CHECK_EQUAL(ef_modules_unload(&all.modules, 1), EF_OK);
    CHECK(all.unloaded == 1 && ef_modules_loaded(&all.modules) == 1);
    CHECK_EQUAL(ef_modules_unload(&all.modules, 1), EF_ERROR_NO_MODEL);
    CHECK_EQUAL(ef_modules_unload(&all.modules, 7), EF_ERROR_NO_MODEL);
    CHECK(strcmp(all.logged, "one.two") == 0);
    free(all.arena);
}

static void test_what_is_refused(void) {
    world all;
    uint8_t image[BYTES];
    uint32_t slot;
    ef_rvf_fault fault;
    begin(&all, false);
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    image[BYTES - 1u] ^= 1u;
    CHECK_EQUAL(ef_modules_load(&all.modules, image, BYTES, &slot, &fault), EF_MODULE_FORGED);
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    image[6] = 0; /* not signed, by its flags */
    CHECK_EQUAL(ef_modules_load(&all.modules, image, BYTES, &slot, &fault), EF_MODULE_CONTAINER);
    CHECK_EQUAL(fault, EF_RVF_FLAGS);
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    all.modules.gate.key = NULL;
    CHECK_EQUAL(ef_modules_load(&all.modules, image, BYTES, &slot, &fault), EF_MODULE_NO_KEY);
    all.modules.gate.key = module_key;
    all.refuses = true;
    CHECK_EQUAL(ef_modules_load(&all.modules, image, BYTES, &slot, &fault), EF_MODULE_ENGINE);
    CHECK_EQUAL(all.modules.slots[0].state, EF_MODULE_EMPTY);
    all.refuses = false;
    load(&all);
    load(&all);
    CHECK_EQUAL(ef_modules_load(&all.modules, image, BYTES, &slot, &fault), EF_MODULE_FULL);
    free(all.arena);
}

static void start(world *all) {
    begin(all, false);
    CHECK_EQUAL(ef_modules_start(&all->modules, load(all), &all->inputs), EF_OK);
}

static void test_ten_slow_frames_in_a_row_are_an_error(void) {
    world all;
    start(&all);
    ef_module *module = &all.modules.slots[0];
    for (unsigned i = 0; i < 9; i++) {
        all.takes_us = 2001;
        frame(&all, i);
    }
    all.takes_us = 1500; /* within the budget, yet not under half of it */
    frame(&all, 10);
    CHECK(module->state == EF_MODULE_RUNNING && module->budget_faults == 9 && module->faults_in_row[1] == 9);
    all.takes_us = 999;
    frame(&all, 11);
    CHECK_EQUAL(module->faults_in_row[1], 0);
    all.takes_us = 5000;
    for (unsigned i = 0; i < 10; i++) {
        frame(&all, 20 + i);
    }
    CHECK(module->state == EF_MODULE_ERROR && module->max_us == 5000 && all.calls[1] == 21);
    CHECK_EQUAL(module->total_us, 100 + 9 * 2001 + 1500 + 999 + 50000);
    CHECK_EQUAL(ef_module_mean_us(module), module->total_us / 22);
    CHECK_EQUAL(ef_modules_start(&all.modules, 0, &all.inputs), EF_OK);
    CHECK_EQUAL(module->state, EF_MODULE_RUNNING);
    free(all.arena);
}

static void test_a_quick_timer_excuses_no_endless_frame(void) {
    world all;
    start(&all);
    for (unsigned second = 0; second < 12; second++) {
        all.ends = EF_MODULE_ENDLESS;
        frame(&all, second * 2000000ull);
        all.ends = EF_MODULE_DONE;
        ef_modules_tick(&all.modules, &all.inputs, second * 2000000ull + 1000000u);
    }
    CHECK_EQUAL(all.modules.slots[0].state, EF_MODULE_ERROR);
    free(all.arena);
}

static void test_a_hundred_traps_are_an_error_also_of_the_timer(void) {
    world all;
    start(&all);
    all.ends = EF_MODULE_TRAPPED;
    all.emits = 1;
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQUAL(all.modules.slots[0].state, EF_MODULE_RUNNING);
        ef_modules_tick(&all.modules, &all.inputs, (i + 1u) * 1000000ull - (i == 0 ? 1000000u : 0u));
    }
    ef_modules_tick(&all.modules, &all.inputs, 101000000ull);
    CHECK(all.modules.slots[0].state == EF_MODULE_ERROR && all.calls[EF_MODULE_ON_TIMER] == 100);
    CHECK_EQUAL(all.packets, 0); /* nothing of a call that failed */
    free(all.arena);
}

static void test_the_timer_comes_once_a_second(void) {
    world all;
    start(&all);
    for (uint64_t now = 5; now < 10000000u; now += 20000) {
        frame(&all, now);
    }
    CHECK_EQUAL(all.calls[EF_MODULE_ON_TIMER], 9);
    free(all.arena);
}

static void test_events_within_the_dead_band_and_the_limit(void) {
    world all;
    start(&all);
    ef_module *module = &all.modules.slots[0];
    module->manifest.max_events_per_second = 0;
    all.emits = 20;
    all.id = 300;
    all.value = 1.0f;
    frame(&all, 1000000);
    CHECK(all.packets == 1 && all.told.count == 1 && all.told.events[0].id == 300 && all.told.node == 9);
    CHECK_EQUAL(module->suppressed_count, 15); /* sixteen of a call are taken, fifteen of them repeat */
    all.emits = 1;
    all.value = 1.04f;
    frame(&all, 1020000);
    CHECK_EQUAL(all.packets, 1);
    all.value = 1.06f;
    frame(&all, 1040000);
    CHECK_EQUAL(all.packets, 2);
    frame(&all, 2040000); /* the same again, a second later */
    CHECK_EQUAL(all.packets, 3);
    for (int id = 0; id < 100; id++) { /* more ids than are remembered */
        all.id = 1000 + id;
        frame(&all, 3000000);
    }
    CHECK_EQUAL(module->event_count, 103);
    module->manifest.max_events_per_second = 4;
    for (int id = 0; id < 50; id++) {
        all.id = 2000 + id;
        frame(&all, 5000000u + (uint64_t)id * 20000u);
    }
    CHECK(module->event_count == 107 && module->limited_count == 46);
    all.id = 65536;
    frame(&all, 9000000);
    CHECK_EQUAL(module->event_count, 107);
    free(all.arena);
}

static void test_capabilities_and_bounds_of_the_host_api(void) {
    static ef_module_inputs inputs = {.subcarriers = 2, .history_length = 3, .phases = {1, 2}, .history = {4, 5, 6}};
    ef_module_call call = {.inputs = &inputs, .capabilities = EF_MODULE_PHASE | EF_MODULE_SEES_HISTORY};
    inputs.breathing_bpm = 12;
    uint8_t *memory = malloc(16);
    CHECK(ef_module_phase(&call, 1) == 2.0f && ef_module_phase(&call, 2) == 0.0f && ef_module_phase(&call, -1) == 0.0f);
    CHECK(ef_module_amplitude(&call, 0) == 0.0f && ef_module_breathing(&call) == 0.0f);
    CHECK_EQUAL(ef_module_history(&call, memory, 16, 4, 2), 2);
    float got[2];
    memcpy(got, memory + 4, sizeof got);
    CHECK(got[0] == 5.0f && got[1] == 6.0f);
    CHECK_EQUAL(ef_module_history(&call, memory, 16, 8, 3), 0); /* 4 bytes too many */
    CHECK_EQUAL(ef_module_history(&call, memory, 16, UINT32_MAX - 3u, 3), 0); /* a sum of 32 bits would be 8 */
    CHECK_EQUAL(ef_module_history(&call, memory, 16, 0, -1), 0);
    ef_module_write_log(&call, memory, 16, 0, 4);
    ef_module_emit(&call, 1, 1.0f);
    CHECK(call.log_bytes == 0 && call.count == 0);
    call.capabilities = EF_MODULE_LOGS | EF_MODULE_TELLS;
    ef_module_write_log(&call, memory, 16, UINT32_MAX, 2);
    ef_module_write_log(&call, memory, 16, 10, INT32_MAX);
    CHECK_EQUAL(call.log_bytes, 0);
    const uint32_t infinite = 0x7F800000u;
    float value;
    memcpy(&value, &infinite, sizeof value);
    ef_module_emit(&call, 1, value);
    CHECK_EQUAL(call.count, 0);
    free(memory);
}

static int ask(world *all, const char *method, const char *path, const uint8_t *body, size_t length, char *answer) {
    const ef_module_request request = {method, path, "Bearer secret", body, length};
    return ef_module_answer(&all->modules, &request, "secret", &all->inputs, answer, EF_MODULE_ANSWER_BYTES);
}

static void test_http(void) {
    world all;
    uint8_t image[BYTES];
    char answer[EF_MODULE_ANSWER_BYTES];
    begin(&all, false);
    make_module(endless_wasm, MODULE_WASM_BYTES, image);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/upload", image, BYTES, answer), 200);
    CHECK(strcmp(answer, "{\"status\":\"ok\",\"format\":\"rvf\",\"module_id\":0,\"name\":\"wdp-test-endless\",\"version\":0,"
                         "\"wasm_size\":47,\"caps\":\"0x007f\",\"budget_us\":2000,\"started\":true,\"kept\":false}") == 0);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/stop/0", NULL, 0, answer), 200);
    CHECK(strcmp(answer, "{\"status\":\"ok\",\"action\":\"stopped\"}") == 0);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/stop/0", NULL, 0, answer), 400);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/0?x", NULL, 0, answer), 200);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/9999999999", NULL, 0, answer), 400);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/", NULL, 0, answer), 404);
    CHECK_EQUAL(ask(&all, "DELETE", "/wasm/0", NULL, 0, answer), 200);
    CHECK_EQUAL(ask(&all, "DELETE", "/wasm/0", NULL, 0, answer), 400);
    CHECK_EQUAL(ask(&all, "GET", "/wasm/0", NULL, 0, answer), 405);
    CHECK_EQUAL(ask(&all, "GET", "/wasm/none", NULL, 0, answer), 404);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/upload", endless_wasm, MODULE_WASM_BYTES, answer), 403);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/upload", image, EF_RVF_MOST_BYTES + 1u, answer), 413);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/upload", image, 0, answer), 400);
    const ef_module_request other = {"GET", "/wasm/list", "Bearer secreT", NULL, 0};
    CHECK_EQUAL(ef_module_answer(&all.modules, &other, "secret", &all.inputs, answer, sizeof answer), 403);
    CHECK_EQUAL(ef_module_answer(&all.modules, &other, "", &all.inputs, answer, sizeof answer), 403);
    free(all.arena);
}

static void test_a_list_with_hostile_names_fits_and_is_escaped(void) {
    world all;
    char answer[EF_MODULE_ANSWER_BYTES];
    begin(&all, false);
    all.modules.count = EF_MODULE_SLOTS;
    for (unsigned i = 0; i < EF_MODULE_SLOTS; i++) {
        memset(&all.modules.slots[i], 0xFF, sizeof all.modules.slots[i]);
        all.modules.slots[i].state = EF_MODULE_STOPPED;
        memset(all.modules.slots[i].manifest.name, i == 0 ? '"' : '\xFF', 31);
        all.modules.slots[i].manifest.name[31] = '\0';
        all.modules.slots[i].calls = 1;
    }
    CHECK_EQUAL(ask(&all, "GET", "/wasm/list", NULL, 0, answer), 200);
    CHECK(strstr(answer, "\\u0022") != NULL && strstr(answer, "\\u00ff") != NULL && strstr(answer, "],\"loaded\":8,") != NULL);
    CHECK(!ef_module_list(&all.modules, answer, 2048) && answer[0] == '\0');
    free(all.arena);
}

int main(void) {
    test_states();
    test_what_is_refused();
    test_ten_slow_frames_in_a_row_are_an_error();
    test_a_quick_timer_excuses_no_endless_frame();
    test_a_hundred_traps_are_an_error_also_of_the_timer();
    test_the_timer_comes_once_a_second();
    test_events_within_the_dead_band_and_the_limit();
    test_capabilities_and_bounds_of_the_host_api();
    test_http();
    test_a_list_with_hostile_names_fits_and_is_escaped();
    return finish("modules");
}
