/* The body of one function: copied, with the instructions counted down at its start and at each turn of a loop. */
#ifndef EDGEFLOW_MODULE_CODE_H
#define EDGEFLOW_MODULE_CODE_H

#include "edgeflow/module_prepare.h"
#include "module_bytes.h"

typedef struct module_code {
    ef_module_work *work;
    uint32_t imports, functions, fuel; /* numbers of imported and own functions; the index of the global */
} module_code;

/* Copies the body and sets work->own of function `index`. */
EF_MUST_CHECK ef_status module_copy_body(const module_code *code, uint32_t index, const module_reader *body, module_writer *to);

/* The deepest that function `index` goes with what it calls, as work->whole has it of the others. */
uint32_t module_depth(const module_code *code, uint32_t index, const module_reader *body);

#endif
