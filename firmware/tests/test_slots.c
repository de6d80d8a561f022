/* The slots' own rules: order, bounds, which model wins, damaged records, wear. */
#include "check.h"
#include "edgeflow/checksum.h"
#include "flash_world.h"
#include "little_endian.h"

static world it;

static void restart(void) {
    world_power_on(&it, -1, EF_CUT_BEFORE, 1);
}

static void trial_of(uint8_t id, uint32_t version) {
    CHECK_EQUAL(world_upload(&it, id, version), EF_OK);
    CHECK_EQUAL(ef_slots_activate(&it.slots, id, id == 0 ? it.file_crc32 : 0), EF_OK);
}

static void test_partitions_that_do_not_fit(void) {
    ef_slots slots;
    world_blank(&it);
    const ef_flash *control = &it.control.flash, *a = &it.slot[0].flash, *b = &it.slot[1].flash;
    CHECK_EQUAL(ef_slots_open(&slots, control, a, b, 0), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_slots_open(&slots, control, a, b, EF_MAX_MODELS + 1), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_slots_open(&slots, control, a, b, WORLD_IDS + 1), EF_ERROR_SPACE);
    ef_flash odd = *a;
    odd.size = WORLD_SECTOR + 4;
    CHECK_EQUAL(ef_slots_open(&slots, control, &odd, b, 1), EF_ERROR_FLASH);
    odd.size = 0;
    CHECK_EQUAL(ef_slots_open(&slots, control, &odd, b, 1), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_slots_open(&slots, control, a, b, WORLD_IDS), EF_OK);
    CHECK_EQUAL(ef_slots_capacity(&slots), WORLD_SHARE);
}

static void test_order_of_an_upload(void) {
    uint8_t bytes[64] = {0};
    ef_model model;
    ef_slots *slots = &it.slots;
    world_blank(&it);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 4), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_finish(slots, &model), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_activate(slots, 0, 0), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_begin(slots, WORLD_IDS, 64, 0), EF_ERROR_NO_MODEL);
    CHECK_EQUAL(ef_slots_begin(slots, 0, 0, 0), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_slots_begin(slots, 0, WORLD_SHARE + 1, 0), EF_ERROR_SPACE);
    CHECK_EQUAL(ef_slots_begin(slots, 0, 63, 0), EF_OK);
    CHECK_EQUAL(ef_slots_write(slots, 4, bytes, 4), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 64), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 3), EF_ERROR_LENGTH);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 60), EF_OK);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 60), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_finish(slots, &model), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_write(slots, 60, bytes, 3), EF_OK);
    CHECK_EQUAL(ef_slots_finish(slots, &model), EF_ERROR_CRC);
    CHECK_EQUAL(ef_slots_begin(slots, 0, 64, ef_crc32(0, bytes, 64)), EF_OK);
    CHECK_EQUAL(ef_slots_write(slots, 0, bytes, 64), EF_OK);
    CHECK_EQUAL(ef_slots_finish(slots, &model), EF_ERROR_MODEL);
    CHECK_EQUAL(ef_slots_activate(slots, 0, 0), EF_ERROR_STATE);
    ef_slots_abort(slots);
    CHECK_EQUAL(ef_slots_write(slots, 64, bytes, 4), EF_ERROR_STATE);
}

static void test_the_switch(void) {
    ef_slots *slots = &it.slots;
    world_blank(&it);
    CHECK_EQUAL(ef_slots_confirm(slots, 0), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_roll_back(slots, 0), EF_ERROR_STATE);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(ef_slots_confirm(slots, 0), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_roll_back(slots, 0), EF_ERROR_STATE);
    trial_of(0, 2);
    CHECK_EQUAL(slots->record[0].state, EF_RECORD_TRIAL);
    CHECK_EQUAL(ef_slots_activate(slots, 0, 0), EF_ERROR_STATE);
    CHECK_EQUAL(ef_slots_begin(slots, 0, 64, 0), EF_ERROR_STATE); /* both slots are needed */
    CHECK_EQUAL(ef_slots_begin(slots, 1, 64, 0), EF_OK);
    CHECK_EQUAL(ef_slots_roll_back(slots, 0), EF_OK);
    CHECK_EQUAL(world_version(&it, 0), 1);
    CHECK_EQUAL(ef_slots_roll_back(slots, 0), EF_OK);
    CHECK_EQUAL(world_version(&it, 0), 2);
    CHECK_EQUAL(ef_slots_roll_back(slots, WORLD_IDS), EF_ERROR_NO_MODEL);
    CHECK_EQUAL(ef_slots_confirm(slots, WORLD_IDS), EF_ERROR_STATE);
}

static void test_a_trial_with_nothing_before_it_ends_in_nothing(void) {
    world_blank(&it);
    trial_of(0, 1);
    restart();
    CHECK_EQUAL(world_start(&it, 0), WORLD_NONE);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK); /* two are none */
    CHECK_EQUAL(world_version(&it, 0), 1);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 1);
}

static void test_what_is_overwritten_is_nothing_to_go_back_to(void) {
    uint8_t bytes[4] = {0};
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    CHECK_EQUAL(ef_slots_begin(&it.slots, 0, 64, 0), EF_OK);
    CHECK_EQUAL(it.slots.record[0].previous, EF_SLOT_A);
    CHECK_EQUAL(ef_slots_write(&it.slots, 0, bytes, 4), EF_OK);
    CHECK_EQUAL(it.slots.record[0].previous, EF_SLOT_NONE);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_ERROR_STATE);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 2);
    CHECK_EQUAL(it.slots.record[0].previous, EF_SLOT_NONE);
}

static void test_a_roll_back_takes_the_slot_of_an_upload(void) {
    uint8_t bytes[4] = {0};
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    CHECK_EQUAL(ef_slots_begin(&it.slots, 1, 64, 0), EF_OK);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK);
    CHECK_EQUAL(ef_slots_write(&it.slots, 0, bytes, 4), EF_OK); /* another id's */
    CHECK_EQUAL(ef_slots_begin(&it.slots, 0, 64, 0), EF_OK);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK);
    CHECK_EQUAL(ef_slots_write(&it.slots, 0, bytes, 4), EF_ERROR_STATE);
    CHECK_EQUAL(world_version(&it, 0), 2);
    CHECK_EQUAL(world_swap(&it, 0, 3), EF_OK);
}

static void test_bytes_behind_a_short_upload_do_not_complete_it(void) {
    _Alignas(8) uint8_t file[WORLD_SHARE];
    ef_model model;
    world_blank(&it);
    uint32_t bytes = make_reference(file, (made_shape){2, 1, 1, 2}, 5);
    CHECK_EQUAL(ef_slots_begin(&it.slots, 0, bytes, ef_crc32(0, file, bytes)), EF_OK);
    CHECK_EQUAL(ef_slots_write(&it.slots, 0, file, bytes), EF_OK);
    CHECK_EQUAL(ef_slots_finish(&it.slots, &model), EF_OK);
    CHECK_EQUAL(model.info.reference, true);
    uint32_t less = bytes - 4;
    CHECK_EQUAL(ef_slots_begin(&it.slots, 0, less, ef_crc32(0, file, less)), EF_OK);
    CHECK_EQUAL(ef_slots_write(&it.slots, 0, file, less), EF_OK);
    memcpy(it.bytes.slot[0] + less, file + less, 4);
    CHECK_EQUAL(ef_slots_finish(&it.slots, &model), EF_ERROR_LENGTH);
}

static void test_a_newer_reference_file_wins_once(void) {
    world_blank(&it);
    world_set_file(&it, 8);
    CHECK_EQUAL(world_start(&it, 0), 8);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 1);
    world_set_file(&it, 9);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 9);
    CHECK_EQUAL(it.slots.record[0].previous, EF_SLOT_A);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 1);
    CHECK_EQUAL(world_start(&it, 1), WORLD_NONE); /* the file is id 0's */
}

static void test_a_file_that_went_is_passed_over(void) {
    world_blank(&it);
    world_set_file(&it, 8);
    CHECK_EQUAL(world_start(&it, 0), 8);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK);
    it.file_version = WORLD_NONE;
    restart();
    CHECK_EQUAL(world_start(&it, 0), 1);
}

/* A record that nobody here writes, with right checksums. */
static void forge(uint8_t id, uint8_t state, uint8_t active, uint8_t previous) {
    uint8_t *at = it.bytes.control + 2u * id * WORLD_SECTOR;
    memset(at, 0, 32);
    memcpy(at, "EFSR", 4);
    at[4] = 1;
    at[8] = id;
    at[9] = state;
    at[10] = active;
    at[11] = previous;
    ef_put32(at + 28, ef_crc32(0, at, 28));
}

static void test_forged_records_lead_to_no_model_that_is_not_there(void) {
    static const uint8_t slots[] = {EF_SLOT_A, EF_SLOT_B, EF_SLOT_FILE, EF_SLOT_NONE};
    for (uint8_t forged = 0; forged < 2 * 3 * 16; forged++) {
        uint8_t id = forged / 48, state = forged / 16 % 3;
        world_blank(&it);
        forge(id, state, slots[forged % 4], slots[forged / 4 % 4]);
        restart();
        CHECK_EQUAL(world_start(&it, id), WORLD_NONE);
        CHECK_EQUAL(ef_slots_roll_back(&it.slots, id), EF_ERROR_STATE);
        CHECK_EQUAL(world_swap(&it, id, 1), EF_OK);
    }
}

static void test_a_rotten_slot_is_passed_over(void) {
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    it.bytes.slot[1][200] ^= 1;
    restart();
    CHECK_EQUAL(world_start(&it, 0), 1);
    it.bytes.slot[0][200] ^= 1;
    restart();
    CHECK_EQUAL(world_start(&it, 0), WORLD_NONE);
    CHECK_EQUAL(world_swap(&it, 0, 3), EF_OK);
    restart();
    CHECK_EQUAL(world_start(&it, 0), 3);
}

/* What a start passed over is not what an upload may become without being activated. */
static void upload_without_a_switch(uint32_t answers) {
    restart();
    CHECK_EQUAL(world_start(&it, 0), answers);
    CHECK_EQUAL(world_upload(&it, 0, 7), EF_OK);
    restart();
    CHECK_EQUAL(world_start(&it, 0), answers);
}

static void test_an_upload_answers_only_once_it_is_activated(void) {
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    world kept = it;
    it.bytes.slot[1][200] ^= 1;
    upload_without_a_switch(1);
    it = kept;
    it.bytes.slot[0][200] ^= 1;
    it.bytes.slot[1][200] ^= 1;
    upload_without_a_switch(WORLD_NONE);
    it = kept;
    it.bytes.slot[0][200] ^= 1;
    memset(it.bytes.control, 0, sizeof it.bytes.control);
    upload_without_a_switch(2);
    world_blank(&it);
    world_set_file(&it, 8);
    upload_without_a_switch(8);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(ef_slots_roll_back(&it.slots, 0), EF_OK);
    it.file_version = WORLD_NONE;
    upload_without_a_switch(1);
    world_set_file(&it, 8); /* it comes back */
    restart();
    CHECK_EQUAL(world_start(&it, 0), 8);
}

static void test_every_flipped_bit_of_the_records(void) {
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    world kept = it;
    for (uint32_t bit = 0; bit < 2u * WORLD_SECTOR * 8u; bit++) {
        it = kept;
        it.bytes.control[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        restart();
        uint32_t version = world_start(&it, 0);
        CHECK(version == 1 || version == 2);
        CHECK_EQUAL(world_swap(&it, 0, 3), EF_OK);
        restart();
        CHECK_EQUAL(world_start(&it, 0), 3);
    }
}

static void test_records_lost_altogether(void) {
    uint32_t state = 5;
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    CHECK_EQUAL(world_swap(&it, 0, 2), EF_OK);
    world kept = it;
    for (unsigned round = 0; round < 200; round++) {
        it = kept;
        for (uint32_t i = 0; i < sizeof it.bytes.control; i++) {
            it.bytes.control[i] = (uint8_t)next_random(&state);
        }
        restart();
        uint32_t version = world_start(&it, 0);
        CHECK(version == 1 || version == 2);
        CHECK_EQUAL(world_swap(&it, 0, 3), EF_OK);
    }
}

static void test_wear_is_even(void) {
    world_blank(&it);
    for (uint32_t version = 1; version <= 100; version++) {
        CHECK_EQUAL(world_swap(&it, 0, version), EF_OK);
    }
    CHECK_EQUAL(it.control_wear[0], 100);
    CHECK_EQUAL(it.control_wear[1], 100);
    CHECK_EQUAL(it.control_wear[2] + it.control_wear[3], 0);
    for (unsigned sector = 0; sector < 2; sector++) {
        CHECK_EQUAL(it.slot_wear[0][sector], 50);
        CHECK_EQUAL(it.slot_wear[1][sector], 50);
    }
}

static void test_sequences_grow(void) {
    world_blank(&it);
    CHECK_EQUAL(world_swap(&it, 0, 1), EF_OK);
    for (uint32_t version = 2; version < 6; version++) {
        CHECK_EQUAL(world_swap(&it, 0, version), EF_OK);
        restart();
        CHECK_EQUAL(world_start(&it, 0), version);
        CHECK_EQUAL(it.slots.record[0].sequence, 2u * version);
    }
}

int main(void) {
    test_partitions_that_do_not_fit();
    test_order_of_an_upload();
    test_the_switch();
    test_a_trial_with_nothing_before_it_ends_in_nothing();
    test_what_is_overwritten_is_nothing_to_go_back_to();
    test_a_roll_back_takes_the_slot_of_an_upload();
    test_bytes_behind_a_short_upload_do_not_complete_it();
    test_a_newer_reference_file_wins_once();
    test_a_file_that_went_is_passed_over();
    test_forged_records_lead_to_no_model_that_is_not_there();
    test_a_rotten_slot_is_passed_over();
    test_an_upload_answers_only_once_it_is_activated();
    test_every_flipped_bit_of_the_records();
    test_records_lost_altogether();
    test_wear_is_even();
    test_sequences_grow();
    return finish("slots");
}
