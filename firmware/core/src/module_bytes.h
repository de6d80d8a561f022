/* Bounded reading and writing of WebAssembly. What goes wrong is remembered, and asked for at the end. */
#ifndef EDGEFLOW_MODULE_BYTES_H
#define EDGEFLOW_MODULE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct module_reader {
    const uint8_t *at, *end;
    bool broken;
} module_reader;

typedef struct module_writer {
    uint8_t *start, *at, *end;
    bool full;
} module_writer;

uint8_t module_byte(module_reader *from);
uint32_t module_number(module_reader *from); /* LEB128, u32 */
void module_skip(module_reader *from, size_t count);
void module_skip_number(module_reader *from, unsigned most); /* LEB128 of at most so many bytes */
module_reader module_part(module_reader *from, size_t count);

void module_put(module_writer *to, const void *bytes, size_t count);
void module_put_byte(module_writer *to, uint8_t byte);
void module_put_number(module_writer *to, uint32_t value);

/* A number of five bytes, set later by module_patch. */
uint32_t module_reserve(module_writer *to);
void module_patch(const module_writer *to, uint32_t place, uint32_t value);

#endif
