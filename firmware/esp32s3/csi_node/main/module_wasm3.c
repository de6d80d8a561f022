#include "module_wasm3.h"

#include <string.h>

#include "m3_env.h" /* for the limit of memory, which has no other door */

static const char *const entry_names[3] = {"on_init", "on_frame", "on_timer"};

static ef_module_call *call_of(IM3ImportContext context) {
    return ((const module_wasm3 *)context->userdata)->call;
}

#define GIVES_FLOAT_OF(name, read)                                             \
    static m3ApiRawFunction(name) {                                            \
        (void)runtime;                                                         \
        (void)_mem;                                                            \
        m3ApiReturnType(float) m3ApiGetArg(int32_t, subcarrier)                \
        m3ApiReturn(read(call_of(_ctx), subcarrier))                           \
    }
#define GIVES(name, type, read)                                                \
    static m3ApiRawFunction(name) {                                            \
        (void)runtime;                                                         \
        (void)_mem;                                                            \
        m3ApiReturnType(type) m3ApiReturn(read(call_of(_ctx)))                 \
    }

GIVES_FLOAT_OF(give_phase, ef_module_phase)
GIVES_FLOAT_OF(give_amplitude, ef_module_amplitude)
GIVES_FLOAT_OF(give_variance, ef_module_variance)
GIVES(give_breathing, float, ef_module_breathing)
GIVES(give_heart, float, ef_module_heart)
GIVES(give_motion, float, ef_module_motion)
GIVES(give_presence, int32_t, ef_module_presence)
GIVES(give_persons, int32_t, ef_module_persons)
GIVES(give_timestamp, int32_t, ef_module_timestamp)

static m3ApiRawFunction(give_history) {
    m3ApiReturnType(int32_t) m3ApiGetArg(uint32_t, at) m3ApiGetArg(int32_t, most)
    (void)_mem;
    uint32_t bytes = 0;
    uint8_t *memory = m3_GetMemory(runtime, &bytes, 0);
    m3ApiReturn(memory == NULL ? 0 : ef_module_history(call_of(_ctx), memory, bytes, at, most))
}

static m3ApiRawFunction(take_event) {
    m3ApiGetArg(int32_t, id) m3ApiGetArg(float, value)
    (void)runtime;
    (void)_mem;
    ef_module_emit(call_of(_ctx), id, value);
    m3ApiSuccess()
}

static m3ApiRawFunction(take_log) {
    m3ApiGetArg(uint32_t, at) m3ApiGetArg(int32_t, length)
    (void)_mem;
    uint32_t bytes = 0;
    const uint8_t *memory = m3_GetMemory(runtime, &bytes, 0);
    if (memory != NULL) {
        ef_module_write_log(call_of(_ctx), memory, bytes, at, length);
    }
    m3ApiSuccess()
}

typedef struct import {
    const char *name, *signature;
    M3RawCall call;
} import;

static const import imports[] = {
    {"csi_get_phase", "f(i)", give_phase},
    {"csi_get_amplitude", "f(i)", give_amplitude},
    {"csi_get_variance", "f(i)", give_variance},
    {"csi_get_bpm_breathing", "f()", give_breathing},
    {"csi_get_bpm_heartrate", "f()", give_heart},
    {"csi_get_motion_energy", "f()", give_motion},
    {"csi_get_presence", "i()", give_presence},
    {"csi_get_n_persons", "i()", give_persons},
    {"csi_get_timestamp", "i()", give_timestamp},
    {"csi_get_phase_history", "i(ii)", give_history},
    {"csi_emit_event", "v(if)", take_event},
    {"csi_log", "v(ii)", take_log},
};

/* A module need not import them all. */
static bool link_imports(IM3Module module, const module_wasm3 *engine) {
    for (unsigned i = 0; i < sizeof imports / sizeof imports[0]; i++) {
        const import *each = &imports[i];
        const M3Result result = m3_LinkRawFunctionEx(module, "csi", each->name, each->signature, each->call, engine);
        if (result != m3Err_none && result != m3Err_functionLookupFailed) {
            return false;
        }
    }
    return true;
}

bool module_wasm3_open(module_wasm3 *engine, uint32_t native_stack_bytes) {
    memset(engine, 0, sizeof *engine);
    engine->most_pending = native_stack_bytes / MODULE_WASM3_FRAME_BYTES;
    engine->environment = m3_NewEnvironment();
    return engine->environment != NULL;
}

void module_wasm3_close(module_wasm3 *engine) {
    for (uint32_t slot = 0; slot < EF_MODULE_SLOTS; slot++) {
        module_wasm3_unload(engine, slot);
    }
    m3_FreeEnvironment(engine->environment);
}

void module_wasm3_unload(module_wasm3 *engine, uint32_t slot) {
    if (engine->slots[slot].runtime != NULL) {
        m3_FreeRuntime(engine->slots[slot].runtime);
    }
    memset(&engine->slots[slot], 0, sizeof engine->slots[slot]);
}

static bool has_shape(IM3Function function, unsigned entry) {
    return m3_GetRetCount(function) == 0 && m3_GetArgCount(function) == (entry == EF_MODULE_ON_FRAME ? 1u : 0u) &&
           (entry != EF_MODULE_ON_FRAME || m3_GetArgType(function, 0) == c_m3Type_i32);
}

static bool find_entries(module_wasm3_slot *own) {
    for (unsigned i = 0; i < 3; i++) {
        const M3Result found = m3_FindFunction(&own->entries[i], own->runtime, entry_names[i]);
        if (found == m3Err_functionLookupFailed) {
            own->entries[i] = NULL;
        } else if (found != m3Err_none || !has_shape(own->entries[i], i)) {
            return false;
        }
    }
    return true;
}

/* All is compiled here, so that nothing is allocated while it runs. */
static bool take(module_wasm3 *engine, module_wasm3_slot *own, const uint8_t *wasm, uint32_t bytes) {
    IM3Module module = NULL;
    if (m3_ParseModule(engine->environment, &module, wasm, bytes) != m3Err_none) {
        return false;
    }
    if (m3_LoadModule(own->runtime, module) != m3Err_none) {
        m3_FreeModule(module);
        return false;
    }
    own->fuel = m3_FindGlobal(module, EF_MODULE_FUEL);
    return own->fuel != NULL && link_imports(module, engine) && m3_CompileModule(module) == m3Err_none && find_entries(own);
}

bool module_wasm3_load(module_wasm3 *engine, uint32_t slot, const uint8_t *wasm, uint32_t bytes, uint32_t memory_kb,
                       uint32_t pending) {
    module_wasm3_slot *own = &engine->slots[slot];
    if (pending > engine->most_pending) {
        return false;
    }
    own->runtime = m3_NewRuntime(engine->environment, MODULE_WASM3_STACK_BYTES, NULL);
    if (own->runtime == NULL) {
        return false;
    }
    own->runtime->memoryLimit = memory_kb * 1024u;
    if (!take(engine, own, wasm, bytes)) {
        module_wasm3_unload(engine, slot);
        return false;
    }
    return true;
}

static bool set_fuel(IM3Global global, int32_t fuel) {
    M3TaggedValue value;
    memset(&value, 0, sizeof value);
    value.type = c_m3Type_i32;
    value.value.i32 = (uint32_t)fuel;
    return m3_SetGlobal(global, &value) == m3Err_none;
}

static bool ran_out(IM3Global global) {
    M3TaggedValue value;
    return m3_GetGlobal(global, &value) == m3Err_none && value.value.i32 > INT32_MAX;
}

ef_module_end module_wasm3_call(module_wasm3 *engine, uint32_t slot, ef_module_entry entry, int32_t argument, int32_t fuel,
                                ef_module_call *call) {
    const module_wasm3_slot *own = &engine->slots[slot];
    const IM3Function function = own->runtime == NULL ? NULL : own->entries[entry];
    const void *arguments[1] = {&argument};
    if (function == NULL) {
        return EF_MODULE_ABSENT;
    }
    if (!set_fuel(own->fuel, fuel)) {
        return EF_MODULE_TRAPPED;
    }
    engine->call = call;
    const M3Result result = m3_Call(function, entry == EF_MODULE_ON_FRAME ? 1u : 0u, arguments);
    engine->call = NULL;
    if (result == m3Err_none) {
        return EF_MODULE_DONE;
    }
    return ran_out(own->fuel) ? EF_MODULE_ENDLESS : EF_MODULE_TRAPPED;
}
