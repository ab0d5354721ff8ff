/* Detections, the truth and the only form. */
#include "detections.h"

/* Where the regions of best_classes and merge_classes are. */
typedef struct slots {
  const float *boxes, *scores;
  const int32_t *selected;
  const uint32_t *found;
  uint32_t *heads;
  float *output, *classes, *output_scores, *count;
} slots;

static slots slots_of(const edge_detections_desc *d, uint8_t *base) {
  const slots s = {
      .boxes = (const float *)(const void *)(base + d->boxes),
      .scores = (const float *)(const void *)(base + d->scores),
      .selected = (const int32_t *)(const void *)(base + d->selected),
      .found = (const uint32_t *)(const void *)(base + d->found),
      .heads = (uint32_t *)(void *)(base + d->heads),
      .output = (float *)(void *)(base + d->output),
      .classes = (float *)(void *)(base + d->output_classes),
      .output_scores = (float *)(void *)(base + d->output_scores),
      .count = (float *)(void *)(base + d->output_count),
  };
  return s;
}

/* Fills a slot; `box` NULL: with zeros. */
static void place(const slots *s, size_t slot, const float *box, float class, float score) {
  for (uint32_t i = 0; i < 4u; i++) s->output[slot * 4u + i] = box != NULL ? box[i] : 0.0f;
  s->classes[slot] = box != NULL ? class : 0.0f;
  s->output_scores[slot] = box != NULL ? score : 0.0f;
}

/* The corners of a box by a number that was read from memory; NULL if there is no such box. */
static const float *box_numbered(const edge_detections_desc *d, const slots *s, int32_t number) {
  return number >= 0 && (uint32_t)number < d->count ? s->boxes + (size_t)(uint32_t)number * 4u : NULL;
}

void edge_f32_class_max__ref(const edge_detections_desc *d, uint8_t *base) {
  float *output = (float *)(void *)(base + d->output);
  for (size_t i = d->begin; i < d->end; i++) {
    const float *scores = (const float *)(const void *)(base + d->scores) + i * d->columns + d->column;
    float max = scores[0];
    for (uint32_t c = 1; c < d->classes; c++) max = scores[c] > max ? scores[c] : max;
    output[i] = max;
  }
}

/* A heap of classes, the worst on top: how TFLite's std::partial_sort, as libstdc++ writes it, chooses and orders the
 * best. Another way would give equal scores another order. Classes are kept as the floats they end as. */
typedef struct heap {
  const float *scores;
  float *classes;
} heap;

static float score_of(const heap *h, float class) { return h->scores[(uint32_t)class]; }

/* Puts `class` into the heap of the first `size`, whose place `hole` is free: down to a leaf, and up again. */
static void sink(const heap *h, uint32_t hole, uint32_t size, float class) {
  const uint32_t top = hole;
  while (2u * hole + 1u < size) {
    uint32_t child = 2u * hole + 2u;
    if (child == size || score_of(h, h->classes[child]) > score_of(h, h->classes[child - 1u])) child--;
    h->classes[hole] = h->classes[child];
    hole = child;
  }
  while (hole > top && score_of(h, h->classes[(hole - 1u) / 2u]) > score_of(h, class)) {
    h->classes[hole] = h->classes[(hole - 1u) / 2u];
    hole = (hole - 1u) / 2u;
  }
  h->classes[hole] = class;
}

/* Leaves the `most` best of all classes in h->classes, best first. */
static void best_classes(const heap *h, uint32_t classes, uint32_t most) {
  for (uint32_t c = 0; c < most; c++) h->classes[c] = (float)c;
  for (uint32_t hole = most / 2u; hole-- > 0;) sink(h, hole, most, h->classes[hole]);
  for (uint32_t c = most; c < classes; c++) {
    if (h->scores[c] > score_of(h, h->classes[0])) sink(h, 0, most, (float)c);
  }
  for (uint32_t size = most; size-- > 1u;) {
    const float class = h->classes[size];
    h->classes[size] = h->classes[0];
    sink(h, 0, size, class);
  }
}

void edge_f32_best_classes__ref(const edge_detections_desc *d, uint8_t *base) {
  const slots s = slots_of(d, base);
  const uint32_t found = *s.found < d->steps ? *s.found : d->steps;
  if (d->begin == 0) *s.count = (float)found;
  for (uint32_t row = d->begin; row < d->end; row++) {
    const int32_t number = s.selected[row];
    const float *box = row < found ? box_numbered(d, &s, number) : NULL;
    const uint32_t filled = box != NULL ? d->per_box : 0;
    const size_t slot = (size_t)row * d->per_slot;
    if (filled != 0) {
      const heap h = {s.scores + (size_t)(uint32_t)number * d->columns + d->column, s.classes + slot};
      best_classes(&h, d->classes, filled);
      for (uint32_t i = 0; i < filled; i++) place(&s, slot + i, box, h.classes[i], score_of(&h, h.classes[i]));
    }
    for (uint32_t i = filled; i < d->per_slot; i++) place(&s, slot + i, NULL, 0.0f, 0.0f);
  }
}

/* The class whose next box has the best score, the lower of equals; `classes` if none has a box left. */
static uint32_t best_head(const edge_detections_desc *d, const slots *s) {
  uint32_t best = d->classes;
  float score = 0.0f;
  for (uint32_t c = 0; c < d->classes; c++) {
    if (s->heads[c] >= s->found[c] || s->heads[c] >= d->steps) continue;
    const float head = s->scores[(size_t)c * d->steps + s->heads[c]];
    if (best == d->classes || head > score) best = c, score = head;
  }
  return best;
}

void edge_f32_merge_classes__ref(const edge_detections_desc *d, uint8_t *base) {
  const slots s = slots_of(d, base);
  if (d->begin == 0) {
    for (uint32_t c = 0; c < d->classes; c++) s.heads[c] = 0;
    *s.count = 0.0f;
  }
  for (uint32_t row = d->begin; row < d->end; row++) {
    const uint32_t class = row < d->most ? best_head(d, &s) : d->classes;
    if (class == d->classes) {
      place(&s, row, NULL, 0.0f, 0.0f);
      continue;
    }
    const size_t at = (size_t)class * d->steps + s.heads[class]++;
    const float *box = box_numbered(d, &s, s.selected[at]);
    place(&s, row, box, (float)class, s.scores[at]);
    if (box != NULL) *s.count = (float)(row + 1u);
  }
}
