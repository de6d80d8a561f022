#include "module_code.h"

enum {
    UNREACHABLE = 0x00,
    NOP = 0x01,
    BLOCK = 0x02,
    LOOP = 0x03,
    IF = 0x04,
    ELSE = 0x05,
    END = 0x0B,
    BR = 0x0C,
    BR_IF = 0x0D,
    BR_TABLE = 0x0E,
    CALL = 0x10,
    DROP = 0x1A,
    LOCAL_GET = 0x20,
    GLOBAL_GET = 0x23,
    GLOBAL_SET = 0x24,
    FIRST_LOAD = 0x28,
    LAST_STORE = 0x3E,
    MEMORY_SIZE = 0x3F,
    MEMORY_GROW = 0x40,
    CONST_I32 = 0x41,
    CONST_I64 = 0x42,
    CONST_F32 = 0x43,
    CONST_F64 = 0x44,
    LAST_SIGN_EXTENSION = 0xC4,
    PREFIX = 0xFC,
    LAST_SATURATING = 7,
    MAX_LOCALS = 512,
    HOST_CALL_COST = 8,
    CHECK_OPERATIONS = 5,
    NO_RESULT = 0x40
};

/* What follows an instruction is passed over; false: no instruction of the node's. */
static bool skip_rest(module_reader *from, uint8_t code) {
    if (code == BLOCK || code == LOOP || code == IF) {
        const uint8_t type = module_byte(from);
        return type == NO_RESULT || (type >= 0x7Cu && type <= 0x7Fu);
    }
    if (code == BR || code == BR_IF || code == CALL || (code >= LOCAL_GET && code <= GLOBAL_SET) || code == CONST_I32) {
        module_skip_number(from, 5);
    } else if (code == BR_TABLE) {
        for (uint32_t left = module_number(from); left > 0 && !from->broken; left--) {
            module_skip_number(from, 5);
        }
        module_skip_number(from, 5);
    } else if (code >= FIRST_LOAD && code <= LAST_STORE) {
        module_skip_number(from, 5);
        module_skip_number(from, 5);
    } else if (code == MEMORY_SIZE || code == MEMORY_GROW) {
        return module_byte(from) == 0;
    } else if (code == CONST_I64) {
        module_skip_number(from, 10);
    } else if (code == CONST_F32 || code == CONST_F64) {
        module_skip(from, code == CONST_F32 ? 4u : 8u);
    } else if (code == PREFIX) {
        return module_number(from) <= LAST_SATURATING;
    } else {
        return code <= NOP || code == ELSE || code == END || code == 0x0F || code == DROP || code == 0x1B ||
               (code > CONST_F64 && code <= LAST_SIGN_EXTENSION);
    }
    return true;
}

/* fuel -= cost; if (fuel < 0) trap. Returns the place of the cost. */
static uint32_t put_check(const module_code *code, module_writer *to) {
    module_put_byte(to, 0x23);
    module_put_number(to, code->fuel);
    module_put_byte(to, CONST_I32);
    const uint32_t place = module_reserve(to);
    module_put_byte(to, 0x6B);
    module_put_byte(to, 0x24);
    module_put_number(to, code->fuel);
    module_put_byte(to, 0x23);
    module_put_number(to, code->fuel);
    static const uint8_t trap_below_zero[] = {CONST_I32, 0, 0x48, IF, 0x40, UNREACHABLE, END};
    module_put(to, trap_below_zero, sizeof trap_below_zero);
    return place;
}

/* The copy has one global more, which was no global before: whoever names it would fill its own fuel up. */
static bool names_fuel(const module_code *code, uint8_t op, const uint8_t *operand, const uint8_t *end) {
    module_reader from = {operand, end, false};
    return (op == GLOBAL_GET || op == GLOBAL_SET) && (module_number(&from) >= code->fuel || from.broken);
}

/* Instructions that an interpreter executes by themselves. */
static bool counts(uint8_t code) {
    return code != NOP && code != BLOCK && code != END && code != DROP && code != LOCAL_GET &&
           !(code >= CONST_I32 && code <= CONST_F64);
}

/* WASM3 has a table for the constants of a function, each of them once; what finds no place there is loaded every time. */
static bool has_place(const module_code *code, uint8_t op, const uint8_t *operand, const uint8_t *end, uint32_t *held) {
    uint64_t *constants = code->work->constants, value = 0;
    if (end - operand > 8) {
        return false;
    }
    for (const uint8_t *at = operand; at < end; at++) {
        value = (value << 8u) | *at;
    }
    value ^= (uint64_t)op << 56u;
    for (uint32_t i = 0; i < *held; i++) {
        if (constants[i] == value) {
            return true;
        }
    }
    if (*held == EF_MODULE_MAX_CONSTANTS) {
        return false;
    }
    constants[(*held)++] = value;
    return true;
}

/* What WASM3 makes of an instruction: the arguments of a call are copied, and so is the result of a block, at its end or by
 * a branch. */
static uint32_t operations(const module_code *code, uint8_t op, const uint8_t *operand, const uint8_t *end, uint32_t *held) {
    module_reader from = {operand, end, false};
    const uint32_t own = counts(op) ? 1u : 0u;
    if (op == CALL) {
        const uint32_t called = module_number(&from);
        return own + (called < code->imports + code->functions ? code->work->parameters[called] : 0u);
    }
    if (op >= CONST_I32 && op <= CONST_F64) {
        return has_place(code, op, operand, end, held) ? 0u : 1u;
    }
    const bool gives = (op == BLOCK || op == LOOP || op == IF) && *operand != NO_RESULT;
    return own + (op == LOOP ? CHECK_OPERATIONS : 0u) + (gives ? 2u : 0u);
}

static bool skip_locals(module_reader *from) {
    uint64_t locals = 0;
    for (uint32_t groups = module_number(from); groups > 0 && !from->broken; groups--) {
        locals += module_number(from);
        const uint8_t type = module_byte(from);
        if (locals > MAX_LOCALS || type < 0x7Cu || type > 0x7Fu) {
            return false;
        }
    }
    return !from->broken;
}

/* Loops that are open, from the outside; blocks in between have no place. */
typedef struct nest {
    uint32_t *patch, *cost;
    uint32_t depth, loop;    /* loop: the innermost level with a place */
} nest;

static uint32_t enclosing(const nest *open) {
    uint32_t level = open->depth - 1u;
    while (level > 0 && open->patch[level] == 0) {
        level--;
    }
    return level;
}

static bool step(const module_code *code, uint8_t op, nest *open, module_writer *to) {
    if (op == BLOCK || op == LOOP || op == IF) {
        if (open->depth >= EF_MODULE_MAX_NESTING) {
            return false;
        }
        open->patch[open->depth] = op == LOOP ? put_check(code, to) : 0;
        open->cost[open->depth] = 1;
        open->depth++;
    } else if (op == END) {
        const uint32_t level = open->depth - 1u;
        if (level == 0 || open->patch[level] != 0) {
            module_patch(to, open->patch[level], open->cost[level]);
        }
        open->depth = level;
    }
    if (open->depth > 0) {
        open->loop = enclosing(open);
    }
    return true;
}

static ef_status copy_instructions(const module_code *code, uint32_t index, module_reader *from, module_writer *to) {
    nest open = {code->work->patch, code->work->cost, 1, 0};
    uint32_t own = CHECK_OPERATIONS, held = 0;
    open.patch[0] = put_check(code, to);
    open.cost[0] = 1;
    while (open.depth > 0) {
        const uint8_t *begin = from->at;
        const uint8_t op = module_byte(from);
        if (from->broken) {
            return EF_ERROR_MODEL;
        }
        const bool known = skip_rest(from, op);
        if (from->broken || names_fuel(code, op, begin + 1, from->at)) {
            return EF_ERROR_MODEL;
        }
        if (!known) {
            return EF_ERROR_UNSUPPORTED;
        }
        own += operations(code, op, begin + 1, from->at, &held);
        open.cost[open.loop] += op == CALL ? (uint32_t)HOST_CALL_COST : 1u;
        if (op == MEMORY_GROW) {
            static const uint8_t refused[] = {DROP, CONST_I32, 0x7F};
            module_put(to, refused, sizeof refused);
        } else {
            module_put(to, begin, (size_t)(from->at - begin));
        }
        if (!step(code, op, &open, to)) {
            return EF_ERROR_UNSUPPORTED;
        }
    }
    code->work->own[index] = own;
    return from->at == from->end ? EF_OK : EF_ERROR_MODEL;
}

ef_status module_copy_body(const module_code *code, uint32_t index, const module_reader *body, module_writer *to) {
    module_reader from = *body;
    const uint8_t *begin = from.at;
    const uint32_t size = module_reserve(to), start = (uint32_t)(to->at - to->start);
    if (!skip_locals(&from)) {
        return from.broken ? EF_ERROR_MODEL : EF_ERROR_UNSUPPORTED;
    }
    module_put(to, begin, (size_t)(from.at - begin));
    const ef_status status = copy_instructions(code, index, &from, to);
    if (to->full) {
        return EF_ERROR_SPACE;
    }
    module_patch(to, size, (uint32_t)(to->at - to->start) - start);
    return status;
}

uint32_t module_depth(const module_code *code, uint32_t index, const module_reader *body) {
    module_reader from = *body;
    uint32_t deepest = 0;
    (void)skip_locals(&from);
    while (from.at < from.end && !from.broken) {
        const uint8_t op = module_byte(&from);
        if (op == CALL) {
            const uint32_t called = module_number(&from) - code->imports;
            if (called < code->functions && code->work->whole[called] > deepest) {
                deepest = code->work->whole[called];
            }
        } else {
            (void)skip_rest(&from, op);
        }
    }
    return code->work->own[index] + deepest;
}
