/* What the host of modules and their coming back after a restart need of each other. */
#ifndef MODULE_START_H
#define MODULE_START_H

#include "edgeflow/modules.h"

/* Prepare an open container into a slot, and give it to the engine. */
EF_MUST_CHECK ef_module_refusal ef_module_place(ef_modules *modules, ef_rvf *rvf, uint32_t slot);
/* From a state in which it does not run: on_init, and all counts of faults from 0. */
void ef_module_run(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs);
/* Load and start what is in flash now. EF_ERROR_UNSUPPORTED: it is refused, and disabled. */
EF_MUST_CHECK ef_status ef_module_fetch(ef_modules *modules, uint32_t slot, const ef_module_inputs *inputs);
/* Remember the state of a slot over a restart, where it is kept. */
EF_MUST_CHECK ef_status ef_module_note(ef_modules *modules, uint32_t slot, ef_shelf_state state);

#endif
