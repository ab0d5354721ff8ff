/* Spectrum, inside. */
#ifndef EDGE_SPECTRUM_H
#define EDGE_SPECTRUM_H

#include "../abi/kernel.h"

/* Rows d->begin .. d->end - 1. Scratch: three arrays of frame_size float32, at d->scratch on both providers. */
void edge_f32_spectrum__ref(const edge_spectrum_desc *d, uint8_t *base);

#endif
