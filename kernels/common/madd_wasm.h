/* sum + a * b in four floats, rounded once where the build may ask for that (see runtime/sandbox.py), else twice. */
#ifndef EDGE_MADD_WASM_H
#define EDGE_MADD_WASM_H

#include <wasm_simd128.h>

static inline v128_t edge_madd(v128_t sum, v128_t a, v128_t b) {
#if defined(EDGE_BUILD_WASM_FMA)
  return wasm_f32x4_relaxed_madd(a, b, sum);
#else
  return wasm_f32x4_add(sum, wasm_f32x4_mul(a, b));
#endif
}

#endif
