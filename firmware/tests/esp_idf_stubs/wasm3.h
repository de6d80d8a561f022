/* What the port of modules uses of WASM3 0.5. */
#ifndef WASM3_H
#define WASM3_H
#include <stdint.h>
typedef const char *M3Result;
typedef struct M3Environment *IM3Environment;
typedef struct M3Runtime *IM3Runtime;
typedef struct M3Module *IM3Module;
typedef struct M3Function *IM3Function;
typedef struct M3Global *IM3Global;
typedef struct M3ImportContext {
    void *userdata;
    IM3Function function;
} M3ImportContext, *IM3ImportContext;
typedef enum M3ValueType { c_m3Type_none, c_m3Type_i32, c_m3Type_i64, c_m3Type_f32, c_m3Type_f64 } M3ValueType;
typedef struct M3TaggedValue {
    M3ValueType type;
    union {
        uint32_t i32;
        uint64_t i64;
        float f32;
        double f64;
    } value;
} M3TaggedValue, *IM3TaggedValue;
extern M3Result m3Err_none, m3Err_functionLookupFailed;
typedef const void *(*M3RawCall)(IM3Runtime runtime, IM3ImportContext _ctx, uint64_t *_sp, void *_mem);
IM3Environment m3_NewEnvironment(void);
void m3_FreeEnvironment(IM3Environment environment);
IM3Runtime m3_NewRuntime(IM3Environment environment, uint32_t stack_bytes, void *userdata);
void m3_FreeRuntime(IM3Runtime runtime);
uint8_t *m3_GetMemory(IM3Runtime runtime, uint32_t *bytes, uint32_t index);
M3Result m3_ParseModule(IM3Environment environment, IM3Module *module, const uint8_t *const wasm, uint32_t bytes);
void m3_FreeModule(IM3Module module);
M3Result m3_LoadModule(IM3Runtime runtime, IM3Module module);
M3Result m3_CompileModule(IM3Module module);
M3Result m3_LinkRawFunctionEx(IM3Module module, const char *const space, const char *const name, const char *const signature,
                              M3RawCall function, const void *userdata);
IM3Global m3_FindGlobal(IM3Module module, const char *const name);
M3Result m3_GetGlobal(IM3Global global, IM3TaggedValue value);
M3Result m3_SetGlobal(IM3Global global, const IM3TaggedValue value);
M3Result m3_FindFunction(IM3Function *function, IM3Runtime runtime, const char *const name);
uint32_t m3_GetArgCount(IM3Function function);
uint32_t m3_GetRetCount(IM3Function function);
M3ValueType m3_GetArgType(IM3Function function, uint32_t index);
M3Result m3_Call(IM3Function function, uint32_t count, const void *arguments[]);
#define m3ApiReturnType(TYPE) TYPE *raw_return = ((TYPE *)(_sp++));
#define m3ApiGetArg(TYPE, NAME) TYPE NAME = *((TYPE *)(_sp++));
#define m3ApiRawFunction(NAME) const void *NAME(IM3Runtime runtime, IM3ImportContext _ctx, uint64_t *_sp, void *_mem)
#define m3ApiReturn(VALUE) { *raw_return = (VALUE); return m3Err_none; }
#define m3ApiSuccess() { return m3Err_none; }
#endif
