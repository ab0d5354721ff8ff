/* Strided copies, one run of the innermost loop at a time. */
#include "copy.h"

/* The walk: where it stands in each loop, and the elements of input and output there. */
typedef struct walk {
  uint32_t at[EDGE_COPY_LOOPS];
  int64_t from, to;
} walk;

static walk walk_to(const edge_copy_desc *d, const edge_copy_loops *loops) {
  walk w = {.from = d->input_start, .to = d->output_start};
  uint32_t rest = d->begin;
  for (uint32_t k = EDGE_COPY_LOOPS; k-- > 0;) {
    w.at[k] = rest % loops->size[k];
    rest /= loops->size[k];
    w.from += (int64_t)w.at[k] * loops->from[k];
    w.to += (int64_t)w.at[k] * loops->to[k];
  }
  return w;
}

/* `count` steps of the innermost loop, which does not pass its end; then the loops around it turn. */
static void advance(walk *w, const edge_copy_loops *loops, uint32_t count) {
  uint32_t k = EDGE_COPY_LOOPS - 1u;
  w->at[k] += count;
  w->from += (int64_t)count * loops->from[k];
  w->to += (int64_t)count * loops->to[k];
  while (k > 0 && w->at[k] == loops->size[k]) {
    w->from -= (int64_t)loops->size[k] * loops->from[k];
    w->to -= (int64_t)loops->size[k] * loops->to[k];
    w->at[k] = 0;
    k--;
    w->at[k]++;
    w->from += loops->from[k];
    w->to += loops->to[k];
  }
}

/* Defines copy_run_NAME: `count` elements of TYPE. */
#define COPY_RUN(NAME, TYPE)                                                                                 \
  static void copy_run_##NAME(TYPE *restrict to, const TYPE *restrict from, uint32_t count, int32_t step_to, \
                              int32_t step_from) {                                                           \
    if (step_to == 1 && step_from == 1) {                                                                    \
      for (uint32_t i = 0; i < count; i++) to[i] = from[i];                                                  \
    } else if (step_to == 1 && step_from == 0) {                                                             \
      const TYPE value = *from;                                                                              \
      for (uint32_t i = 0; i < count; i++) to[i] = value;                                                    \
    } else {                                                                                                 \
      for (uint32_t i = 0; i < count; i++) to[(ptrdiff_t)i * step_to] = from[(ptrdiff_t)i * step_from];      \
    }                                                                                                        \
  }                                                                                                          \
  static void copy_##NAME(const edge_copy_desc *d, uint8_t *base) {                                          \
    const edge_copy_loops loops = edge_copy_loops_of(d);                                                     \
    const uint32_t last = EDGE_COPY_LOOPS - 1u;                                                              \
    const TYPE *input = (const TYPE *)(const void *)(base + d->input);                                       \
    TYPE *output = (TYPE *)(void *)(base + d->output);                                                       \
    walk w = walk_to(d, &loops);                                                                             \
    for (uint32_t left = d->end - d->begin; left > 0;) {                                                     \
      const uint32_t run = loops.size[last] - w.at[last] < left ? loops.size[last] - w.at[last] : left;      \
      copy_run_##NAME(output + w.to, input + w.from, run, loops.to[last], loops.from[last]);                 \
      advance(&w, &loops, run);                                                                              \
      left -= run;                                                                                           \
    }                                                                                                        \
  }

COPY_RUN(b1, uint8_t)
COPY_RUN(b2, uint16_t)
COPY_RUN(b4, uint32_t)
COPY_RUN(b8, uint64_t)

void edge_copy__runs(const edge_copy_desc *d, uint8_t *base) {
  switch (d->element) {
    case 1:
      copy_b1(d, base);
      break;
    case 2:
      copy_b2(d, base);
      break;
    case 4:
      copy_b4(d, base);
      break;
    default:
      copy_b8(d, base);
      break;
  }
}
