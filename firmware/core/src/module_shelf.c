#include "edgeflow/module_shelf.h"

#include <string.h>

#include "edgeflow/checksum.h"
#include "little_endian.h"

#define RECORD_MAGIC 0x524D4645u /* "EFMR" */
#define SHARE_MAGIC 0x534D4645u  /* "EFMS" */
#define HEADER_BYTES 16u
#define PLACE_BYTES 8u
#define MARK_BYTES (EF_GATE_NAME_BYTES + 4u)
#define PLACES_AT 12u
#define MARKS_AT (PLACES_AT + EF_MODULE_SLOTS * PLACE_BYTES)
#define CRC_AT (MARKS_AT + EF_GATE_MARKS * MARK_BYTES)
#define RECORD_BYTES (CRC_AT + 4u)
#define PIECE_BYTES 64u

static uint32_t share_at(const ef_module_shelf *shelf, uint32_t slot) {
    return 2u * shelf->flash->sector_size + slot * shelf->share_bytes;
}

static void encode(const ef_module_shelf *shelf, const ef_module_gate *gate, uint32_t sequence, uint8_t to[RECORD_BYTES]) {
    memset(to, 0, RECORD_BYTES);
    ef_put32(ef_put32(ef_put32(to, RECORD_MAGIC), sequence), gate->mark_count);
    for (uint32_t slot = 0; slot < EF_MODULE_SLOTS; slot++) {
        const ef_shelf_place *place = &shelf->place[slot];
        uint8_t *at = ef_put32(to + PLACES_AT + slot * PLACE_BYTES, place->crc32);
        at[0] = place->state;
        at[1] = place->tries;
    }
    for (uint32_t i = 0; i < gate->mark_count; i++) {
        uint8_t *at = to + MARKS_AT + i * MARK_BYTES;
        memcpy(at, gate->marks[i].name, EF_GATE_NAME_BYTES);
        ef_put32(at + EF_GATE_NAME_BYTES, gate->marks[i].version);
    }
    ef_put32(to + CRC_AT, ef_crc32(0, to, CRC_AT));
}

static bool is_record(const uint8_t from[RECORD_BYTES]) {
    return ef_get32(from) == RECORD_MAGIC && ef_get32(from + CRC_AT) == ef_crc32(0, from, CRC_AT) &&
           ef_get32(from + 8) <= EF_GATE_MARKS;
}

static void decode(const uint8_t from[RECORD_BYTES], ef_module_shelf *shelf, ef_module_gate *gate) {
    for (uint32_t slot = 0; slot < EF_MODULE_SLOTS; slot++) {
        const uint8_t *at = from + PLACES_AT + slot * PLACE_BYTES;
        const uint8_t state = at[4] <= EF_SHELF_DISABLED ? at[4] : (uint8_t)EF_SHELF_DISABLED;
        shelf->place[slot] = (ef_shelf_place){.crc32 = ef_get32(at), .state = state, .tries = at[5]};
    }
    gate->mark_count = ef_get32(from + 8);
    for (uint32_t i = 0; i < gate->mark_count; i++) {
        const uint8_t *at = from + MARKS_AT + i * MARK_BYTES;
        memcpy(gate->marks[i].name, at, EF_GATE_NAME_BYTES);
        gate->marks[i].version = ef_get32(at + EF_GATE_NAME_BYTES);
    }
}

static ef_status read_records(ef_module_shelf *shelf, ef_module_gate *gate) {
    const ef_flash *flash = shelf->flash;
    bool any = false;
    for (uint8_t sector = 0; sector < 2u; sector++) {
        uint8_t bytes[RECORD_BYTES];
        if (flash->read(flash->context, sector * flash->sector_size, bytes, RECORD_BYTES) != EF_OK) {
            return EF_ERROR_FLASH;
        }
        const uint32_t sequence = ef_get32(bytes + 4);
        if (is_record(bytes) && (!any || (int32_t)(sequence - shelf->sequence) > 0)) {
            any = true;
            shelf->sequence = sequence;
            shelf->sector = sector;
            decode(bytes, shelf, gate);
        }
    }
    return EF_OK;
}

const uint8_t *ef_shelf_find(const ef_module_shelf *shelf, uint32_t slot, uint32_t *bytes) {
    const uint8_t *mapped = shelf->flash == NULL ? NULL : shelf->flash->map(shelf->flash->context);
    if (mapped == NULL || slot >= EF_MODULE_SLOTS) {
        return NULL;
    }
    const uint8_t *header = mapped + share_at(shelf, slot);
    *bytes = ef_get32(header + 4);
    const bool whole = ef_get32(header) == SHARE_MAGIC && ef_get32(header + 12) == ef_crc32(0, header, 12) &&
                       *bytes <= shelf->share_bytes - HEADER_BYTES &&
                       ef_get32(header + 8) == ef_crc32(0, header + HEADER_BYTES, *bytes);
    return whole ? header + HEADER_BYTES : NULL;
}

/* What was said of a container that is not there any more says nothing of the next one. */
static void match(ef_module_shelf *shelf, uint32_t slot) {
    ef_shelf_place *place = &shelf->place[slot];
    uint32_t bytes;
    const uint8_t *image = ef_shelf_find(shelf, slot, &bytes);
    const uint32_t crc32 = image == NULL ? 0u : ef_crc32(0, image, bytes);
    if (image == NULL || crc32 != place->crc32) {
        *place = (ef_shelf_place){.crc32 = crc32};
    }
    place->holds = image != NULL;
}

ef_status ef_shelf_open(ef_module_shelf *shelf, const ef_flash *flash, ef_module_gate *gate) {
    memset(shelf, 0, sizeof *shelf);
    gate->mark_count = 0;
    if (flash->sector_size < RECORD_BYTES || flash->size / flash->sector_size < 2u + EF_MODULE_SLOTS) {
        return EF_ERROR_SPACE;
    }
    shelf->flash = flash;
    shelf->sector = 1;
    shelf->share_bytes = (flash->size / flash->sector_size - 2u) / EF_MODULE_SLOTS * flash->sector_size;
    if (read_records(shelf, gate) != EF_OK) {
        shelf->flash = NULL;
        return EF_ERROR_FLASH;
    }
    for (uint32_t slot = 0; slot < EF_MODULE_SLOTS; slot++) {
        match(shelf, slot);
    }
    return EF_OK;
}

ef_status ef_shelf_write(ef_module_shelf *shelf, const ef_module_gate *gate) {
    const ef_flash *flash = shelf->flash;
    uint8_t bytes[RECORD_BYTES];
    if (flash == NULL) {
        return EF_OK;
    }
    const uint8_t sector = (uint8_t)(1u - shelf->sector);
    const uint32_t offset = sector * flash->sector_size;
    encode(shelf, gate, shelf->sequence + 1u, bytes);
    if (flash->erase(flash->context, offset) != EF_OK ||
        flash->program(flash->context, offset, bytes, RECORD_BYTES) != EF_OK) {
        return EF_ERROR_FLASH;
    }
    const uint32_t crc32 = ef_get32(bytes + CRC_AT);
    if (flash->read(flash->context, offset, bytes, RECORD_BYTES) != EF_OK || !is_record(bytes) ||
        ef_get32(bytes + CRC_AT) != crc32) {
        return EF_ERROR_FLASH;
    }
    shelf->sequence++;
    shelf->sector = sector;
    return EF_OK;
}

static ef_status write_image(const ef_module_shelf *shelf, uint32_t at, const uint8_t *image, uint32_t bytes) {
    const ef_flash *flash = shelf->flash;
    ef_status done = EF_OK;
    for (uint32_t from = 0; from < HEADER_BYTES + bytes && done == EF_OK; from += flash->sector_size) {
        done = flash->erase(flash->context, at + from);
    }
    for (uint32_t from = 0; from < bytes && done == EF_OK; from += PIECE_BYTES) {
        uint8_t piece[PIECE_BYTES];
        const uint32_t count = bytes - from < PIECE_BYTES ? bytes - from : PIECE_BYTES;
        memset(piece, 0xFF, sizeof piece);
        memcpy(piece, image + from, count);
        done = flash->program(flash->context, at + HEADER_BYTES + from, piece, (count + 3u) & ~3u);
    }
    return done;
}

ef_status ef_shelf_put(ef_module_shelf *shelf, const ef_module_gate *gate, uint32_t slot, const uint8_t *image,
                       uint32_t bytes) {
    const ef_flash *flash = shelf->flash;
    uint8_t header[HEADER_BYTES];
    uint32_t found;
    if (flash == NULL || slot >= EF_MODULE_SLOTS || bytes > shelf->share_bytes - HEADER_BYTES) {
        return EF_ERROR_SPACE;
    }
    const uint32_t at = share_at(shelf, slot), crc32 = ef_crc32(0, image, bytes);
    ef_put32(ef_put32(ef_put32(header, SHARE_MAGIC), bytes), crc32);
    ef_put32(header + 12, ef_crc32(0, header, 12));
    shelf->place[slot] = (ef_shelf_place){.crc32 = crc32};
    if (write_image(shelf, at, image, bytes) != EF_OK ||
        flash->program(flash->context, at, header, HEADER_BYTES) != EF_OK || ef_shelf_find(shelf, slot, &found) == NULL) {
        return EF_ERROR_FLASH;
    }
    shelf->place[slot].holds = true;
    return ef_shelf_write(shelf, gate);
}

ef_status ef_shelf_drop(ef_module_shelf *shelf, uint32_t slot) {
    static const uint8_t nothing[HEADER_BYTES];
    const ef_flash *flash = shelf->flash;
    if (flash == NULL || slot >= EF_MODULE_SLOTS || !shelf->place[slot].holds) {
        return EF_OK;
    }
    shelf->place[slot] = (ef_shelf_place){.holds = false};
    return flash->program(flash->context, share_at(shelf, slot), nothing, HEADER_BYTES);
}
