/* Which versions of modules are remembered, of whom, and how many. */
#include "check.h"
#include "edgeflow/module_gate.h"
#include "module_maker.h"

enum { BYTES = 32 + 96 + MODULE_WASM_BYTES + 64 };

static uint8_t images[MODULE_VERSIONS][BYTES];

static void test_marks_are_of_names_that_somebody_vouches_for(void) {
    static ef_module_gate gate;
    ef_rvf rvf = {.flags = EF_RVF_FLAG_SIGNED | EF_RVF_FLAG_ED25519, .version = 7};
    CHECK(!ef_gate_mark(&gate, &rvf)); /* without a key nothing was verified */
    gate.key = module_key;
    rvf.flags = EF_RVF_FLAG_SIGNED;
    CHECK(!ef_gate_mark(&gate, &rvf));
    rvf.flags |= EF_RVF_FLAG_ED25519;
    for (unsigned i = 0; i < EF_GATE_MARKS; i++) {
        rvf.name[0] = (char)('a' + i);
        CHECK(ef_gate_mark(&gate, &rvf));
        CHECK(!ef_gate_mark(&gate, &rvf));
    }
    CHECK_EQUAL(gate.mark_count, EF_GATE_MARKS);
    gate.free_slots = 1;
    ef_rvf_fault fault;
    CHECK_EQUAL(ef_gate_check(&gate, images[1], BYTES, &rvf, &fault), EF_MODULE_UNMARKED);
    CHECK_EQUAL(ef_gate_check(&gate, images[0], BYTES, &rvf, &fault), EF_MODULE_TAKEN); /* there is nothing to remember */
    CHECK(strcmp(ef_module_say(EF_MODULE_UNMARKED), "no room to remember its version") == 0);
}

static void test_a_mark_follows_what_is_taken(void) {
    ef_module_gate gate = {.key = module_key, .free_slots = 1};
    ef_rvf_fault fault;
    ef_rvf rvf;
    CHECK_EQUAL(ef_gate_check(&gate, images[2], BYTES, &rvf, &fault), EF_MODULE_TAKEN);
    CHECK(ef_gate_mark(&gate, &rvf) && gate.mark_count == 1);
    CHECK_EQUAL(ef_gate_check(&gate, images[1], BYTES, &rvf, &fault), EF_MODULE_OLDER);
    CHECK(!ef_gate_mark(&gate, &rvf)); /* it only rises */
    CHECK_EQUAL(ef_gate_version(&gate, rvf.name), 2);
    gate.allows_older = true;
    CHECK_EQUAL(ef_gate_check(&gate, images[1], BYTES, &rvf, &fault), EF_MODULE_TAKEN);
    CHECK(ef_gate_mark(&gate, &rvf));
    CHECK(ef_gate_version(&gate, rvf.name) == 1 && gate.mark_count == 1);
    gate.allows_older = false;
    gate.free_slots = 0;
    CHECK_EQUAL(ef_gate_check(&gate, images[3], BYTES, &rvf, &fault), EF_MODULE_FULL);
    CHECK_EQUAL(ef_gate_check(&gate, images[0], BYTES, &rvf, &fault), EF_MODULE_OLDER);
}

int main(void) {
    for (uint32_t version = 0; version < MODULE_VERSIONS; version++) {
        CHECK_EQUAL(make_versioned_module(endless_wasm, MODULE_WASM_BYTES, version, images[version]), BYTES);
    }
    test_marks_are_of_names_that_somebody_vouches_for();
    test_a_mark_follows_what_is_taken();
    return finish("module gate");
}
