#include "edgeflow/module_gate.h"

#include <string.h>

#include "edgeflow/checksum.h"

const char *ef_module_say(ef_module_refusal refusal) {
    static const char *const words[] = {
        "taken",
        "bad container",
        "no key was provisioned",
        "not signed",
        "the signature is forged",
        "no slot is empty",
        "more memory than allowed",
        "what the node cannot run safely",
        "the engine refuses it",
        "older than what this node has had",
        "no room to remember its version",
    };
    return (unsigned)refusal < sizeof words / sizeof words[0] ? words[refusal] : "unknown";
}

static void hash_name(uint8_t hash[EF_GATE_NAME_BYTES], const char name[EF_RVF_NAME_BYTES]) {
    uint8_t whole[EF_SHA256_BYTES];
    ef_sha256 sum;
    const char *end = memchr(name, '\0', EF_RVF_NAME_BYTES);
    ef_sha256_begin(&sum);
    ef_sha256_update(&sum, name, end == NULL ? EF_RVF_NAME_BYTES : (size_t)(end - name));
    ef_sha256_end(&sum, whole);
    memcpy(hash, whole, EF_GATE_NAME_BYTES);
}

/* Its mark, or mark_count. */
static uint32_t find(const ef_module_gate *gate, const uint8_t hash[EF_GATE_NAME_BYTES]) {
    uint32_t at = 0;
    while (at < gate->mark_count && memcmp(gate->marks[at].name, hash, EF_GATE_NAME_BYTES) != 0) {
        at++;
    }
    return at;
}

/* Names that nobody vouches for are not remembered: anybody could fill the table. */
static bool is_vouched(const ef_module_gate *gate, const ef_rvf *rvf) {
    return gate->key != NULL && (rvf->flags & EF_RVF_FLAG_ED25519) != 0;
}

static ef_module_refusal check_version(const ef_module_gate *gate, const ef_rvf *rvf) {
    uint8_t hash[EF_GATE_NAME_BYTES];
    if (!is_vouched(gate, rvf) || gate->allows_older) {
        return EF_MODULE_TAKEN;
    }
    hash_name(hash, rvf->name);
    const uint32_t at = find(gate, hash);
    if (at < gate->mark_count) {
        return rvf->version < gate->marks[at].version ? EF_MODULE_OLDER : EF_MODULE_TAKEN;
    }
    return rvf->version > 0 && at == EF_GATE_MARKS ? EF_MODULE_UNMARKED : EF_MODULE_TAKEN;
}

ef_module_refusal ef_gate_check_signature(const ef_module_gate *gate, const ef_rvf *rvf) {
    if (rvf->signature == NULL) {
        return gate->accepts_unsigned ? EF_MODULE_TAKEN : gate->key == NULL ? EF_MODULE_NO_KEY : EF_MODULE_UNSIGNED;
    }
    if (gate->key == NULL) {
        return gate->accepts_unsigned ? EF_MODULE_TAKEN : EF_MODULE_NO_KEY;
    }
    return ef_rvf_is_signed_by(rvf, gate->key) ? EF_MODULE_TAKEN : EF_MODULE_FORGED;
}

ef_module_refusal ef_gate_check(const ef_module_gate *gate, const uint8_t *image, size_t count, ef_rvf *rvf,
                                ef_rvf_fault *fault) {
    *fault = ef_rvf_open(image, count, rvf);
    if (*fault != EF_RVF_GOOD) {
        return EF_MODULE_CONTAINER;
    }
    ef_module_refusal refusal = ef_gate_check_signature(gate, rvf);
    if (refusal == EF_MODULE_TAKEN) {
        refusal = check_version(gate, rvf);
    }
    return refusal == EF_MODULE_TAKEN && gate->free_slots == 0 ? EF_MODULE_FULL : refusal;
}

bool ef_gate_mark(ef_module_gate *gate, const ef_rvf *rvf) {
    uint8_t hash[EF_GATE_NAME_BYTES];
    if (!is_vouched(gate, rvf)) {
        return false;
    }
    hash_name(hash, rvf->name);
    const uint32_t at = find(gate, hash);
    const bool known = at < gate->mark_count;
    if (known ? rvf->version == gate->marks[at].version || (rvf->version < gate->marks[at].version && !gate->allows_older)
              : rvf->version == 0 || at == EF_GATE_MARKS) {
        return false;
    }
    memcpy(gate->marks[at].name, hash, EF_GATE_NAME_BYTES);
    gate->marks[at].version = rvf->version;
    gate->mark_count += known ? 0u : 1u;
    return true;
}

uint32_t ef_gate_version(const ef_module_gate *gate, const char name[EF_RVF_NAME_BYTES]) {
    uint8_t hash[EF_GATE_NAME_BYTES];
    hash_name(hash, name);
    const uint32_t at = find(gate, hash);
    return at < gate->mark_count ? gate->marks[at].version : 0;
}
