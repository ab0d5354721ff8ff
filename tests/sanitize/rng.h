/* PCG32, seeded for each case from (seed, case number), so that one case can be run again without those before it. */
#ifndef EDGE_TEST_RNG_H
#define EDGE_TEST_RNG_H

#include <stdint.h>

typedef struct rng {
  uint64_t state, step;
} rng;

static inline uint64_t rng_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static inline uint32_t rng_u32(rng *r) {
  const uint64_t old = r->state;
  r->state = old * UINT64_C(6364136223846793005) + r->step;
  const uint32_t x = (uint32_t)(((old >> 18) ^ old) >> 27);
  const uint32_t turn = (uint32_t)(old >> 59);
  return (x >> turn) | (x << ((32u - turn) & 31u));
}

static inline rng rng_of(uint64_t seed, uint64_t number) {
  rng r = {rng_mix(seed + UINT64_C(0x9e3779b97f4a7c15) * (number + 1u)), rng_mix(seed ^ ~number) | 1u};
  rng_u32(&r);
  return r;
}

/* low .. high, both included. */
static inline int64_t rng_range(rng *r, int64_t low, int64_t high) {
  const uint64_t span = (uint64_t)(high - low) + 1u;
  const uint64_t bits = (uint64_t)rng_u32(r) << 32 | rng_u32(r);
  return low + (int64_t)(span == 0 ? bits : bits % span);
}

static inline uint32_t rng_below(rng *r, uint32_t count) { return rng_u32(r) % count; }

/* True once in `n` times. */
static inline int rng_once_in(rng *r, uint32_t n) { return rng_below(r, n) == 0; }

#define RNG_PICK(r, array) ((array)[rng_below((r), (uint32_t)(sizeof(array) / sizeof((array)[0])))])

#endif
