/* Numbers modulo p = 2^255 - 19: any 256 bits, least significant word first; those of p and above are allowed within. */
#ifndef EDGEFLOW_ED25519_FIELD_H
#define EDGEFLOW_ED25519_FIELD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct field {
    uint32_t word[8];
} field;

/* Results may be operands. */
void field_add(field *sum, const field *a, const field *b);
void field_subtract(field *difference, const field *a, const field *b);
void field_multiply(field *product, const field *a, const field *b);
void field_invert(field *inverse, const field *a); /* of 0: 0 */

/* (numerator / denominator)^(1/2), either of the two; false where there is none. */
bool field_root_of_ratio(field *root, const field *numerator, const field *denominator);

bool field_is_zero(const field *a);
bool field_is_odd(const field *a);                    /* the lowest bit of the number below p */
void field_put(uint8_t bytes[32], const field *a);    /* the number below p */
bool field_get(field *a, const uint8_t bytes[32]);    /* without the highest bit; false: not below p */

/* word -= other where that is not below zero. Of 8 words; says whether it was done. */
bool words_reduce(uint32_t word[8], const uint32_t other[8]);
void words_get(uint32_t *word, const uint8_t *bytes, unsigned count);

#endif
