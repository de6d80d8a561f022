/* Containers of sensing modules for tests. */
#ifndef MODULE_MAKER_H
#define MODULE_MAKER_H

#include <stddef.h>
#include <stdint.h>

#define MODULE_WASM_BYTES 47u
#define MODULE_VERSIONS 4u

/* A module whose on_init never ends; and the key that signed the containers made of it. */
extern const uint8_t endless_wasm[MODULE_WASM_BYTES];
extern const uint8_t module_key[32];

/* Header, manifest, WebAssembly and the signature; returns its bytes. With other WebAssembly it is not signed. */
size_t make_module(const uint8_t *wasm, size_t count, uint8_t *to);
/* The same, of a version from 0 (none) to 3. */
size_t make_versioned_module(const uint8_t *wasm, size_t count, uint32_t version, uint8_t *to);

#endif
