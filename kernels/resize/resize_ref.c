/* Bilinear resizing, one pixel of the output at a time. */
#include "resize.h"

/* How positions along one axis of the output become positions of the input. */
typedef struct axis {
  int32_t input, output; /* pixels */
  int align_corners, half_pixel_centers;
} axis;

/* Two pixels of the input and the weights of both; whole is 1024 in integers. */
typedef struct blend_s32 {
  uint32_t first, second;
  int32_t weight_first, weight_second;
} blend_s32;

typedef struct blend_f32 {
  uint32_t first, second;
  float weight_first, weight_second;
} blend_f32;

static int32_t limited(int32_t x, int32_t high) { return x < 0 ? 0 : (x > high ? high : x); }

static blend_s32 blend_integers(axis a, uint32_t at) {
  const int corners = a.align_corners && a.output > 1;
  const int32_t input = corners ? a.input - 1 : a.input, output = corners ? a.output - 1 : a.output;
  const int32_t scale = (1024 * input + output / 2) / output;
  int32_t position = (int32_t)at * scale;
  if (a.half_pixel_centers) position += scale / 2 - 512;
  /* A scale that was rounded up may lead past the last pixel: the reference reads there, we stay on it. */
  const int32_t first = limited(position / 1024, a.input - 1), rest = position - 1024 * first;
  const blend_s32 b = {(uint32_t)first, (uint32_t)limited((position + 1023) / 1024, a.input - 1), 1024 - rest, rest};
  return b;
}

static blend_f32 blend_floats(axis a, uint32_t at) {
  const int corners = a.align_corners && a.output > 1;
  const int32_t input = corners ? a.input - 1 : a.input, output = corners ? a.output - 1 : a.output;
  const float scale = (float)input / (float)output;
  const float position = a.half_pixel_centers ? ((float)at + 0.5f) * scale - 0.5f : (float)at * scale;
  const int32_t whole = (int32_t)position; /* cut off: -0.5 <= position < 65536 */
  const int32_t floor = whole - ((float)whole > position), ceiling = whole + ((float)whole < position);
  const int32_t first = limited(floor, a.input - 1);
  const float rest = position - (float)first;
  const blend_f32 b = {(uint32_t)first, (uint32_t)limited(ceiling, a.input - 1), 1.0f - rest, rest};
  return b;
}

/* The four neighbours of a pixel of the output: elements of the input. */
typedef struct corners {
  size_t top_left, bottom_left, top_right, bottom_right;
} corners;

static corners corners_of(const edge_resize_desc *d, uint32_t batch, const uint32_t y[2], const uint32_t x[2]) {
  const size_t image = (size_t)batch * d->input_h, c = d->channels;
  const corners found = {((image + y[0]) * d->input_w + x[0]) * c, ((image + y[1]) * d->input_w + x[0]) * c,
                         ((image + y[0]) * d->input_w + x[1]) * c, ((image + y[1]) * d->input_w + x[1]) * c};
  return found;
}

static axis vertical(const edge_resize_desc *d) {
  const axis a = {(int32_t)d->input_h, (int32_t)d->output_h, (int)d->align_corners, (int)d->half_pixel_centers};
  return a;
}

static axis horizontal(const edge_resize_desc *d) {
  const axis a = {(int32_t)d->input_w, (int32_t)d->output_w, (int)d->align_corners, (int)d->half_pixel_centers};
  return a;
}

/* Defines resize_NAME: the pixels of a call; RESULT makes an element of the sum of four weighted ones. */
#define RESIZE(NAME, TYPE, BLEND, BLENDED, SUM, TERM, RESULT)                                                   \
  static void resize_##NAME(const edge_resize_desc *d, uint8_t *base) {                                         \
    const TYPE *in = (const TYPE *)(const void *)(base + d->input);                                             \
    TYPE *out = (TYPE *)(void *)(base + d->output);                                                             \
    for (uint32_t row = d->begin; row < d->end; row++) {                                                        \
      const BLEND x = BLENDED(horizontal(d), row % d->output_w);                                                \
      const BLEND y = BLENDED(vertical(d), row / d->output_w % d->output_h);                                    \
      const corners at = corners_of(d, row / d->output_w / d->output_h, (const uint32_t[2]){y.first, y.second}, \
                                    (const uint32_t[2]){x.first, x.second});                                    \
      TYPE *pixel = out + (size_t)row * d->channels;                                                            \
      for (uint32_t c = 0; c < d->channels; c++) {                                                              \
        const SUM sum = TERM(in[at.top_left + c]) * y.weight_first * x.weight_first +                           \
                        TERM(in[at.bottom_left + c]) * y.weight_second * x.weight_first +                       \
                        TERM(in[at.top_right + c]) * y.weight_first * x.weight_second +                         \
                        TERM(in[at.bottom_right + c]) * y.weight_second * x.weight_second;                      \
        pixel[c] = (TYPE)RESULT(sum);                                                                           \
      }                                                                                                         \
    }                                                                                                           \
  }

/* x / 2^20, rounded half away from zero (0 goes down: to -0.5, cut off). */
static inline int64_t rounded(int64_t x) { return (x + (x > 0 ? INT64_C(1) << 19 : -(INT64_C(1) << 19))) / (1 << 20); }

/* The int8 step of a blend of uint8 steps. */
static inline int32_t step_u8(float sum) {
  const float cut = sum + 0.5f;
  return (int32_t)(cut < 0.0f ? 0.0f : (cut > 255.0f ? 255.0f : cut)) - 128;
}

#define WIDE(x) ((int64_t)(x))
#define ITSELF(x) (x)
#define UNSIGNED(x) ((float)((int32_t)(x) + 128))

RESIZE(s8, int8_t, blend_s32, blend_integers, int64_t, WIDE, rounded)
RESIZE(s16, int16_t, blend_s32, blend_integers, int64_t, WIDE, rounded)
RESIZE(f32, float, blend_f32, blend_floats, float, ITSELF, ITSELF)
RESIZE(u8, int8_t, blend_f32, blend_floats, float, UNSIGNED, step_u8)

void edge_resize_bilinear__ref(const edge_resize_desc *d, uint8_t *base) {
  switch (d->type) {
    case EDGE_RESIZE_S8:
      resize_s8(d, base);
      break;
    case EDGE_RESIZE_S16:
      resize_s16(d, base);
      break;
    case EDGE_RESIZE_F32:
      resize_f32(d, base);
      break;
    default:
      resize_u8(d, base);
      break;
  }
}
