#include "edgeflow/module_prepare.h"

#include <string.h>

#include "module_code.h"

enum {
    SECTION_TYPE = 1,
    SECTION_IMPORT = 2,
    SECTION_FUNCTION = 3,
    SECTION_MEMORY = 5,
    SECTION_GLOBAL = 6,
    SECTION_EXPORT = 7,
    SECTION_START = 8,
    SECTION_ELEMENT = 9,
    SECTION_CODE = 10,
    SECTION_DATA = 11,
    MAX_EXPORTS = 64,
    MAX_GLOBALS = 128,
    MAX_PAGES = 4
};

typedef struct prepared {
    module_writer to;
    module_code code;
    ef_module_size *size;
    uint32_t types, declared; /* declared: functions of the section of functions */
    uint8_t last;             /* section */
    bool globals, exports, bodies;
} prepared;

static ef_status read_types(prepared *all, const module_reader *section) {
    module_reader from = *section;
    const uint32_t count = module_number(&from);
    if (count > EF_MODULE_MAX_TYPES) {
        return EF_ERROR_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < count && !from.broken; i++) {
        const uint8_t form = module_byte(&from);
        const uint32_t parameters = module_number(&from);
        module_skip(&from, parameters);
        module_skip(&from, module_number(&from));
        if (!from.broken && (form != 0x60u || parameters > UINT8_MAX)) {
            return EF_ERROR_UNSUPPORTED;
        }
        all->code.work->types[i] = (uint8_t)parameters;
    }
    all->types = count;
    return from.broken ? EF_ERROR_MODEL : EF_OK;
}

static void note_function(prepared *all, uint32_t index, module_reader *type) {
    const uint32_t number = module_number(type);
    type->broken = type->broken || number >= all->types;
    all->code.work->parameters[index] = type->broken ? 0u : all->code.work->types[number];
}

static ef_status read_imports(prepared *all, const module_reader *section) {
    module_reader from = *section;
    const uint32_t count = module_number(&from);
    if (count > EF_MODULE_MAX_IMPORTS) {
        return EF_ERROR_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < count && !from.broken; i++) {
        const module_reader module = module_part(&from, module_number(&from));
        module_skip(&from, module_number(&from));
        const uint8_t kind = module_byte(&from);
        const bool foreign = kind != 0 || module.end - module.at != 3 || memcmp(module.at, "csi", 3) != 0;
        if (!from.broken && foreign) {
            return EF_ERROR_UNSUPPORTED;
        }
        note_function(all, i, &from);
    }
    all->code.imports = count;
    return from.broken ? EF_ERROR_MODEL : EF_OK;
}

static ef_status read_functions(prepared *all, const module_reader *section) {
    module_reader from = *section;
    all->declared = module_number(&from);
    if (all->declared > EF_MODULE_MAX_FUNCTIONS) {
        return EF_ERROR_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < all->declared && !from.broken; i++) {
        note_function(all, all->code.imports + i, &from);
    }
    return from.broken ? EF_ERROR_MODEL : EF_OK;
}

static ef_status read_memory(prepared *all, const module_reader *section) {
    module_reader from = *section;
    const uint32_t count = module_number(&from);
    const uint8_t flags = module_byte(&from);
    const uint32_t pages = module_number(&from);
    if (from.broken || count != 1 || flags > 1u) {
        return EF_ERROR_MODEL;
    }
    all->size->memory_kb = pages <= MAX_PAGES ? pages * EF_MODULE_PAGE_KB : UINT32_MAX;
    return pages <= MAX_PAGES ? EF_OK : EF_ERROR_MEMORY;
}

/* Begin a section whose size is set by end_section. */
static uint32_t begin_section(prepared *all, uint8_t id) {
    module_put_byte(&all->to, id);
    return module_reserve(&all->to);
}

static void end_section(const prepared *all, uint32_t place) {
    module_patch(&all->to, place, (uint32_t)(all->to.at - all->to.start) - place - 5u);
}

static ef_status put_globals(prepared *all, const module_reader *section) {
    module_reader from = *section;
    static const uint8_t fuel[] = {0x7F, 1, 0x41, 0, 0x0B};
    const uint32_t count = from.at < from.end ? module_number(&from) : 0;
    if (count > MAX_GLOBALS || from.broken) {
        return EF_ERROR_UNSUPPORTED;
    }
    const uint32_t place = begin_section(all, SECTION_GLOBAL);
    module_put_number(&all->to, count + 1u);
    module_put(&all->to, from.at, (size_t)(from.end - from.at));
    module_put(&all->to, fuel, sizeof fuel);
    end_section(all, place);
    all->code.fuel = count;
    all->globals = true;
    return EF_OK;
}

static ef_status put_exports(prepared *all, const module_reader *section) {
    module_reader from = *section;
    static const char name[] = EF_MODULE_FUEL;
    const uint32_t count = module_number(&from);
    if (count > MAX_EXPORTS || from.broken) {
        return EF_ERROR_UNSUPPORTED;
    }
    const uint32_t place = begin_section(all, SECTION_EXPORT);
    module_put_number(&all->to, count + 1u);
    module_put(&all->to, from.at, (size_t)(from.end - from.at));
    module_put_number(&all->to, sizeof name - 1u);
    module_put(&all->to, name, sizeof name - 1u);
    module_put_byte(&all->to, 3);
    module_put_number(&all->to, all->code.fuel);
    end_section(all, place);
    all->exports = true;
    for (uint32_t i = 0; i < count && !from.broken; i++) {
        const module_reader own = module_part(&from, module_number(&from));
        module_skip(&from, 1);
        module_skip_number(&from, 5);
        if (own.end - own.at == sizeof name - 1u && memcmp(own.at, name, sizeof name - 1u) == 0) {
            return EF_ERROR_UNSUPPORTED;
        }
    }
    return from.broken ? EF_ERROR_MODEL : EF_OK;
}

/* Own costs are known: those with calls settle within as many rounds as calls may be nested, unless something recurses. */
static ef_status measure_depth(prepared *all, const module_reader *bodies) {
    ef_module_work *work = all->code.work;
    memset(work->whole, 0, sizeof work->whole);
    for (unsigned round = 0; round <= EF_MODULE_MAX_CALLS; round++) {
        module_reader from = *bodies;
        bool changed = false;
        for (uint32_t i = 0; i < all->code.functions; i++) {
            const module_reader body = module_part(&from, module_number(&from));
            const uint32_t depth = module_depth(&all->code, i, &body);
            changed = changed || depth != work->whole[i];
            work->whole[i] = depth;
            all->size->pending = depth > all->size->pending ? depth : all->size->pending;
        }
        if (!changed) {
            return EF_OK;
        }
    }
    return EF_ERROR_UNSUPPORTED;
}

static ef_status put_code(prepared *all, const module_reader *section) {
    module_reader from = *section;
    const uint32_t count = module_number(&from);
    if (from.broken || count != all->declared || !all->exports) {
        return EF_ERROR_MODEL;
    }
    const module_reader bodies = from;
    const uint32_t place = begin_section(all, SECTION_CODE);
    module_put_number(&all->to, count);
    all->code.functions = count;
    for (uint32_t i = 0; i < count; i++) {
        const module_reader body = module_part(&from, module_number(&from));
        const ef_status status = body.broken ? EF_ERROR_MODEL : module_copy_body(&all->code, i, &body, &all->to);
        if (status != EF_OK) {
            return status;
        }
    }
    end_section(all, place);
    all->bodies = true;
    return from.at == from.end ? measure_depth(all, &bodies) : EF_ERROR_MODEL;
}

static ef_status copy_section(prepared *all, uint8_t id, const module_reader *section) {
    const uint32_t size = (uint32_t)(section->end - section->at);
    module_put_byte(&all->to, id);
    module_put_number(&all->to, size);
    module_put(&all->to, section->at, size);
    switch (id) {
    case SECTION_TYPE:
        return read_types(all, section);
    case SECTION_IMPORT:
        return read_imports(all, section);
    case SECTION_FUNCTION:
        return read_functions(all, section);
    case SECTION_MEMORY:
        return read_memory(all, section);
    default:
        return EF_OK;
    }
}

static ef_status take_section(prepared *all, uint8_t id, const module_reader *section) {
    const module_reader none = {section->at, section->at, false};
    if (id <= all->last) {
        return EF_ERROR_MODEL;
    }
    if (id == SECTION_START || id == SECTION_ELEMENT || id > SECTION_DATA) {
        return EF_ERROR_UNSUPPORTED;
    }
    all->last = id;
    if (id > SECTION_GLOBAL && !all->globals) {
        const ef_status status = put_globals(all, &none);
        if (status != EF_OK) {
            return status;
        }
    }
    switch (id) {
    case SECTION_GLOBAL:
        return put_globals(all, section);
    case SECTION_EXPORT:
        return put_exports(all, section);
    case SECTION_CODE:
        return put_code(all, section);
    default:
        return copy_section(all, id, section);
    }
}

ef_status ef_module_prepare(const uint8_t *wasm, size_t count, uint8_t *to, size_t room, ef_module_work *work,
                            ef_module_size *size) {
    static const uint8_t magic[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    prepared all = {.to = {to, to, to + room, false}, .code = {.work = work}, .size = size};
    module_reader from = {wasm, wasm + count, false};
    memset(size, 0, sizeof *size);
    if (count < sizeof magic || memcmp(wasm, magic, sizeof magic) != 0) {
        return EF_ERROR_MODEL;
    }
    module_skip(&from, sizeof magic);
    module_put(&all.to, magic, sizeof magic);
    while (from.at < from.end) {
        const uint8_t id = module_byte(&from);
        const uint32_t bytes = module_number(&from);
        const module_reader section = module_part(&from, bytes);
        if (from.broken) {
            return EF_ERROR_MODEL;
        }
        const ef_status status = id == 0 ? EF_OK : take_section(&all, id, &section); /* 0: names and the like */
        if (status != EF_OK || all.to.full) {
            return all.to.full ? EF_ERROR_SPACE : status;
        }
    }
    size->bytes = (uint32_t)(all.to.at - to);
    size->functions = (uint16_t)all.code.functions;
    return all.bodies ? EF_OK : EF_ERROR_MODEL;
}
