/* Where this board keeps models: raw slots, and the file system of the reference firmware. */
#ifndef MODEL_CLIENT_MODEL_STORAGE_H
#define MODEL_CLIENT_MODEL_STORAGE_H

#include "edgeflow/slots.h"

/* Open the slots. NULL where the partition table has none: such a board still answers with the file's model. */
ef_slots *model_storage_slots(uint8_t ids);

/* Load /model/model_fp32.bin into memory that stays. NULL when there is none; what cannot be read is left as it is. */
const uint8_t *model_storage_file(size_t *bytes);

#endif
