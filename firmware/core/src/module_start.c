/* Modules over a restart of the node: what is kept, what comes back, and what does not because the node did not outlive it. */
#include "module_start.h"

#include <string.h>

static bool is_kept(const ef_modules *modules, uint32_t slot) {
    return modules->shelf.flash != NULL && modules->shelf.place[slot].holds;
}

ef_status ef_modules_keep(ef_modules *modules, uint32_t slot, const uint8_t *image, uint32_t count) {
    const bool there = slot < modules->count && modules->slots[slot].state != EF_MODULE_EMPTY;
    ef_status status = there ? ef_shelf_put(&modules->shelf, &modules->gate, slot, image, count) : EF_ERROR_NO_MODEL;
    if (status == EF_ERROR_SPACE && modules->shelf.flash != NULL) { /* its version counts all the same */
        status = ef_shelf_write(&modules->shelf, &modules->gate) == EF_OK ? EF_ERROR_SPACE : EF_ERROR_FLASH;
    }
    return status;
}

ef_status ef_module_note(ef_modules *modules, uint32_t slot, ef_shelf_state state) {
    ef_shelf_place *place = &modules->shelf.place[slot];
    if (!is_kept(modules, slot) || place->state == (uint8_t)state) {
        return EF_OK;
    }
    place->state = (uint8_t)state;
    return ef_shelf_write(&modules->shelf, &modules->gate);
}

/* A start that the node did not outlive counts only when the node ended by itself; true: the record has to be written. */
static bool judge(ef_shelf_place *place, bool crashed) {
    if (!crashed) {
        place->tries = place->tries > 0 ? (uint8_t)(place->tries - 1u) : 0u;
    } else if (place->tries >= EF_MODULE_MOST_TRIES) {
        place->state = EF_SHELF_DISABLED;
        place->tries = 0;
        return true;
    }
    return false;
}

/* Shown in the list, whether it will run or not. False: no container of modules. */
static bool show(ef_modules *modules, uint32_t slot) {
    ef_module *module = &modules->slots[slot];
    uint32_t bytes;
    const uint8_t *image = ef_shelf_find(&modules->shelf, slot, &bytes);
    ef_rvf rvf;
    if (image == NULL || ef_rvf_open(image, bytes, &rvf) != EF_RVF_GOOD) {
        return false;
    }
    rvf.image = rvf.wasm = rvf.signature = rvf.vectors = NULL;
    memset(module, 0, sizeof *module);
    module->manifest = rvf;
    module->state = modules->shelf.place[slot].state == EF_SHELF_DISABLED ? EF_MODULE_DISABLED : EF_MODULE_KEPT;
    return true;
}

ef_status ef_modules_restore(ef_modules *modules, const ef_flash *flash, bool crashed) {
    const ef_status opened = ef_shelf_open(&modules->shelf, flash, &modules->gate);
    bool changed = false;
    if (opened != EF_OK) {
        return opened;
    }
    for (uint32_t slot = 0; slot < modules->count; slot++) {
        if (!is_kept(modules, slot)) {
            continue;
        }
        changed = judge(&modules->shelf.place[slot], crashed) || changed;
        if (!show(modules, slot)) {
            modules->shelf.place[slot].holds = false;
            continue;
        }
        modules->gate.free_slots--;
        modules->waiting |= modules->slots[slot].state == EF_MODULE_KEPT ? 1u << slot : 0u;
    }
    return changed ? ef_shelf_write(&modules->shelf, &modules->gate) : EF_OK;
}

/* Into its own slot; what cannot be run any more stays where it is, disabled. */
static bool bring(ef_modules *modules, uint32_t slot) {
    uint32_t bytes;
    const uint8_t *image = ef_shelf_find(&modules->shelf, slot, &bytes);
    ef_rvf rvf;
    modules->waiting &= ~(1u << slot);
    const bool good = image != NULL && ef_rvf_open(image, bytes, &rvf) == EF_RVF_GOOD &&
                      ef_gate_check_signature(&modules->gate, &rvf) == EF_MODULE_TAKEN &&
                      ef_module_place(modules, &rvf, slot) == EF_MODULE_TAKEN;
    if (good) {
        (void)ef_gate_mark(&modules->gate, &rvf); /* the power went between container and record */
    } else {
        (void)show(modules, slot);
        modules->slots[slot].state = EF_MODULE_DISABLED;
    }
    return good;
}

static void try_slot(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs) {
    modules->trial |= 1u << slot;
    modules->trial_us = EF_MODULE_NOT_BEGUN;
    if (!bring(modules, slot)) {
        return;
    }
    if (modules->shelf.place[slot].state == EF_SHELF_STOPPED) {
        modules->slots[slot].state = EF_MODULE_STOPPED;
    } else {
        ef_module_run(modules, slot, inputs);
    }
}

ef_status ef_module_fetch(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs) {
    ef_shelf_place *place = &modules->shelf.place[slot];
    place->state = EF_SHELF_RUNS;
    place->tries = 1;
    const ef_status noted = ef_shelf_write(&modules->shelf, &modules->gate);
    if (noted != EF_OK) { /* whoever cannot count tries must not make them */
        return noted;
    }
    try_slot(modules, slot, inputs);
    return modules->slots[slot].state == EF_MODULE_DISABLED ? EF_ERROR_UNSUPPORTED : EF_OK;
}

/* Who comes next: all whom no crash has followed, or one of the others. */
static uint32_t choose(const ef_modules *modules) {
    uint32_t fresh = 0, first = 0;
    for (uint32_t slot = modules->count; slot-- > 0;) {
        if ((modules->waiting & 1u << slot) != 0) {
            fresh |= modules->shelf.place[slot].tries == 0 ? 1u << slot : 0u;
            first = 1u << slot;
        }
    }
    return fresh != 0 ? fresh : first;
}

static void try_next(ef_modules *modules, const ef_module_inputs *inputs) {
    const uint32_t chosen = choose(modules);
    for (uint32_t slot = 0; slot < modules->count; slot++) {
        modules->shelf.place[slot].tries += (chosen & 1u << slot) != 0 ? 1u : 0u;
    }
    if (ef_shelf_write(&modules->shelf, &modules->gate) != EF_OK) {
        modules->waiting = 0; /* they stay as they are; the owner can start them */
        return;
    }
    for (uint32_t slot = 0; slot < modules->count; slot++) {
        if ((chosen & 1u << slot) != 0) {
            try_slot(modules, slot, inputs);
        }
    }
}

/* The node has outlived them. */
static void trust(ef_modules *modules) {
    for (uint32_t slot = 0; slot < modules->count; slot++) {
        if ((modules->trial & 1u << slot) != 0) {
            modules->shelf.place[slot].tries = 0;
        }
    }
    modules->trial = 0;
    (void)!ef_shelf_write(&modules->shelf, &modules->gate); /* then a crash counts once too often */
}

void ef_modules_revive(ef_modules *modules, const ef_module_inputs *inputs, uint64_t now_us) {
    if (modules->trial != 0) {
        modules->trial_us = modules->trial_us == EF_MODULE_NOT_BEGUN ? now_us : modules->trial_us;
        if (now_us - modules->trial_us < EF_MODULE_SETTLE_US) {
            return;
        }
        trust(modules);
    }
    if (modules->waiting != 0) {
        try_next(modules, inputs);
        modules->trial_us = now_us;
    }
}
