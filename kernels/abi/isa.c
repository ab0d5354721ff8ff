/* Which instruction sets this build holds and this CPU runs. Nothing is cached: a provider asks once a session. */
#include "isa.h"

#include <stddef.h>

#if defined(EDGE_BUILD_X86)
#include <cpuid.h>

/* Register state the operating system saves: without it the CPU's features must not be used (Intel SDM 1, 14.3). */
static uint32_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

#define ALL(value, bits) (((value) & (bits)) == (bits))

enum {
  STATE_YMM = 0x06,                        /* XMM, YMM */
  STATE_ZMM = 0xe6,                        /* XMM, YMM, opmask, both ZMM halves */
  LEAF1_ECX = 1 << 12 | 1 << 27 | 1 << 28, /* FMA, OSXSAVE, AVX */
  LEAF7_EBX_AVX2 = 1 << 5,                 /* AVX2 */
  LEAF7_ECX_VNNI = 1 << 11,                /* AVX512_VNNI */
};
#define LEAF7_EBX_AVX512 \
  (UINT32_C(1) << 16 | UINT32_C(1) << 17 | UINT32_C(1) << 30 | UINT32_C(1) << 31) /* F DQ BW VL */

static edge_isa cpu_best(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !ALL(c, LEAF1_ECX)) return EDGE_ISA_REF;
  const uint32_t state = saved_state();
  if (!ALL(state, STATE_YMM) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !ALL(b, LEAF7_EBX_AVX2))
    return EDGE_ISA_REF;
  if (ALL(state, STATE_ZMM) && ALL(b, LEAF7_EBX_AVX512) && ALL(c, LEAF7_ECX_VNNI)) return EDGE_ISA_AVX512VNNI;
  return EDGE_ISA_AVX2;
}
#define OLDEST EDGE_ISA_AVX2

#elif defined(EDGE_BUILD_AARCH64)
#include <sys/auxv.h>

/* arch/arm64/include/uapi/asm/hwcap.h */
#define CAP_ASIMD (UINT64_C(1) << 1)
#define CAP_ASIMDDP (UINT64_C(1) << 20)

static edge_isa cpu_best(void) {
  const uint64_t caps = getauxval(AT_HWCAP);
  if ((caps & CAP_ASIMD) == 0) return EDGE_ISA_REF;
  return (caps & CAP_ASIMDDP) != 0 ? EDGE_ISA_NEON_DOTPROD : EDGE_ISA_NEON;
}
#define OLDEST EDGE_ISA_NEON

#elif defined(EDGE_BUILD_WASM_RELAXED)
static edge_isa cpu_best(void) { return EDGE_ISA_WASM_RELAXED; }
#define OLDEST EDGE_ISA_WASM_SIMD128

#elif defined(EDGE_BUILD_WASM_FMA)
static edge_isa cpu_best(void) { return EDGE_ISA_WASM_FMA; }
#define OLDEST EDGE_ISA_WASM_SIMD128

#elif defined(EDGE_BUILD_WASM)
static edge_isa cpu_best(void) { return EDGE_ISA_WASM_SIMD128; }
#define OLDEST EDGE_ISA_WASM_SIMD128

#else
static edge_isa cpu_best(void) { return EDGE_ISA_REF; }
#define OLDEST EDGE_ISA_REF
#endif

edge_isa edge_isa_best(void) { return cpu_best(); }

/* isa.def lists an architecture's sets in rising order, each holding the one before. */
int edge_isa_usable(edge_isa isa) { return isa == EDGE_ISA_REF || (isa >= OLDEST && isa <= cpu_best()); }

const char *edge_isa_name(edge_isa isa) {
  switch ((int)isa) {
#define EDGE_ISA(number, name, text) \
  case number:                       \
    return text;
#include "isa.def"
    default:
      return "?";
  }
}
