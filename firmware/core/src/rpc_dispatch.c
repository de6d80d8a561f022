/* From a request to its reply: which handler, what lengths it takes, and what an error looks like on the wire. */
#include "rpc_internal.h"

#define ANY UINT32_MAX

typedef struct row {
    uint8_t type;
    bool needs_slots;
    uint32_t least, most; /* bytes of the payload */
    ef_handler handler;
} row;

static const row table[] = {
    {0x01, false, 0, 0, ef_rpc_hello},          {0x02, false, 0, 0, ef_rpc_model_info},
    {0x03, false, 4, ANY, ef_rpc_infer},        {0x04, false, 4, ANY, ef_rpc_stream_open},
    {0x05, false, 0, ANY, ef_rpc_stream_step},  {0x06, false, 0, 0, ef_rpc_stream_close},
    {0x10, true, 8, 8, ef_rpc_upload_begin},    {0x11, true, 4, ANY, ef_rpc_upload_data},
    {0x12, true, 0, 0, ef_rpc_upload_end},      {0x13, true, 4, 4, ef_rpc_activate},
    {0x14, true, 0, 0, ef_rpc_confirm},         {0x15, true, 0, 0, ef_rpc_roll_back},
    {0x16, true, 0, 0, ef_rpc_upload_abort},    {0x17, false, 12, 12, ef_rpc_read},
    {0x20, false, 4, 4, ef_rpc_set_baud},       {0x21, false, 0, 0, ef_rpc_statistics_of},
    {0x22, false, 0, 0, ef_rpc_restart},        {0x23, false, 0, ANY, ef_rpc_echo},
};

static const char *const text[] = {
    "no error",
    "checksum wrong",
    "unknown type",
    "length of the payload is wrong",
    "values do not fit the model's dimensions",
    "no model under this id",
    "the model's bytes contradict themselves",
    "an upload into another model id runs",
    "flash failed",
    "not enough memory",
    "not now: out of order, or nothing there to do this to",
    "the self-test vector is missed",
    "values are not finite",
    "not supported by this board",
    "does not fit into the slot",
};

static const row *find(uint8_t type) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].type == type) {
            return &table[i];
        }
    }
    return NULL;
}

static void send(ef_rpc *rpc, const ef_frame *frame) {
    ef_rpc_write(rpc, ef_frame_seal(rpc->board.memory.transmit, frame));
}

void ef_rpc_refuse(ef_rpc *rpc, const ef_frame *frame, uint8_t type, ef_status status, uint32_t detail) {
    uint8_t *payload = rpc->board.memory.transmit + EF_FRAME_HEADER_BYTES;
    unsigned number = (unsigned)-(int)status;
    const char *words = number < sizeof text / sizeof text[0] ? text[number] : "failed";
    ef_frame reply = {type, (uint8_t)number, frame->id, frame->model, 0, 4u + (uint32_t)strlen(words)};
    ef_put32(payload, detail);
    memcpy(payload + 4, words, reply.length - 4u);
    rpc->statistics.errors++;
    send(rpc, &reply);
}

static ef_status handle(ef_rpc *rpc, const ef_request *request, ef_reply *reply) {
    const ef_frame *frame = &request->frame;
    const row *entry = find(frame->type);
    if (entry == NULL) {
        reply->detail = frame->type;
        return EF_ERROR_TYPE;
    }
    if (frame->flags != 0 || (entry->needs_slots && rpc->board.slots == NULL)) {
        return EF_ERROR_UNSUPPORTED;
    }
    if (frame->length < entry->least || frame->length > entry->most) {
        reply->detail = entry->least;
        return EF_ERROR_LENGTH;
    }
    return entry->handler(rpc, request, reply);
}

void ef_rpc_dispatch(ef_rpc *rpc, const ef_request *request) {
    ef_reply reply = {rpc->board.memory.transmit + EF_FRAME_HEADER_BYTES, 0, 0};
    uint8_t type = request->frame.type | EF_FRAME_REPLY;
    rpc->statistics.requests++;
    ef_status status = handle(rpc, request, &reply);
    if (status != EF_OK) {
        ef_rpc_refuse(rpc, &request->frame, type, status, reply.detail);
        return;
    }
    ef_frame frame = {type, 0, request->frame.id, request->frame.model, 0, reply.length};
    send(rpc, &frame);
    ef_rpc_after_reply(rpc);
}

void ef_rpc_announce(ef_rpc *rpc) {
    uint8_t *payload = rpc->board.memory.transmit + EF_FRAME_HEADER_BYTES;
    ef_frame frame = {.type = 0xC1, .length = 28};
    memset(payload, 0, 4);
    payload[0] = ef_rpc_answering(rpc);
    memcpy(payload + 4, rpc->board.identity->firmware, 24);
    send(rpc, &frame);
}
