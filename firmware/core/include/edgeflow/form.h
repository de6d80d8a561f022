/* Fields of a form as browsers post it (application/x-www-form-urlencoded). */
#ifndef EDGEFLOW_FORM_H
#define EDGEFLOW_FORM_H

#include <stddef.h>

#include "edgeflow/status.h"

/* The first field of this name, decoded and ended. EF_ERROR_TYPE: there is none. EF_ERROR_LENGTH: it does not fit into `most`
 * characters, its end included. EF_ERROR_SHAPE: a wrong escape, or a character below a space. Then `to` is empty. */
EF_MUST_CHECK ef_status ef_form_field(const char *form, size_t size, const char *name, char *to, size_t most);

#endif
