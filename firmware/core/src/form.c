#include "edgeflow/form.h"

#include <stdbool.h>
#include <string.h>

static int hex_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char small = (char)(character | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* One character, of one or three; returns how many, 0 for a wrong escape. */
static size_t decode(const char *at, size_t left, char *character) {
    *character = *at == '+' ? ' ' : *at;
    if (*at != '%') {
        return 1;
    }
    const int high = left > 2 ? hex_digit(at[1]) : -1, low = left > 2 ? hex_digit(at[2]) : -1;
    *character = (char)(high * 16 + low);
    return high < 0 || low < 0 ? 0 : 3;
}

static ef_status decode_all(const char *value, size_t size, char *to, size_t most) {
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        char character;
        const size_t taken = decode(value + at, size - at, &character);
        if (taken == 0 || (unsigned char)character < ' ') {
            to[0] = '\0';
            return EF_ERROR_SHAPE;
        }
        if (used + 1u >= most) {
            to[0] = '\0';
            return EF_ERROR_LENGTH;
        }
        to[used++] = character;
        at += taken;
    }
    to[used] = '\0';
    return EF_OK;
}

ef_status ef_form_field(const char *form, size_t size, const char *name, char *to, size_t most) {
    const size_t length = strlen(name);
    if (most == 0) {
        return EF_ERROR_LENGTH;
    }
    to[0] = '\0';
    for (size_t at = 0; at < size;) {
        const char *const end = memchr(form + at, '&', size - at);
        const size_t field = end == NULL ? size - at : (size_t)(end - form) - at;
        const bool found = field > length && memcmp(form + at, name, length) == 0 && form[at + length] == '=';
        if (found) {
            return decode_all(form + at + length + 1u, field - length - 1u, to, most);
        }
        at += field + 1u;
    }
    return EF_ERROR_TYPE;
}
