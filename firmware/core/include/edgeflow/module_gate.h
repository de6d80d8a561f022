/*
 * What decides on a container before any of it runs: its bytes, its signature, its version, a slot. It touches no module, so
 * that another task may hold a copy and refuse at once what could only be refused later.
 *
 * A node remembers the highest version of each signed module by the module's name, and refuses an older one: whoever heard an
 * upload could bring a module with a known fault back otherwise.
 */
#ifndef EDGEFLOW_MODULE_GATE_H
#define EDGEFLOW_MODULE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edgeflow/module_container.h"

#define EF_GATE_MARKS 32u
#define EF_GATE_NAME_BYTES 8u /* of the name's SHA-256 */

typedef enum ef_module_refusal {
    EF_MODULE_TAKEN = 0,
    EF_MODULE_CONTAINER, /* see the fault */
    EF_MODULE_NO_KEY,    /* none was provisioned */
    EF_MODULE_UNSIGNED,
    EF_MODULE_FORGED,
    EF_MODULE_FULL,      /* no slot is empty */
    EF_MODULE_MEMORY,    /* more than its manifest or the node allows */
    EF_MODULE_CODE,      /* what the node cannot run safely */
    EF_MODULE_ENGINE,    /* the engine refuses it */
    EF_MODULE_OLDER,     /* than what was taken under its name before */
    EF_MODULE_UNMARKED   /* there is no room to remember its version */
} ef_module_refusal;

const char *ef_module_say(ef_module_refusal refusal);

typedef struct ef_module_mark {
    uint8_t name[EF_GATE_NAME_BYTES];
    uint32_t version; /* the highest that was taken */
} ef_module_mark;

typedef struct ef_module_gate {
    const uint8_t *key; /* of 32 bytes, or NULL */
    bool accepts_unsigned;
    bool allows_older; /* the owner's wish; then the mark follows what is taken */
    uint32_t free_slots, mark_count;
    ef_module_mark marks[EF_GATE_MARKS];
} ef_module_gate;

/* Container, signature, version, slot, in this order; `fault` says more of EF_MODULE_CONTAINER. */
EF_MUST_CHECK ef_module_refusal ef_gate_check(const ef_module_gate *gate, const uint8_t *image, size_t count, ef_rvf *rvf,
                                              ef_rvf_fault *fault);

/* The signature alone, of an open container. */
EF_MUST_CHECK ef_module_refusal ef_gate_check_signature(const ef_module_gate *gate, const ef_rvf *rvf);

/* Remember the version of what was taken. True: a mark has changed. */
bool ef_gate_mark(ef_module_gate *gate, const ef_rvf *rvf);

/* The version that is remembered for a name, 0 for none. */
uint32_t ef_gate_version(const ef_module_gate *gate, const char name[EF_RVF_NAME_BYTES]);

#endif
