/* One family's .def file, kernels/<family>/<family>.def, as C. Included by families.h for each EDGE_FAMILY:
 *
 *   usually                 struct edge_<family>_desc; EDGE_FIELD_<family>_<field> ...; EDGE_FIELDS_<family>, their
 * count EDGE_FAMILY_NAMES       static const char *const edge_names_<family>[]: the fields' names
 */
#define EDGE_TEXT_(x) #x
#define EDGE_TEXT(x) EDGE_TEXT_(x)
#define EDGE_JOIN_(a, b, c) a##b##c
#define EDGE_JOIN(a, b, c) EDGE_JOIN_(a, b, c)
/* A space would become part of the name. */
/* clang-format off */
#define EDGE_FAMILY_FILE EDGE_TEXT(../EDGE_FAMILY/EDGE_FAMILY.def)
/* clang-format on */

#if defined(EDGE_FAMILY_NAMES)

#define EDGE_FIELD(family, type, name, text) #name,
static const char *const EDGE_JOIN(edge_names_, EDGE_FAMILY, )[] = {
#include EDGE_FAMILY_FILE
};
#undef EDGE_FIELD

#else

#define EDGE_FIELD(family, type, name, text) type##_t name;
typedef struct EDGE_JOIN(edge_, EDGE_FAMILY, _desc) {
#include EDGE_FAMILY_FILE
} EDGE_JOIN(edge_, EDGE_FAMILY, _desc);
#undef EDGE_FIELD

#define EDGE_FIELD(family, type, name, text) EDGE_FIELD_##family##_##name,
enum EDGE_JOIN(edge_, EDGE_FAMILY, _field) {
#include EDGE_FAMILY_FILE
  EDGE_JOIN(EDGE_FIELDS_, EDGE_FAMILY, )
};
#undef EDGE_FIELD

_Static_assert(sizeof(EDGE_JOIN(struct edge_, EDGE_FAMILY, _desc)) == 4u * EDGE_JOIN(EDGE_FIELDS_, EDGE_FAMILY, ),
               "a descriptor is not packed");
_Static_assert(sizeof(EDGE_JOIN(struct edge_, EDGE_FAMILY, _desc)) <= EDGE_MAX_DESC_BYTES,
               "a descriptor is larger than the room for its copy");

#endif

#undef EDGE_FAMILY_FILE
#undef EDGE_JOIN
#undef EDGE_JOIN_
#undef EDGE_TEXT
#undef EDGE_TEXT_
#undef EDGE_FAMILY
