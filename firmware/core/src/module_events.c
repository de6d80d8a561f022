#include "module_events.h"

#include <math.h>
#include <string.h>

#define DEAD_BAND 0.05f
#define SMALL 0.001f
#define SECOND_MS 1000u

/* The place of an id: its own, a free one, or the oldest. */
static ef_module_told *place_of(ef_module *module, uint16_t id, uint32_t now_ms) {
    ef_module_told *chosen = &module->told[0];
    for (unsigned i = 0; i < EF_MODULE_TOLD; i++) {
        ef_module_told *each = &module->told[i];
        if (each->known && each->id == id) {
            return each;
        }
        if (chosen->known && (!each->known || now_ms - each->time_ms > now_ms - chosen->time_ms)) {
            chosen = each;
        }
    }
    chosen->known = false;
    return chosen;
}

static bool repeats(const ef_module_told *told, float value, uint32_t now_ms) {
    const float before = fabsf(told->value);
    return told->known && now_ms - told->time_ms < EF_MODULE_REPEAT_MS && before > SMALL &&
           fabsf(value - told->value) < DEAD_BAND * before;
}

static bool within_rate(ef_module *module, uint32_t now_ms) {
    const uint32_t most = module->manifest.max_events_per_second;
    if (now_ms - module->second_ms >= SECOND_MS) {
        module->second_ms = now_ms;
        module->in_second = 0;
    }
    if (most != 0 && module->in_second >= most) {
        module->limited_count++;
        return false;
    }
    module->in_second++;
    return true;
}

static bool leaves(ef_module *module, const ef_csi_event *event, uint32_t now_ms) {
    ef_module_told *told = place_of(module, event->id, now_ms);
    if (repeats(told, event->value, now_ms)) {
        module->suppressed_count++;
        return false;
    }
    if (!within_rate(module, now_ms)) {
        return false;
    }
    *told = (ef_module_told){.id = event->id, .known = true, .value = event->value, .time_ms = now_ms};
    return true;
}

void ef_module_tell_events(ef_modules *modules, uint32_t slot, uint64_t now_us) {
    ef_module *module = &modules->slots[slot];
    ef_csi_events_packet packet = {.node = modules->node, .slot = (uint8_t)slot, .time_us = now_us};
    for (uint32_t i = 0; i < modules->call.count; i++) {
        if (leaves(module, &modules->call.events[i], (uint32_t)(now_us / 1000u))) {
            packet.events[packet.count++] = modules->call.events[i];
        }
    }
    if (packet.count > 0) {
        module->event_count += packet.count;
        packet.sequence = modules->sequence++;
        modules->engine.tell(modules->engine.context, &packet);
    }
}
