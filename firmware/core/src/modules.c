#include "edgeflow/modules.h"

#include <string.h>

#include "module_events.h"
#include "module_start.h"

const char *ef_module_state_name(ef_module_state state) {
    static const char *const names[] = {"empty", "loaded", "running", "stopped", "error", "kept", "disabled"};
    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

ef_status ef_modules_init(ef_modules *modules, const ef_module_engine *engine, uint8_t *arena, uint32_t count, uint32_t arena_bytes,
                          uint8_t node, const uint8_t *key, bool accepts_unsigned) {
    memset(modules, 0, sizeof *modules);
    if (count < 1u || count > EF_MODULE_SLOTS || arena == NULL) {
        return EF_ERROR_UNSUPPORTED;
    }
    modules->engine = *engine;
    modules->arena = arena;
    modules->count = count;
    modules->arena_bytes = arena_bytes;
    modules->node = node;
    modules->gate = (ef_module_gate){.key = key, .accepts_unsigned = accepts_unsigned, .free_slots = count};
    modules->trial_us = EF_MODULE_NOT_BEGUN;
    return EF_OK;
}

static uint32_t held(uint32_t value, uint32_t otherwise, uint32_t least, uint32_t most) {
    return value == 0 ? otherwise : value < least ? least : value > most ? most : value;
}

static ef_module_refusal prepare(ef_modules *modules, const ef_rvf *rvf, uint32_t slot) {
    ef_module *module = &modules->slots[slot];
    uint8_t *to = modules->arena + (size_t)slot * modules->arena_bytes;
    const ef_module_engine *engine = &modules->engine;
    ef_module_size size;
    const ef_status status =
        ef_module_prepare(rvf->wasm, rvf->wasm_bytes, to, modules->arena_bytes, &modules->work, &size);
    if (status != EF_OK) {
        return status == EF_ERROR_SPACE || status == EF_ERROR_MEMORY ? EF_MODULE_MEMORY : EF_MODULE_CODE;
    }
    memset(module, 0, sizeof *module);
    module->memory_kb = held(rvf->memory_limit_kb, EF_MODULE_MEMORY_KB, 1, EF_MODULE_MOST_MEMORY_KB);
    /* WebAssembly counts in pages: a module may declare the one that its limit ends in. */
    const uint32_t pages_kb = (module->memory_kb + EF_MODULE_PAGE_KB - 1u) / EF_MODULE_PAGE_KB * EF_MODULE_PAGE_KB;
    if (size.memory_kb > pages_kb) {
        return EF_MODULE_MEMORY;
    }
    module->prepared_bytes = size.bytes;
    module->pending = size.pending;
    return engine->load(engine->context, slot, to, size.bytes, module->memory_kb, size.pending) ? EF_MODULE_TAKEN
                                                                                              : EF_MODULE_ENGINE;
}

ef_module_refusal ef_module_place(ef_modules *modules, ef_rvf *rvf, uint32_t slot) {
    const ef_module_refusal refusal = prepare(modules, rvf, slot);
    if (refusal != EF_MODULE_TAKEN) {
        return refusal;
    }
    ef_module *module = &modules->slots[slot];
    rvf->image = rvf->wasm = rvf->signature = rvf->vectors = NULL;
    module->manifest = *rvf;
    module->budget_us =
        held(rvf->max_frame_us, EF_MODULE_BUDGET_US, EF_MODULE_LEAST_BUDGET_US, EF_MODULE_MOST_BUDGET_US);
    module->state = EF_MODULE_LOADED;
    return EF_MODULE_TAKEN;
}

ef_module_refusal ef_modules_load(ef_modules *modules, const uint8_t *image, size_t count, uint32_t *slot,
                                  ef_rvf_fault *fault) {
    ef_rvf rvf;
    ef_module_refusal refusal = ef_gate_check(&modules->gate, image, count, &rvf, fault);
    if (refusal != EF_MODULE_TAKEN) {
        return refusal;
    }
    uint32_t free = 0;
    while (free < modules->count && modules->slots[free].state != EF_MODULE_EMPTY) {
        free++;
    }
    if (free == modules->count) {
        return EF_MODULE_FULL;
    }
    refusal = ef_module_place(modules, &rvf, free);
    if (refusal != EF_MODULE_TAKEN) {
        return refusal;
    }
    modules->gate.free_slots--;
    modules->shelf.place[free] = (ef_shelf_place){.holds = false};
    (void)ef_gate_mark(&modules->gate, &modules->slots[free].manifest);
    *slot = free;
    return EF_MODULE_TAKEN;
}

static void count_time(ef_module *module, ef_module_entry entry, uint32_t us, bool endless) {
    uint8_t *in_row = &module->faults_in_row[entry];
    module->last_us = us;
    module->total_us += us;
    module->calls++;
    module->max_us = us > module->max_us ? us : module->max_us;
    if (us > module->budget_us || endless) {
        module->budget_faults++;
        (*in_row)++;
    } else if (us < module->budget_us / 2u) {
        *in_row = 0;
    }
    if (*in_row >= EF_MODULE_MOST_FAULTS) {
        module->state = EF_MODULE_ERROR;
    }
}

static void call_module(ef_modules *modules, uint32_t slot, ef_module_entry entry, const ef_module_inputs *inputs,
                        uint64_t now_us) {
    const ef_module_engine *engine = &modules->engine;
    ef_module *module = &modules->slots[slot];
    ef_module_call *call = &modules->call;
    *call = (ef_module_call){.inputs = inputs, .capabilities = module->manifest.capabilities};
    const uint64_t begun = engine->clock_us(engine->context);
    const ef_module_end end = engine->call(engine->context, slot, entry, (int32_t)inputs->subcarriers,
                                           (int32_t)(module->budget_us * EF_MODULE_FUEL_PER_US), call);
    const uint64_t spent = engine->clock_us(engine->context) - begun;
    if (end == EF_MODULE_ABSENT) {
        return;
    }
    count_time(module, entry, spent < UINT32_MAX ? (uint32_t)spent : UINT32_MAX, end == EF_MODULE_ENDLESS);
    if (end != EF_MODULE_DONE && ++module->error_count >= EF_MODULE_MOST_TRAPS) {
        module->state = EF_MODULE_ERROR;
    }
    if (call->log_bytes > 0) {
        engine->log(engine->context, slot, call->log);
    }
    if (end == EF_MODULE_DONE) { /* what a call told before it failed is not trusted */
        ef_module_tell_events(modules, slot, now_us);
    }
}

static ef_module *known(ef_modules *modules, uint32_t slot) {
    const bool there = slot < modules->count && modules->slots[slot].state != EF_MODULE_EMPTY;
    return there ? &modules->slots[slot] : NULL;
}

void ef_module_run(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs) {
    ef_module *module = &modules->slots[slot];
    module->state = EF_MODULE_RUNNING;
    module->error_count = 0;
    memset(module->faults_in_row, 0, sizeof module->faults_in_row);
    call_module(modules, slot, EF_MODULE_ON_INIT, inputs, (uint64_t)inputs->time_ms * 1000u);
}

ef_status ef_modules_start(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs) {
    const ef_module *module = known(modules, slot);
    if (module == NULL || module->state == EF_MODULE_RUNNING) {
        return module == NULL ? EF_ERROR_NO_MODEL : EF_ERROR_STATE;
    }
    if (module->state == EF_MODULE_KEPT || module->state == EF_MODULE_DISABLED) {
        return ef_module_fetch(modules, slot, inputs);
    }
    const ef_status noted = ef_module_note(modules, slot, EF_SHELF_RUNS);
    ef_module_run(modules, slot, inputs);
    return noted;
}

ef_status ef_modules_stop(ef_modules *modules, uint32_t slot) {
    ef_module *module = known(modules, slot);
    if (module == NULL || module->state != EF_MODULE_RUNNING) {
        return module == NULL ? EF_ERROR_NO_MODEL : EF_ERROR_STATE;
    }
    module->state = EF_MODULE_STOPPED;
    return ef_module_note(modules, slot, EF_SHELF_STOPPED);
}

ef_status ef_modules_unload(ef_modules *modules, uint32_t slot) {
    ef_module *module = known(modules, slot);
    if (module == NULL) {
        return EF_ERROR_NO_MODEL;
    }
    if (module->state != EF_MODULE_KEPT && module->state != EF_MODULE_DISABLED) {
        modules->engine.unload(modules->engine.context, slot);
    }
    memset(module, 0, sizeof *module);
    modules->gate.free_slots++;
    modules->waiting &= ~(1u << slot);
    modules->trial &= ~(1u << slot);
    return ef_shelf_drop(&modules->shelf, slot);
}

static bool takes(const ef_module *module, uint32_t subcarriers) {
    const ef_rvf *manifest = &module->manifest;
    return subcarriers >= manifest->min_subcarriers &&
           (manifest->max_subcarriers == 0 || subcarriers <= manifest->max_subcarriers);
}

void ef_modules_frame(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us) {
    ef_modules_tick(modules, inputs, now_us);
    for (uint32_t slot = 0; slot < modules->count && inputs->subcarriers > 0; slot++) {
        ef_module *module = &modules->slots[slot];
        if (module->state == EF_MODULE_RUNNING && takes(module, inputs->subcarriers)) {
            module->frame_count++;
            call_module(modules, slot, EF_MODULE_ON_FRAME, inputs, now_us);
        } else if (module->state == EF_MODULE_RUNNING) {
            module->skipped_count++;
        }
    }
}

void ef_modules_tick(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us) {
    if (modules->timed && now_us - modules->timer_us < EF_MODULE_TIMER_US) {
        return;
    }
    const bool first = !modules->timed;
    modules->timed = true;
    modules->timer_us = now_us;
    for (uint32_t slot = 0; slot < modules->count && !first; slot++) {
        if (modules->slots[slot].state == EF_MODULE_RUNNING) {
            call_module(modules, slot, EF_MODULE_ON_TIMER, inputs, now_us);
        }
    }
}

uint32_t ef_modules_loaded(const ef_modules *modules) {
    uint32_t loaded = 0;
    for (uint32_t slot = 0; slot < modules->count; slot++) {
        loaded += modules->slots[slot].state != EF_MODULE_EMPTY ? 1u : 0u;
    }
    return loaded;
}

uint32_t ef_module_mean_us(const ef_module *module) {
    return module->calls == 0 ? 0u : (uint32_t)(module->total_us / module->calls);
}
