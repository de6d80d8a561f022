/* Text into a buffer of fixed size, without the heap or a locale. */
#ifndef EDGEFLOW_TEXT_WRITER_H
#define EDGEFLOW_TEXT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ef_text {
    char *to;
    size_t most, used; /* used may pass most: it did not fit */
} ef_text;

void ef_text_put(ef_text *out, const char *text);
void ef_text_count(ef_text *out, uint64_t number);

/* With so many decimals (at most 6), rounded; of at most 18 digits in all. What is not finite becomes 0. */
void ef_text_decimal(ef_text *out, double number, unsigned decimals);

/* Ends the text; false: it did not fit. */
bool ef_text_end(ef_text *out);

#endif
