/* Modules over restarts of the node: what comes back, what a crash costs, and the power cut at every write. */
#include <stdlib.h>

#include "check.h"
#include "edgeflow/host_flash.h"
#include "edgeflow/module_service.h"
#include "module_maker.h"

enum { SLOTS = 3, BYTES = 32 + 96 + MODULE_WASM_BYTES + 64, SECTOR = 512, FLASH = (2 + EF_MODULE_SLOTS) * SECTOR };

typedef struct node {
    uint8_t bytes[FLASH]; /* all that outlives the power */
    ef_host_power power;
    ef_host_flash flash;
    ef_modules modules;
    ef_module_inputs inputs;
    uint8_t *arena;
    uint64_t now;
    unsigned loads, inits[SLOTS];
} node;

static uint8_t arena[SLOTS * 8192];
static uint8_t images[MODULE_VERSIONS][BYTES];

static bool on_load(void *context, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb, uint32_t pending) {
    (void)slot;
    ((node *)context)->loads++;
    return bytes > 8 && wasm[1] == 'a' && memory_kb == 32 && pending > 0;
}
static ef_module_end on_call(void *context, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                             ef_module_call *call) {
    (void)argument;
    (void)fuel;
    (void)call;
    ((node *)context)->inits[slot] += entry == EF_MODULE_ON_INIT ? 1u : 0u;
    return EF_MODULE_DONE;
}
static void on_unload(void *context, uint32_t slot) {
    (void)context;
    (void)slot;
}
static uint64_t on_clock(void *context) {
    return ((node *)context)->now;
}
static void on_tell(void *context, const ef_csi_events_packet *events) {
    (void)context;
    (void)events;
}
static void on_log(void *context, uint32_t slot, const char *line) {
    (void)context;
    (void)slot;
    (void)line;
}

/* Reset: all but the flash is lost. */
static void start_with(node *all, bool crashed, const uint8_t *key) {
    const ef_module_engine engine = {all, on_load, on_call, on_unload, on_clock, on_tell, on_log};
    all->power = (ef_host_power){.left = -1, .noise = 1};
    ef_host_flash_open(&all->flash, all->bytes, FLASH, SECTOR, NULL, &all->power);
    all->loads = 0;
    memset(all->inits, 0, sizeof all->inits);
    all->inputs.subcarriers = 64;
    CHECK_EQUAL(ef_modules_init(&all->modules, &engine, arena, SLOTS, sizeof arena / SLOTS, 9, key, key == NULL), EF_OK);
    CHECK_EQUAL(ef_modules_restore(&all->modules, &all->flash.flash, crashed), EF_OK);
}

static void start(node *all, bool crashed) {
    start_with(all, crashed, module_key);
}

static void blank(node *all) {
    memset(all, 0, sizeof *all);
    memset(all->bytes, 0xFF, sizeof all->bytes);
    start(all, false);
}

static void live(node *all, uint64_t us) {
    ef_modules_revive(&all->modules, &all->inputs, all->now);
    all->now += us;
    ef_modules_revive(&all->modules, &all->inputs, all->now);
}

static int ask(node *all, const char *method, const char *path, const uint8_t *body, size_t count, char *answer) {
    const ef_module_request request = {method, path, "Bearer secret", body, count};
    return ef_module_answer(&all->modules, &request, "secret", &all->inputs, answer, EF_MODULE_ANSWER_BYTES);
}

static int upload(node *all, uint32_t version) {
    char answer[EF_MODULE_ANSWER_BYTES];
    const int status = ask(all, "POST", "/wasm/upload", images[version], BYTES, answer);
    CHECK(status != 200 || (strstr(answer, "\"kept\":true") != NULL) == !all->power.lost);
    return status;
}

static ef_module_state state_of(const node *all, uint32_t slot) {
    return all->modules.slots[slot].state;
}

static void test_what_was_uploaded_comes_back_as_it_was(void) {
    node all;
    char answer[EF_MODULE_ANSWER_BYTES];
    blank(&all);
    CHECK_EQUAL(upload(&all, 1), 200);
    CHECK_EQUAL(upload(&all, 2), 200);
    CHECK_EQUAL(upload(&all, 3), 200);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/stop/1", NULL, 0, answer), 200);
    CHECK_EQUAL(ask(&all, "DELETE", "/wasm/0", NULL, 0, answer), 200);
    for (unsigned round = 0; round < 3; round++) {
        start(&all, false);
        CHECK(state_of(&all, 0) == EF_MODULE_EMPTY && state_of(&all, 1) == EF_MODULE_KEPT && state_of(&all, 2) == EF_MODULE_KEPT);
        CHECK_EQUAL(ask(&all, "GET", "/wasm/list", NULL, 0, answer), 200);
        CHECK(strstr(answer, "\"state\":\"kept\",\"name\":\"wdp-test-endless\",\"version\":2,\"kept\":true") != NULL);
        CHECK_EQUAL(all.loads, 0); /* not before its time */
        live(&all, EF_MODULE_SETTLE_US);
        CHECK(state_of(&all, 1) == EF_MODULE_STOPPED && state_of(&all, 2) == EF_MODULE_RUNNING);
        CHECK(all.inits[1] == 0 && all.inits[2] == 1 && all.loads == 2);
        CHECK_EQUAL(all.modules.slots[2].manifest.version, 3);
        CHECK_EQUAL(all.modules.gate.free_slots, 1);
    }
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/1", NULL, 0, answer), 200);
    start(&all, false);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/1", NULL, 0, answer), 200); /* nobody has to wait for its turn */
    CHECK_EQUAL(state_of(&all, 1), EF_MODULE_RUNNING);
    live(&all, EF_MODULE_SETTLE_US);
    CHECK_EQUAL(all.inits[1], 1);
}

static void test_an_older_version_is_refused_also_after_a_restart(void) {
    node all;
    char answer[EF_MODULE_ANSWER_BYTES];
    blank(&all);
    CHECK_EQUAL(upload(&all, 2), 200);
    CHECK_EQUAL(upload(&all, 2), 200); /* the same again is no older one */
    CHECK_EQUAL(ask(&all, "DELETE", "/wasm/0", NULL, 0, answer), 200);
    CHECK_EQUAL(ask(&all, "DELETE", "/wasm/1", NULL, 0, answer), 200);
    for (unsigned round = 0; round < 2; round++) {
        CHECK_EQUAL(ask(&all, "POST", "/wasm/upload", images[1], BYTES, answer), 409);
        CHECK(strcmp(answer, "{\"error\":\"older than what this node has had\"}") == 0);
        CHECK_EQUAL(upload(&all, 0), 409); /* without a version */
        start(&all, false);
    }
    all.modules.gate.allows_older = true;
    CHECK_EQUAL(upload(&all, 1), 200);
    start(&all, false);
    CHECK_EQUAL(ef_gate_version(&all.modules.gate, "wdp-test-endless\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 1);
    CHECK_EQUAL(upload(&all, 0), 409);
    CHECK_EQUAL(upload(&all, 1), 200);
}

static void test_who_ends_the_node_twice_is_disabled_and_nobody_else(void) {
    node all;
    char answer[EF_MODULE_ANSWER_BYTES];
    blank(&all);
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_EQUAL(upload(&all, 1), 200);
    }
    start(&all, false);
    live(&all, 0);
    CHECK(all.inits[0] == 1 && all.inits[1] == 1 && all.inits[2] == 1); /* nothing is known against anybody */
    start(&all, true);
    live(&all, EF_MODULE_SETTLE_US - 1u);
    CHECK(all.inits[0] == 1 && all.inits[1] == 0 && all.inits[2] == 0); /* one by one */
    live(&all, 1);
    CHECK(all.inits[1] == 1 && all.inits[2] == 0);
    start(&all, true); /* it was the second one */
    CHECK(state_of(&all, 0) == EF_MODULE_KEPT && state_of(&all, 1) == EF_MODULE_DISABLED && state_of(&all, 2) == EF_MODULE_KEPT);
    live(&all, EF_MODULE_SETTLE_US);
    CHECK(all.inits[0] == 1 && all.inits[1] == 0);
    live(&all, EF_MODULE_SETTLE_US);
    CHECK(all.inits[2] == 1);
    live(&all, EF_MODULE_SETTLE_US);
    start(&all, false);
    CHECK_EQUAL(state_of(&all, 1), EF_MODULE_DISABLED); /* and stays so */
    live(&all, EF_MODULE_SETTLE_US);
    CHECK_EQUAL(ask(&all, "GET", "/wasm/list", NULL, 0, answer), 200);
    CHECK(strstr(answer, "\"state\":\"disabled\"") != NULL);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/1", NULL, 0, answer), 200); /* until the owner says otherwise */
    live(&all, EF_MODULE_SETTLE_US);
    start(&all, true); /* that was long after: nobody's fault */
    live(&all, 0);
    CHECK(all.inits[0] == 1 && all.inits[1] == 1 && all.inits[2] == 1);
}

static void test_power_that_goes_is_nobodys_fault(void) {
    node all;
    blank(&all);
    CHECK_EQUAL(upload(&all, 1), 200);
    for (unsigned i = 0; i < 5; i++) {
        start(&all, false);
        live(&all, 1000);
        CHECK_EQUAL(all.inits[0], 1);
    }
    start(&all, true);
    live(&all, 0);
    start(&all, false);
    live(&all, 0);
    CHECK_EQUAL(state_of(&all, 0), EF_MODULE_RUNNING);
}

static void test_what_is_refused_now_stays_and_does_not_run(void) {
    static const uint8_t other[32] = {1};
    node all;
    char answer[EF_MODULE_ANSWER_BYTES];
    blank(&all);
    CHECK_EQUAL(upload(&all, 1), 200);
    start_with(&all, false, other);
    live(&all, EF_MODULE_SETTLE_US);
    CHECK(state_of(&all, 0) == EF_MODULE_DISABLED && all.loads == 0);
    CHECK_EQUAL(ask(&all, "POST", "/wasm/start/0", NULL, 0, answer), 403);
    CHECK_EQUAL(state_of(&all, 0), EF_MODULE_DISABLED);
    start(&all, false);
    live(&all, 0);
    CHECK_EQUAL(state_of(&all, 0), EF_MODULE_RUNNING);
}

static void test_what_has_no_room_runs_and_is_not_kept(void) {
    node all;
    uint8_t large[SECTOR] = {0};
    blank(&all);
    ef_flash small = all.flash.flash;
    small.size = (1 + EF_MODULE_SLOTS) * SECTOR;
    CHECK_EQUAL(ef_modules_restore(&all.modules, &small, false), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_shelf_put(&all.modules.shelf, &all.modules.gate, 0, large, 10), EF_ERROR_SPACE);
    blank(&all);
    all.modules.gate.mark_count = 1;
    all.modules.gate.marks[0].version = 5;
    all.modules.slots[0].state = EF_MODULE_LOADED;
    CHECK_EQUAL(ef_modules_keep(&all.modules, 0, large, SECTOR - 15), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_modules_keep(&all.modules, 1, large, 10), EF_ERROR_NO_MODEL);
    start(&all, false);
    CHECK(all.modules.gate.mark_count == 1 && all.modules.gate.marks[0].version == 5); /* its version counts */
    CHECK_EQUAL(state_of(&all, 0), EF_MODULE_EMPTY);
    all.modules.slots[0].state = EF_MODULE_LOADED;
    CHECK_EQUAL(ef_modules_keep(&all.modules, 0, large, SECTOR - 16), EF_OK);
    start(&all, false); /* whole, but no container */
    CHECK_EQUAL(state_of(&all, 0), EF_MODULE_EMPTY);
    CHECK_EQUAL(upload(&all, 1), 200);
}

static void test_damaged_flash_starts_empty(unsigned rounds) {
    uint32_t random = 77;
    node good, all;
    blank(&good);
    CHECK_EQUAL(upload(&good, 1), 200);
    for (unsigned round = 0; round < rounds; round++) {
        all = good;
        for (unsigned i = 0; i < 1u + round % 40u; i++) {
            all.bytes[next_random(&random) % FLASH] = (uint8_t)next_random(&random);
        }
        start_with(&all, round % 2 == 0, NULL);
        live(&all, EF_MODULE_SETTLE_US);
        CHECK(state_of(&all, 0) == EF_MODULE_EMPTY || state_of(&all, 0) == EF_MODULE_RUNNING);
    }
}

/* Two modules are there; what follows is cut at every write. */
typedef void (*step)(node *all);
typedef struct scenario {
    const char *name;
    step act;
    uint32_t slot;                  /* that is concerned */
    ef_module_state before, after; /* either may hold after the cut */
} scenario;

static void put(node *all) {
    (void)upload(all, 3);
}
static void drop(node *all) {
    (void)!ef_modules_unload(&all->modules, 1);
}
static void stop(node *all) {
    (void)!ef_modules_stop(&all->modules, 1);
}
static void restart(node *all) {
    const ef_host_power power = all->power;
    start_with(all, true, NULL);
    all->power = power;
    live(all, EF_MODULE_SETTLE_US);
    live(all, EF_MODULE_SETTLE_US);
}

static const scenario scenarios[] = {
    {"upload", put, 2, EF_MODULE_EMPTY, EF_MODULE_RUNNING},
    {"delete", drop, 1, EF_MODULE_RUNNING, EF_MODULE_EMPTY},
    {"stop", stop, 1, EF_MODULE_RUNNING, EF_MODULE_STOPPED},
    {"restart", restart, 1, EF_MODULE_RUNNING, EF_MODULE_RUNNING},
};

static void prepare(node *all) {
    blank(all);
    CHECK_EQUAL(upload(all, 1), 200);
    CHECK_EQUAL(upload(all, 2), 200);
}

/* A node without a key spares the time of signatures. */
static void check_after(node *all, const scenario *scenario, bool done, bool whole) {
    start_with(all, false, whole ? module_key : NULL);
    live(all, EF_MODULE_SETTLE_US);
    live(all, EF_MODULE_SETTLE_US);
    const ef_module_state state = state_of(all, scenario->slot);
    if (!CHECK(state == scenario->after || (!done && state == scenario->before))) {
        fprintf(stderr, "    %s: slot %u is %s\n", scenario->name, (unsigned)scenario->slot, ef_module_state_name(state));
    }
    CHECK_EQUAL(state_of(all, 0), EF_MODULE_RUNNING); /* that was not concerned */
    CHECK(ef_gate_version(&all->modules.gate, all->modules.slots[0].manifest.name) >= 2u);
    if (!whole) {
        return;
    }
    CHECK_EQUAL(upload(all, 1), 409);
    /* What runs counts, whether the record came to be written or not. */
    const uint32_t least = state_of(all, 2) == EF_MODULE_RUNNING ? 3u : 2u;
    CHECK(ef_gate_version(&all->modules.gate, all->modules.slots[0].manifest.name) >= least);
    if (state_of(all, 2) == EF_MODULE_EMPTY) {
        CHECK_EQUAL(upload(all, 3), 200);
        CHECK_EQUAL(upload(all, 2), 409);
    }
}

/* Goes on where another one stands, with pointers of its own. */
static void copy(node *all, const node *from) {
    *all = *from;
    ef_host_flash_open(&all->flash, all->bytes, FLASH, SECTOR, NULL, &all->power);
    all->modules.engine.context = all;
    all->modules.shelf.flash = &all->flash.flash;
}

static void test_the_power_is_cut_at_every_write(int64_t stride) {
    static node prepared, all;
    prepare(&prepared);
    for (unsigned i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        for (uint8_t manner = EF_CUT_BEFORE; manner <= EF_CUT_GARBAGE; manner++) {
            bool lost = true;
            for (int64_t after = manner % stride; lost; after += stride) {
                copy(&all, &prepared);
                all.power = (ef_host_power){.left = after, .manner = manner, .noise = (uint32_t)after + 1u};
                scenarios[i].act(&all);
                lost = all.power.lost;
                check_after(&all, &scenarios[i], !lost, !lost || after % 16 == 0);
            }
        }
    }
}

static int refuse(const ef_module_gate *gate, const uint8_t *body, size_t received, size_t length, char *answer) {
    const ef_module_request request = {"POST", "/wasm/upload", "Bearer secret", body, length};
    return ef_module_refuse(gate, &request, received, "secret", answer, EF_MODULE_REFUSAL_BYTES);
}

static void test_what_cannot_succeed_is_refused_without_the_modules(void) {
    static node all;
    char answer[EF_MODULE_REFUSAL_BYTES];
    uint8_t image[BYTES];
    blank(&all);
    CHECK_EQUAL(upload(&all, 2), 200);
    ef_module_gate gate = all.modules.gate; /* a copy is all it takes */
    CHECK_EQUAL(refuse(&gate, NULL, 0, BYTES, answer), 0);
    CHECK_EQUAL(refuse(&gate, NULL, 0, 0, answer), 400);
    CHECK_EQUAL(refuse(&gate, NULL, 0, EF_RVF_MOST_BYTES + 1u, answer), 413);
    CHECK_EQUAL(refuse(&gate, endless_wasm, 32, BYTES, answer), 403);
    CHECK_EQUAL(refuse(&gate, images[2], 31, BYTES, answer), 0);
    CHECK_EQUAL(refuse(&gate, images[2], 32, BYTES, answer), 0);
    CHECK_EQUAL(refuse(&gate, images[2], 32, BYTES + 1u, answer), 400); /* another length than its header says */
    CHECK(strcmp(answer, "{\"error\":\"bad container: its lengths do not add up\"}") == 0);
    CHECK_EQUAL(refuse(&gate, images[2], BYTES, BYTES, answer), 0);
    CHECK_EQUAL(refuse(&gate, images[1], BYTES, BYTES, answer), 409);
    memcpy(image, images[3], BYTES);
    image[EF_RVF_VERSION_AT] = 9; /* the version is signed, too */
    CHECK_EQUAL(refuse(&gate, image, BYTES, BYTES, answer), 403);
    gate.free_slots = 0;
    CHECK_EQUAL(refuse(&gate, NULL, 0, BYTES, answer), 500);
    CHECK(strcmp(answer, "{\"error\":\"no slot is empty\"}") == 0);
    const ef_module_request list = {"GET", "/wasm/list", "Bearer secret", NULL, 0};
    CHECK_EQUAL(ef_module_refuse(&gate, &list, 0, "secret", answer, sizeof answer), 0);
    CHECK_EQUAL(ef_module_refuse(&gate, &list, 0, "Secret", answer, sizeof answer), 403);
}

int main(int count, char **arguments) {
    for (uint32_t version = 0; version < MODULE_VERSIONS; version++) {
        CHECK_EQUAL(make_versioned_module(endless_wasm, MODULE_WASM_BYTES, version, images[version]), BYTES);
    }
    test_what_was_uploaded_comes_back_as_it_was();
    test_an_older_version_is_refused_also_after_a_restart();
    test_who_ends_the_node_twice_is_disabled_and_nobody_else();
    test_power_that_goes_is_nobodys_fault();
    test_what_is_refused_now_stays_and_does_not_run();
    test_what_has_no_room_runs_and_is_not_kept();
    test_damaged_flash_starts_empty(is_brief(count, arguments) ? 60 : 300);
    test_the_power_is_cut_at_every_write(is_brief(count, arguments) ? 3 : 1);
    test_what_cannot_succeed_is_refused_without_the_modules();
    return finish("module start");
}
