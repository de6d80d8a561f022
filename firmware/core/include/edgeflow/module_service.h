/* Modules over HTTP, without the sockets: /wasm/upload, list, start, stop and delete, for whoever knows the node's key. */
#ifndef EDGEFLOW_MODULE_SERVICE_H
#define EDGEFLOW_MODULE_SERVICE_H

#include "edgeflow/modules.h"

#define EF_MODULE_ANSWER_BYTES 6144u /* suffices for every answer */
#define EF_MODULE_REFUSAL_BYTES 256u /* for those of ef_module_refuse */

typedef struct ef_module_request {
    const char *method, *path;
    const char *authorization; /* the header, or NULL */
    const uint8_t *body;       /* of an upload; may be NULL while nothing of it was received */
    size_t length;             /* announced */
} ef_module_request;

/* Before a body is read: 200 go on, 400 empty, 403 no key or another, 404 no such path, 405 another method, 413 too large. */
int ef_module_allow(const ef_module_request *request, const char *key);

/* What can be said against a request without touching a module, with `received` bytes of its body there: 0 for nothing, go on.
 * Otherwise its status, and the answer in JSON; no more of the body is of use. For a task that does not own the modules. */
int ef_module_refuse(const ef_module_gate *gate, const ef_module_request *request, size_t received, const char *key, char *to,
                     size_t room);

/* The answer in JSON, of at most `room` bytes with its end, and its status. Checks all that ef_module_allow does. */
int ef_module_answer(ef_modules *modules, const ef_module_request *request, const char *key, const ef_module_inputs *inputs,
                     char *to, size_t room);

/* The list alone. False: it does not fit, and `to` is empty. */
EF_MUST_CHECK bool ef_module_list(const ef_modules *modules, char *to, size_t room);

#endif
