/* The power is cut at every write of an update, and at every write of the start after it: something whole always boots. */
#include "ota_world.h"

typedef void (*step)(ota_world *world);

typedef struct scenario {
    const char *name;
    step prepare, act;
    char before, after; /* what may run after the cut */
    char trial;         /* runs on trial when its record is erased, or 0 */
} scenario;

/* The record's checksum does not cover its state. An erase that is cut can leave all but that: then the loader boots what
 * was on trial, whole as it is, without a trial. */
static unsigned long states_lost;

static void fresh(ota_world *world) {
    CHECK_EQUAL(ota_start(world), '1');
}

static void updated(ota_world *world) {
    fresh(world);
    CHECK(ota_update(world, '2'));
}

static void on_trial(ota_world *world) {
    fresh(world);
    CHECK_EQUAL(ota_push(world, '2', 0, 100), EF_OTA_FINE);
    CHECK_EQUAL(ota_start(world), '2');
}

static void selected(ota_world *world) {
    fresh(world);
    CHECK_EQUAL(ota_push(world, '2', 0, 100), EF_OTA_FINE);
}

static void crashed(ota_world *world) {
    on_trial(world);
    CHECK_EQUAL(ota_start(world), '1');
}

static void rolled_back(ota_world *world) {
    updated(world);
    CHECK_EQUAL(ef_host_boot_give_up(&world->boot), EF_OK);
    CHECK_EQUAL(ota_start(world), '1');
}

static void nothing(ota_world *world) {
    (void)world;
}

/* What follows may fail: the power goes meanwhile. */
static void push(ota_world *world) {
    (void)!ota_push(world, '3', 0, OTA_SECTOR);
}

static void start(ota_world *world) {
    (void)ota_start(world);
}

static void keep(ota_world *world) {
    (void)!ef_host_boot_keep(&world->boot);
}

static void give_up(ota_world *world) {
    (void)!ef_host_boot_give_up(&world->boot);
}

static const scenario scenarios[] = {
    {"first start ever", nothing, start, '1', '1', 0},
    {"update of a new node", fresh, push, '1', '3', 0},
    {"second update", updated, push, '2', '3', 0},
    {"update after a crash", crashed, push, '1', '3', 0},
    {"update after a rollback", rolled_back, push, '1', '3', 0},
    {"first start of an update", selected, start, '1', '2', 0},
    {"start after a crash", on_trial, start, '1', '1', '2'},
    {"confirm", on_trial, keep, '1', '2', 0},
    {"give up on trial", on_trial, give_up, '1', '1', '2'},
    {"roll back", updated, give_up, '2', '1', 0},
};

typedef struct cut {
    int64_t after;
    uint8_t manner;
    uint32_t noise;
} cut;

/* A world that goes on where another one stands, with pointers of its own. */
static void copy(ota_world *world, const ota_world *from) {
    *world = *from;
    ota_power_on(world);
    world->boot.running = from->boot.running;
    world->ota.rules.port = &world->boot.port;
    world->ota.rules.version = world->version;
}

static void check_answer(ota_world *world, const scenario *scenario) {
    char version = ota_start(world);
    if (version != 0 && version == scenario->trial && world->boot.port.state(&world->boot, true) == EF_OTA_UNDEFINED) {
        states_lost++;
        return;
    }
    if (!CHECK(version == scenario->before || version == scenario->after)) {
        fprintf(stderr, "    %s: version %c runs\n", scenario->name, version != 0 ? version : '-');
    }
}

/* Whatever happened: unconfirmed it does not stay, confirmed it does, and the next update works. */
static void check_next(const ota_world *left, const scenario *scenario, char version) {
    ota_world again;
    copy(&again, left);
    bool trial = again.boot.port.state(&again.boot, true) == EF_OTA_PENDING;
    char next = ota_start(&again);
    CHECK(trial ? next == scenario->before && next != version : next == version);
    copy(&again, left);
    CHECK_EQUAL(ef_host_boot_keep(&again.boot), EF_OK);
    CHECK_EQUAL(ota_start(&again), version);
    CHECK(ota_update(&again, '4'));
    CHECK_EQUAL(ota_start(&again), '4');
}

/* Cut once more while it starts. */
static void check_second_cuts(const ota_world *left, const scenario *scenario, cut first) {
    uint64_t operations = 1;
    for (uint64_t second = 0; second < operations; second++) {
        ota_world again = *left;
        ota_power_on(&again);
        (void)ota_start(&again);
        operations = again.power.words + again.power.erases;
        again = *left;
        ota_power_on(&again);
        again.power = (ef_host_power){.left = (int64_t)second, .manner = first.manner, .noise = first.noise + 1u};
        (void)ota_start(&again);
        ota_power_on(&again);
        check_answer(&again, scenario);
    }
}

static void check_cut(const ota_world *prepared, const scenario *scenario, cut at) {
    ota_world world;
    copy(&world, prepared);
    world.power = (ef_host_power){.left = at.after, .manner = at.manner, .noise = at.noise};
    scenario->act(&world);
    CHECK(world.power.lost);
    check_second_cuts(&world, scenario, at);
    ota_power_on(&world);
    check_answer(&world, scenario);
    check_next(&world, scenario, world.version[0]);
}

/* Without seeds one manner of cut is tried for each operation, else all of them. */
static uint64_t check_scenario(const scenario *scenario, uint32_t seeds) {
    ota_world prepared, world;
    ota_blank(&prepared);
    scenario->prepare(&prepared);
    copy(&world, &prepared);
    scenario->act(&world);
    uint64_t operations = world.power.words + world.power.erases;
    CHECK(operations > 0);
    if (scenario->act != start) {
        ota_power_on(&world);
        (void)ota_start(&world);
    }
    CHECK_EQUAL(world.version[0], scenario->after);
    for (uint64_t after = 0; after < operations; after++) {
        if (seeds == 0) {
            check_cut(&prepared, scenario, (cut){(int64_t)after, (uint8_t)(after % 3), 77u});
            continue;
        }
        check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_BEFORE, 1});
        for (uint32_t seed = 1; seed <= seeds; seed++) {
            check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_HALF, 77u * seed});
            check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_GARBAGE, 77u * seed});
        }
    }
    return operations;
}

int main(int count, char **arguments) {
    uint64_t points = 0;
    uint32_t seeds = rounds_of(count, arguments, 0, 1, 40);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        points += check_scenario(&scenarios[i], seeds);
    }
    CHECK(states_lost <= checks_done / 10000u);
    printf("power cut at %llu operations of updates, %lu states lost\n", (unsigned long long)points, states_lost);
    return finish("test_ota_power_cut");
}
