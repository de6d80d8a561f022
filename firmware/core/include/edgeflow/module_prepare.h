/*
 * Makes a module safe to interpret: a copy of it that counts its instructions down, so that an endless loop ends in a trap
 * under any engine, that cannot grow its memory, and that neither recurses nor calls through pointers, so that the stack it
 * needs is known before it runs. docs/explanation of the choice: docs/reference/csi-modules.md.
 *
 * The copy exports the global EF_MODULE_FUEL (i32, mutable): set it before each call; below 0 it has run out.
 */
#ifndef EDGEFLOW_MODULE_PREPARE_H
#define EDGEFLOW_MODULE_PREPARE_H

#include <stddef.h>
#include <stdint.h>

#include "edgeflow/status.h"

#define EF_MODULE_FUEL "__fuel"
#define EF_MODULE_MAX_TYPES 128u
#define EF_MODULE_MAX_IMPORTS 64u
#define EF_MODULE_MAX_FUNCTIONS 256u
#define EF_MODULE_MAX_CONSTANTS 60u /* that cost no instruction: WASM3 has 120 places, of which a wide one takes two */
#define EF_MODULE_MAX_NESTING 96u
#define EF_MODULE_MAX_CALLS 24u /* within each other */
#define EF_MODULE_PAGE_KB 64u

typedef struct ef_module_size {
    uint32_t bytes;     /* of the copy */
    uint32_t memory_kb; /* that it declares, in pages of 64 */
    uint32_t pending;   /* instructions that can wait for one another: native frames, where an engine makes one of each */
    uint16_t functions;
} ef_module_size;

/* Room to think in: what each function costs by itself, and with all that it calls. */
typedef struct ef_module_work {
    uint32_t own[EF_MODULE_MAX_FUNCTIONS], whole[EF_MODULE_MAX_FUNCTIONS];
    uint32_t patch[EF_MODULE_MAX_NESTING], cost[EF_MODULE_MAX_NESTING];
    uint64_t constants[EF_MODULE_MAX_CONSTANTS]; /* of one function */
    uint8_t types[EF_MODULE_MAX_TYPES];          /* parameters of each */
    uint8_t parameters[EF_MODULE_MAX_IMPORTS + EF_MODULE_MAX_FUNCTIONS]; /* of each function, the imported first */
} ef_module_work;

/* EF_ERROR_MODEL: no WebAssembly, or damaged. EF_ERROR_UNSUPPORTED: it imports what there is not, has a start function, calls
 * through pointers, recurses, nests too deeply or uses instructions that the node does not know. EF_ERROR_SPACE: the copy does
 * not fit. Types are the engine's to check. */
EF_MUST_CHECK ef_status ef_module_prepare(const uint8_t *wasm, size_t count, uint8_t *to, size_t room, ef_module_work *work,
                                          ef_module_size *size);

#endif
