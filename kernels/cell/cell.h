/* What comes of the gates of a recurrent layer, inside. */
#ifndef EDGE_CELL_H
#define EDGE_CELL_H

#include "../abi/kernel.h"

typedef enum edge_cell_activation {
  EDGE_CELL_NONE = 0,
  EDGE_CELL_RELU = 1,
  EDGE_CELL_RELU_N1_TO_1 = 2,
  EDGE_CELL_RELU6 = 3,
  EDGE_CELL_TANH = 4
} edge_cell_activation;

/* Each row may be done once a call only: it moves its cell. */
typedef void edge_cell_kernel(const edge_cell_desc *d, uint8_t *base);
edge_cell_kernel edge_qs8_lstm_cell__ref, edge_f32_lstm_cell__ref, edge_f32_rnn_cell__ref;

#endif
