/* Non-maximum suppression, the truth and the only form.
 *
 * No index is ever read from memory: what another call left in `found` and `candidates` is only compared.
 */
#include "nms.h"

#include "../common/math_f32.h"

#define DROPPED edge_f32_of_bits(0xff800000u) /* -infinity, below any score that is finite */

/* std::min and std::max: of what cannot be compared, the first. */
static float least(float a, float b) { return b < a ? b : a; }
static float most(float a, float b) { return a < b ? b : a; }

typedef struct box {
  float y0, x0, y1, x1, area;
} box;

static box box_at(const float *corners) {
  box b = {least(corners[0], corners[2]), least(corners[1], corners[3]), most(corners[0], corners[2]),
           most(corners[1], corners[3]), 0.0f};
  b.area = (b.y1 - b.y0) * (b.x1 - b.x0);
  return b;
}

/* Intersection over union; a is not empty. */
static float overlap(const box *a, const box *b) {
  if (b->area <= 0.0f) return 0.0f;
  const float h = most(least(a->y1, b->y1) - most(a->y0, b->y0), 0.0f);
  const float w = most(least(a->x1, b->x1) - most(a->x0, b->x0), 0.0f);
  const float common = h * w, joined = a->area + b->area - common;
  return joined == 0.0f ? 0.0f : common / joined;
}

typedef struct nms_class {
  const float *boxes;
  const float *scores; /* of box i: scores[i * columns] */
  float *live;
  uint32_t *found, *candidates;
} nms_class;

static void start(const edge_nms_desc *d, nms_class *c) {
  *c->found = *c->candidates = 0;
  for (size_t i = 0; i < d->count; i++) {
    const float score = c->scores[i * d->columns];
    const int is_candidate = score >= d->score_least;
    c->live[i] = is_candidate ? score : DROPPED;
    *c->candidates += (uint32_t)is_candidate;
  }
}

/* The first of the best candidates; `count` where there is none. Eight maxima side by side, for vectors. */
static uint32_t best(const float *live, uint32_t count) {
  float maxima[8] = {DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED};
  uint32_t i = 0;
  for (; i + 8u <= count; i += 8u) {
    for (uint32_t lane = 0; lane < 8u; lane++) maxima[lane] = most(maxima[lane], live[i + lane]);
  }
  for (; i < count; i++) maxima[0] = most(maxima[0], live[i]);
  for (uint32_t lane = 1; lane < 8u; lane++) maxima[0] = most(maxima[0], maxima[lane]);
  if (!(maxima[0] > DROPPED)) return count;
  for (i = 0; i < count && live[i] != maxima[0]; i++) continue;
  return i;
}

static void suppress(const edge_nms_desc *d, const nms_class *c, uint32_t taken) {
  const box a = box_at(c->boxes + taken * (size_t)4);
  if (d->drops_taken != 0) c->live[taken] = DROPPED;
  for (uint32_t i = 0; i < d->count; i++) {
    if (!(c->live[i] > DROPPED)) continue;
    const box b = box_at(c->boxes + i * (size_t)4);
    const float common = a.area <= 0.0f ? 0.0f : overlap(&a, &b);
    if (common > d->overlap_most) {
      c->live[i] = DROPPED;
    } else if (d->decay < 0.0f) {
      const float score = c->live[i] * edge_expf(d->decay * common * common);
      c->live[i] = score >= d->score_least ? score : DROPPED;
    }
  }
}

void edge_f32_nms__ref(const edge_nms_desc *d, uint8_t *base) {
  int32_t *output = (int32_t *)(void *)(base + d->output);
  float *output_scores = (float *)(void *)(base + d->output_scores);
  for (uint32_t row = d->begin; row < d->end; row++) {
    const uint32_t number = row / d->steps, step = row % d->steps;
    nms_class c = {.boxes = (const float *)(const void *)(base + d->boxes),
                   .scores = (const float *)(const void *)(base + d->scores) + d->column + number,
                   .live = (float *)(void *)(base + d->live),
                   .found = (uint32_t *)(void *)(base + d->found) + number,
                   .candidates = (uint32_t *)(void *)(base + d->candidates) + number};
    if (step == 0) start(d, &c);
    const int is_over = *c.found < step || *c.candidates <= step;
    const uint32_t taken = is_over ? d->count : best(c.live, d->count);
    output[row] = taken < d->count ? (int32_t)taken : 0;
    output_scores[row] = taken < d->count ? c.live[taken] : 0.0f;
    if (taken == d->count) continue;
    *c.found = step + 1u;
    suppress(d, &c, taken);
  }
}
