/* The part of lanes_<isa>.h that is the same text for each of them; included by those only. */
static inline edge_lanes_scale edge_lanes_scale_of(int32_t multiplier, int32_t shift) {
  const edge_scale_words w = edge_scale_words_of(multiplier, shift, EDGE_LANES_POWERS);
  const edge_lanes_scale s = {edge_lanes_splat(w.multiplier), edge_lanes_splat(w.left), edge_lanes_splat(w.right),
                              edge_lanes_splat(w.round)};
  return s;
}

/* The words of EDGE_LANES channels from four arrays, `stride` words from one array to the next. */
static inline edge_lanes_scale edge_lanes_scale_load(const int32_t *words, uint32_t stride) {
  const edge_lanes_scale s = {edge_lanes_load(words), edge_lanes_load(words + stride),
                              edge_lanes_load(words + 2u * stride), edge_lanes_load(words + 3u * stride)};
  return s;
}
