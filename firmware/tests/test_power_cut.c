/* The power is cut at every programmed word and every erase of every kind of switch; afterwards a model answers. */
#include "check.h"
#include "flash_world.h"

enum { OLD = 1, NEW = 2, NEXT = 3, FILE_OLD = 8, FILE_NEW = 9, OTHER = 7 };

typedef struct scenario {
    const char *name;
    uint8_t id;
    void (*prepare)(world *world);
    void (*act)(world *world); /* with the power that may go */
    uint32_t before, after;    /* versions that may answer at the next start */
} scenario;

static void swap_to(world *world, uint8_t id, uint32_t version) {
    CHECK_EQUAL(world_swap(world, id, version), EF_OK);
}

static void with_old_in_a(world *world) {
    swap_to(world, 0, OLD);
    CHECK_EQUAL(world->slots.record[0].active, EF_SLOT_A);
}

static void with_old_in_b(world *world) {
    swap_to(world, 0, NEXT);
    swap_to(world, 0, OLD);
    CHECK_EQUAL(world->slots.record[0].active, EF_SLOT_B);
}

static void with_file_only(world *world) {
    world_set_file(world, FILE_OLD);
    CHECK_EQUAL(world_start(world, 0), FILE_OLD);
}

static void with_file_and_slot(world *world) {
    with_file_only(world);
    swap_to(world, 0, OLD);
    CHECK_EQUAL(world->slots.record[0].previous, EF_SLOT_FILE);
}

static void with_new_confirmed(world *world) {
    with_old_in_a(world);
    swap_to(world, 0, NEW);
}

static void with_new_on_trial(world *world) {
    with_old_in_a(world);
    CHECK_EQUAL(world_upload(world, 0, NEW), EF_OK);
    CHECK_EQUAL(ef_slots_activate(&world->slots, 0, 0), EF_OK);
}

static void with_trial_over_file(world *world) {
    with_file_only(world);
    CHECK_EQUAL(world_upload(world, 0, NEW), EF_OK);
    CHECK_EQUAL(ef_slots_activate(&world->slots, 0, world->file_crc32), EF_OK);
}

static void with_newer_file(world *world) {
    with_file_and_slot(world);
    world_set_file(world, FILE_NEW);
}

static void with_both_ids(world *world) {
    swap_to(world, 0, OTHER);
    swap_to(world, 1, OLD);
}

static void swap_0(world *world) {
    ef_status status = world_swap(world, 0, NEW);
    CHECK(status == EF_OK || world->power.lost);
}

static void swap_1(world *world) {
    ef_status status = world_swap(world, 1, NEW);
    CHECK(status == EF_OK || world->power.lost);
}

static void confirm(world *world) {
    ef_status status = ef_slots_confirm(&world->slots, 0);
    CHECK(status == EF_OK || world->power.lost);
}

static void roll_back(world *world) {
    ef_status status = ef_slots_roll_back(&world->slots, 0);
    CHECK(status == EF_OK || world->power.lost);
}

static void start(world *world) {
    ef_host_power power = world->power;
    world_power_on(world, power.left, power.manner, power.noise);
    world_start(world, 0);
}

static const scenario scenarios[] = {
    {"swap A to B", 0, with_old_in_a, swap_0, OLD, NEW},
    {"swap B to A", 0, with_old_in_b, swap_0, OLD, NEW},
    {"first upload over the reference file", 0, with_file_only, swap_0, FILE_OLD, NEW},
    {"second upload over the reference file", 0, with_file_and_slot, swap_0, OLD, NEW},
    {"first upload ever", 0, world_blank, swap_0, WORLD_NONE, NEW},
    {"swap of another id", 1, with_both_ids, swap_1, OLD, NEW},
    {"first upload into another id", 1, with_old_in_a, swap_1, WORLD_NONE, NEW},
    {"confirm", 0, with_new_on_trial, confirm, OLD, NEW},
    {"roll a confirmed one back", 0, with_new_confirmed, roll_back, NEW, OLD},
    {"roll a trial back", 0, with_new_on_trial, roll_back, OLD, OLD},
    {"roll back to the file", 0, with_file_and_slot, roll_back, OLD, FILE_OLD},
    {"start with a trial", 0, with_new_on_trial, start, OLD, OLD},
    {"start with a trial over the file", 0, with_trial_over_file, start, FILE_OLD, FILE_OLD},
    {"start with a newer file", 0, with_newer_file, start, FILE_NEW, FILE_NEW},
};

static void check_answer(world *world, const scenario *scenario, uint32_t version) {
    if (!CHECK(version == scenario->before || version == scenario->after)) {
        fprintf(stderr, "    %s: version %u answers\n", scenario->name, (unsigned)version);
    }
    /* Starting again changes nothing. */
    world_power_on(world, -1, EF_CUT_BEFORE, 1);
    CHECK_EQUAL(world_start(world, scenario->id), version);
}

/* The other id is none of a scenario's business. */
static void check_neighbour(world *world, const scenario *scenario, uint32_t neighbour) {
    CHECK_EQUAL(world_start(world, (uint8_t)(1u - scenario->id)), neighbour);
}

/* Whatever happened: the next swap works, and can be undone. */
static void check_next(world *world, const scenario *scenario) {
    uint32_t version = world_version(world, scenario->id);
    CHECK_EQUAL(world_swap(world, scenario->id, NEXT), EF_OK);
    world_power_on(world, -1, EF_CUT_BEFORE, 1);
    CHECK_EQUAL(world_start(world, scenario->id), NEXT);
    if (version != WORLD_NONE) {
        CHECK_EQUAL(ef_slots_roll_back(&world->slots, scenario->id), EF_OK);
        CHECK_EQUAL(world_version(world, scenario->id), version);
    }
}

typedef struct cut {
    int64_t after;
    uint8_t manner;
    uint32_t noise;
} cut;

/* Cut, start, and cut once more while it starts: at its every operation. Returns the operations of that start. */
static void check_second_cuts(const world *left, const scenario *scenario, cut first) {
    uint64_t operations = 1;
    for (uint64_t second = 0; second < operations; second++) {
        world again = *left;
        world_power_on(&again, -1, EF_CUT_BEFORE, 1);
        world_start(&again, scenario->id);
        operations = again.power.words + again.power.erases;
        again = *left;
        world_power_on(&again, (int64_t)second, first.manner, first.noise + 1u);
        world_start(&again, scenario->id);
        world_power_on(&again, -1, EF_CUT_BEFORE, 1);
        check_answer(&again, scenario, world_start(&again, scenario->id));
    }
}

static void check_cut(const world *prepared, const scenario *scenario, cut at, uint32_t neighbour) {
    world world = *prepared;
    world_power_on(&world, -1, EF_CUT_BEFORE, 1);
    world.slots = prepared->slots;
    world.slots.control = &world.control.flash;
    world.slots.slot[0] = &world.slot[0].flash;
    world.slots.slot[1] = &world.slot[1].flash;
    world_cut(&world, at.after, at.manner, at.noise);
    scenario->act(&world);
    CHECK(world.power.lost);
    check_second_cuts(&world, scenario, at);
    world_power_on(&world, -1, EF_CUT_BEFORE, 1);
    check_answer(&world, scenario, world_start(&world, scenario->id));
    check_neighbour(&world, scenario, neighbour);
    check_next(&world, scenario);
}

/* Without seeds one manner of cut is tried for each operation, else all of them. */
static uint64_t check_scenario(const scenario *scenario, uint32_t seeds) {
    world prepared, world;
    world_blank(&prepared);
    scenario->prepare(&prepared);
    world = prepared;
    world_power_on(&world, -1, EF_CUT_BEFORE, 1);
    uint32_t neighbour = world_start(&world, (uint8_t)(1u - scenario->id));
    world = prepared;
    world_power_on(&world, -1, EF_CUT_BEFORE, 1);
    world.slots.record[0] = prepared.slots.record[0];
    scenario->act(&world);
    uint64_t operations = world.power.words + world.power.erases;
    CHECK(operations > 0);
    world_power_on(&world, -1, EF_CUT_BEFORE, 1);
    CHECK_EQUAL(world_start(&world, scenario->id), scenario->after);
    for (uint64_t after = 0; after < operations; after++) {
        if (seeds == 0) {
            check_cut(&prepared, scenario, (cut){(int64_t)after, (uint8_t)(after % 3), 77u}, neighbour);
            continue;
        }
        check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_BEFORE, 1}, neighbour);
        for (uint32_t seed = 1; seed <= seeds; seed++) {
            check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_HALF, 77u * seed}, neighbour);
            check_cut(&prepared, scenario, (cut){(int64_t)after, EF_CUT_GARBAGE, 77u * seed}, neighbour);
        }
    }
    return operations;
}

int main(int count, char **arguments) {
    uint64_t points = 0;
    uint32_t seeds = rounds_of(count, arguments, 0, 3, 40);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        points += check_scenario(&scenarios[i], seeds);
    }
    printf("power cut at %llu operations\n", (unsigned long long)points);
    return finish("power cut");
}
