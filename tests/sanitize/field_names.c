/* The names of all fields; see fields.h. */
#include "fields.h"

#define EDGE_FAMILY_NAMES
#include "kernels/abi/families.h"

const char *field_name(const edge_kernel *k, uint32_t field) {
  switch ((int)k->id) {
#define EDGE_KERNEL(number, name, family) \
  case number:                            \
    return field < EDGE_FIELDS_##family ? edge_names_##family[field] : "?";
#define EDGE_KERNEL_PACKED EDGE_KERNEL
#include "kernels/abi/kernels.def"
    default:
      return "?";
  }
}
