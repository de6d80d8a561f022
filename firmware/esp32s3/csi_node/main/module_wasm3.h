/* WASM3 behind the core's host of modules. Nothing in here knows the board. */
#ifndef CSI_NODE_MODULE_WASM3_H
#define CSI_NODE_MODULE_WASM3_H

#include "edgeflow/modules.h"
#include "wasm3.h"

#define MODULE_WASM3_STACK_BYTES 8192u /* of the interpreter, for each module */
#define MODULE_WASM3_FRAME_BYTES 56u   /* native ones that one instruction may hold where calls at the end are not jumps */

typedef struct module_wasm3_slot {
    IM3Runtime runtime;
    IM3Function entries[3];
    IM3Global fuel;
} module_wasm3_slot;

typedef struct module_wasm3 {
    IM3Environment environment;
    module_wasm3_slot slots[EF_MODULE_SLOTS];
    ef_module_call *call; /* the one that runs */
    uint32_t most_pending;
} module_wasm3;

/* native_stack_bytes: what the calling task has for it. False: no memory. */
bool module_wasm3_open(module_wasm3 *engine, uint32_t native_stack_bytes);
void module_wasm3_close(module_wasm3 *engine);

/* For the first three of an ef_module_engine; the context is the module_wasm3. */
bool module_wasm3_load(module_wasm3 *engine, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb,
                       uint32_t pending);
ef_module_end module_wasm3_call(module_wasm3 *engine, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                                ef_module_call *call);
void module_wasm3_unload(module_wasm3 *engine, uint32_t slot);

#endif
