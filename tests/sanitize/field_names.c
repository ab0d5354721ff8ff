/* The names of all fields, by family; see fields.h. */
#include "fields.h"

#define EDGE_FIELD(family, type, name, text) #name,
static const char *const CONV2D[] = {
#include "kernels/conv2d/conv2d.def"
};
static const char *const DEPTHWISE_CONV2D[] = {
#include "kernels/depthwise_conv2d/depthwise_conv2d.def"
};
static const char *const FULLY_CONNECTED[] = {
#include "kernels/fully_connected/fully_connected.def"
};
static const char *const POOL[] = {
#include "kernels/pool/pool.def"
};
static const char *const MEAN[] = {
#include "kernels/mean/mean.def"
};
static const char *const ADD[] = {
#include "kernels/add/add.def"
};
static const char *const SOFTMAX[] = {
#include "kernels/softmax/softmax.def"
};
static const char *const ELEMENTWISE[] = {
#include "kernels/elementwise/elementwise.def"
};
static const char *const SPECTRUM[] = {
#include "kernels/spectrum/spectrum.def"
};

#define LIST(names) {names, sizeof(names) / sizeof((names)[0])}
static const struct {
  const char *const *names;
  size_t count;
} FIELDS[FAMILIES] = {
    [FAMILY_conv2d] = LIST(CONV2D),
    [FAMILY_depthwise_conv2d] = LIST(DEPTHWISE_CONV2D),
    [FAMILY_fully_connected] = LIST(FULLY_CONNECTED),
    [FAMILY_pool] = LIST(POOL),
    [FAMILY_mean] = LIST(MEAN),
    [FAMILY_add] = LIST(ADD),
    [FAMILY_softmax] = LIST(SOFTMAX),
    [FAMILY_elementwise] = LIST(ELEMENTWISE),
    [FAMILY_spectrum] = LIST(SPECTRUM),
};

const char *field_name(const edge_kernel *k, uint32_t field) {
  const edge_family family = field_family(k);
  return field < FIELDS[family].count ? FIELDS[family].names[field] : "?";
}
