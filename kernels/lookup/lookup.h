/* Look-up tables, inside. */
#ifndef EDGE_LOOKUP_H
#define EDGE_LOOKUP_H

#include "../abi/kernel.h"

/* output may be input; the table is apart from both. */
void edge_s8_lookup__ref(const edge_lookup_desc *d, uint8_t *base);
void edge_s16_lookup__ref(const edge_lookup_desc *d, uint8_t *base);

#endif
