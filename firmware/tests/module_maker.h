/* Containers of sensing modules for tests. */
#ifndef MODULE_MAKER_H
#define MODULE_MAKER_H

#include <stddef.h>
#include <stdint.h>

#define MODULE_WASM_BYTES 47u

/* A module whose on_init never ends; and the key and signature of the container that make_module makes of it. */
extern const uint8_t endless_wasm[MODULE_WASM_BYTES];
extern const uint8_t module_key[32];
extern const uint8_t module_signature[64];

/* Header, manifest, WebAssembly and the signature; returns its bytes. With other WebAssembly it is not signed. */
size_t make_module(const uint8_t *wasm, size_t count, uint8_t *to);

#endif
