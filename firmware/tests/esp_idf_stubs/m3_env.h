#ifndef M3_ENV_H
#define M3_ENV_H
#include "wasm3.h"
struct M3Runtime {
    uint32_t memoryLimit;
};
#endif
