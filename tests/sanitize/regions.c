/* See regions.h. */
#include "regions.h"

typedef struct region_list {
  const uint32_t *words;
  case_region *regions;
  uint32_t count;
} region_list;

static void add(region_list *list, uint32_t field, region_role role, region_type type, uint64_t elements) {
  static const uint32_t sizes[] = {[TYPE_BYTES] = 1, [TYPE_S8] = 1,  [TYPE_S32] = 4,
                                   [TYPE_F32] = 4,   [TYPE_F64] = 8, [TYPE_U32] = 4};
  const uint32_t align = type == TYPE_BYTES ? EDGE_REGION_ALIGN : sizes[type];
  const case_region region = {field, role, type, align, {list->words[field], times(elements, sizes[type])}};
  list->regions[list->count++] = region;
}

static uint64_t product(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { return times(times(a, b), times(c, d)); }

#define ADD(family, name, role, type, elements) add(list, EDGE_FIELD_##family##_##name, REGION_##role, type, elements)
/* A region whose bytes a field says. */
#define ADD_BYTES(family, name, role) ADD(family, name, role, TYPE_BYTES, d->name##_bytes)

#define CONVOLUTION(family, filter_channels)                                                           \
  const edge_##family##_desc *d = (const edge_##family##_desc *)(const void *)list->words;             \
  const region_type element = is_float ? TYPE_F32 : TYPE_S8, bias = is_float ? TYPE_F32 : TYPE_S32;    \
  ADD(family, input, READ, element, product(d->batch, d->input_h, d->input_w, d->input_c));            \
  ADD(family, filter, READ, element, product(d->filter_h, d->filter_w, d->output_c, filter_channels)); \
  if (d->bias != 0) ADD(family, bias, READ, bias, d->output_c);                                        \
  if (!is_float) ADD(family, multiplier, READ, TYPE_S32, d->output_c);                                 \
  if (!is_float) ADD(family, shift, READ, TYPE_S32, d->output_c);                                      \
  ADD(family, output, WRITTEN, element, product(d->batch, d->output_h, d->output_w, d->output_c));     \
  ADD_BYTES(family, packed, SANDBOX);                                                                  \
  ADD_BYTES(family, scratch, SANDBOX)

static void conv2d(region_list *list, int is_float) { CONVOLUTION(conv2d, d->input_c); }
static void depthwise_conv2d(region_list *list, int is_float) { CONVOLUTION(depthwise_conv2d, 1); }

static void fully_connected(region_list *list, int is_float) {
  const edge_fully_connected_desc *d = (const edge_fully_connected_desc *)(const void *)list->words;
  const region_type element = is_float ? TYPE_F32 : TYPE_S8, bias = is_float ? TYPE_F32 : TYPE_S32;
  ADD(fully_connected, input, READ, element, times(d->batch, d->input_c));
  ADD(fully_connected, filter, READ, element, times(d->output_c, d->input_c));
  if (d->bias != 0) ADD(fully_connected, bias, READ, bias, d->output_c);
  if (!is_float) ADD(fully_connected, scale, READ, TYPE_F64, d->output_c);
  ADD(fully_connected, output, WRITTEN, element, times(d->batch, d->output_c));
  ADD_BYTES(fully_connected, packed, SANDBOX);
  ADD_BYTES(fully_connected, scratch, SANDBOX);
}

static void pool(region_list *list, int is_float) {
  const edge_pool_desc *d = (const edge_pool_desc *)(const void *)list->words;
  const region_type element = is_float ? TYPE_F32 : TYPE_S8;
  ADD(pool, input, READ, element, product(d->batch, d->input_h, d->input_w, d->channels));
  ADD(pool, output, WRITTEN, element, product(d->batch, d->output_h, d->output_w, d->channels));
}

static void mean(region_list *list, int is_float) {
  const edge_mean_desc *d = (const edge_mean_desc *)(const void *)list->words;
  const region_type element = is_float ? TYPE_F32 : TYPE_S8;
  ADD(mean, input, READ, element, product(d->outer, d->reduced, d->inner, 1));
  ADD(mean, output, WRITTEN, element, times(d->outer, d->inner));
}

static void addition(region_list *list, int is_float) {
  const edge_add_desc *d = (const edge_add_desc *)(const void *)list->words;
  const region_type element = is_float ? TYPE_F32 : TYPE_S8;
  ADD(add, a, READ, element, d->a_count);
  ADD(add, b, READ, element, d->b_count);
  ADD(add, output, WRITTEN_IN_PLACE, element, d->count);
}

static void softmax(region_list *list, int is_float) {
  const edge_softmax_desc *d = (const edge_softmax_desc *)(const void *)list->words;
  const region_type element = is_float ? TYPE_F32 : TYPE_S8;
  ADD(softmax, input, READ, element, times(d->rows, d->depth));
  ADD(softmax, output, WRITTEN_IN_PLACE, element, times(d->rows, d->depth));
}

static void elementwise(region_list *list, edge_kernel_id id) {
  const edge_elementwise_desc *d = (const edge_elementwise_desc *)(const void *)list->words;
  const int from_float = id == EDGE_KERNEL_quantize_f32_s8 || id == EDGE_KERNEL_clamp_f32;
  const int to_float = id == EDGE_KERNEL_dequantize_s8_f32 || id == EDGE_KERNEL_clamp_f32;
  ADD(elementwise, input, READ, from_float ? TYPE_F32 : TYPE_S8, d->count);
  if (from_float == to_float) {
    ADD(elementwise, output, WRITTEN_IN_PLACE, to_float ? TYPE_F32 : TYPE_S8, d->count);
  } else {
    ADD(elementwise, output, WRITTEN, to_float ? TYPE_F32 : TYPE_S8, d->count);
  }
}

static void spectrum(region_list *list) {
  const edge_spectrum_desc *d = (const edge_spectrum_desc *)(const void *)list->words;
  ADD(spectrum, input, READ, TYPE_F32, product(d->frames, d->frame_size, d->channels, 1));
  ADD(spectrum, window, READ, TYPE_F32, d->frame_size);
  ADD(spectrum, twiddle, READ, TYPE_F32, d->frame_size);
  ADD(spectrum, edges, READ, TYPE_U32, (uint64_t)d->bands + 1u);
  ADD(spectrum, output, WRITTEN, TYPE_F32, product(d->frames, d->channels, d->bands, 1));
  ADD_BYTES(spectrum, scratch, SCRATCH);
}

uint32_t regions_of(const edge_kernel *k, const uint32_t *words, case_region *regions) {
  region_list list = {words, regions, 0};
  const int is_float = field_is_float(k);
  switch (field_family(k)) {
    case FAMILY_conv2d:
      conv2d(&list, is_float);
      break;
    case FAMILY_depthwise_conv2d:
      depthwise_conv2d(&list, is_float);
      break;
    case FAMILY_fully_connected:
      fully_connected(&list, is_float);
      break;
    case FAMILY_pool:
      pool(&list, is_float);
      break;
    case FAMILY_mean:
      mean(&list, is_float);
      break;
    case FAMILY_add:
      addition(&list, is_float);
      break;
    case FAMILY_softmax:
      softmax(&list, is_float);
      break;
    case FAMILY_elementwise:
      elementwise(&list, k->id);
      break;
    default:
      spectrum(&list);
      break;
  }
  return list.count;
}
