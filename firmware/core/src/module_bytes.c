#include "module_bytes.h"

#include <string.h>

enum { WIDE = 5 };

uint8_t module_byte(module_reader *from) {
    if (from->at >= from->end) {
        from->broken = true;
        return 0;
    }
    return *from->at++;
}

uint32_t module_number(module_reader *from) {
    uint32_t value = 0;
    for (unsigned i = 0; i < WIDE; i++) {
        const uint8_t byte = module_byte(from);
        value |= (uint32_t)(byte & 0x7Fu) << (7u * i);
        if ((byte & 0x80u) == 0) {
            from->broken = from->broken || (i == 4u && byte > 0x0Fu);
            return value;
        }
    }
    from->broken = true;
    return 0;
}

void module_skip(module_reader *from, size_t count) {
    if (count > (size_t)(from->end - from->at)) {
        from->broken = true;
        from->at = from->end;
        return;
    }
    from->at += count;
}

void module_skip_number(module_reader *from, unsigned most) {
    for (unsigned i = 0; i < most; i++) {
        if ((module_byte(from) & 0x80u) == 0) {
            return;
        }
    }
    from->broken = true;
}

module_reader module_part(module_reader *from, size_t count) {
    module_reader part = {from->at, from->at, false};
    module_skip(from, count);
    part.end = from->broken ? part.at : from->at;
    part.broken = from->broken;
    return part;
}

void module_put(module_writer *to, const void *bytes, size_t count) {
    if (count > (size_t)(to->end - to->at)) {
        to->full = true;
        return;
    }
    if (count > 0) {
        memcpy(to->at, bytes, count);
        to->at += count;
    }
}

void module_put_byte(module_writer *to, uint8_t byte) {
    module_put(to, &byte, 1);
}

void module_put_number(module_writer *to, uint32_t value) {
    while (value >= 0x80u) {
        module_put_byte(to, (uint8_t)(value | 0x80u));
        value >>= 7u;
    }
    module_put_byte(to, (uint8_t)value);
}

uint32_t module_reserve(module_writer *to) {
    static const uint8_t zero[WIDE] = {0x80, 0x80, 0x80, 0x80, 0x00};
    const uint32_t place = (uint32_t)(to->at - to->start);
    module_put(to, zero, WIDE);
    return place;
}

void module_patch(const module_writer *to, uint32_t place, uint32_t value) {
    for (unsigned i = 0; !to->full && i < WIDE; i++) {
        to->start[place + i] = (uint8_t)(((value >> (7u * i)) & 0x7Fu) | (i + 1u < WIDE ? 0x80u : 0u));
    }
}
