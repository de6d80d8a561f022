/* What functions of the core return. A reply on the wire carries the same number without its sign. */
#ifndef EDGEFLOW_STATUS_H
#define EDGEFLOW_STATUS_H

#if defined(__GNUC__)
#define EF_MUST_CHECK __attribute__((warn_unused_result))
#else
#define EF_MUST_CHECK
#endif

typedef enum ef_status {
    EF_OK = 0,
    EF_ERROR_CRC = -1,         /* a checksum or hash does not fit the bytes */
    EF_ERROR_TYPE = -2,        /* no such kind of message */
    EF_ERROR_LENGTH = -3,      /* too short, too long, or not what the header says */
    EF_ERROR_SHAPE = -4,       /* values do not fit the model's dimensions */
    EF_ERROR_NO_MODEL = -5,    /* no model under this id */
    EF_ERROR_MODEL = -6,       /* the model's bytes contradict themselves */
    EF_ERROR_BUSY = -7,        /* an upload into another model id runs */
    EF_ERROR_FLASH = -8,       /* the flash does not do what it was told */
    EF_ERROR_MEMORY = -9,      /* the model needs more memory than there is */
    EF_ERROR_STATE = -10,      /* not now: out of order, or nothing to confirm or roll back to */
    EF_ERROR_SELF_TEST = -11,  /* the model does not reproduce its own test vector */
    EF_ERROR_NOT_FINITE = -12, /* NaN or infinity in an input, a weight or an answer */
    EF_ERROR_UNSUPPORTED = -13,/* a dtype, kind, baud rate or option this build does not have */
    EF_ERROR_SPACE = -14       /* does not fit into the slot */
} ef_status;

#endif
