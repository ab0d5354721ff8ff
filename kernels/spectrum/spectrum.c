/* Spectrum: checks and the table row. */
#include "spectrum.h"

#include "../common/check.h"

#define REQUIRE(field, reason, condition) EDGE_REQUIRE(EDGE_KERNEL_spectrum_f32, spectrum, field, reason, condition)

static edge_status check_numbers(const edge_spectrum_desc *d) {
  REQUIRE(version, VERSION, d->version == EDGE_ABI_VERSION);
  REQUIRE(node, RANGE, d->node < EDGE_MAX_NODES);
  REQUIRE(frames, RANGE, d->frames >= 1);
  REQUIRE(channels, RANGE, d->channels >= 1);
  REQUIRE(frame_size, RANGE,
          d->frame_size >= 16 && d->frame_size <= 32768 && (d->frame_size & (d->frame_size - 1u)) == 0);
  REQUIRE(bands, RANGE, d->bands >= 1 && d->bands <= d->frame_size / 2u + 1u);
  REQUIRE(remove_mean, RANGE, d->remove_mean <= 1);
  REQUIRE(log, RANGE, d->log <= 1);
  REQUIRE(power_scale, RANGE, d->power_scale > 0.0f && edge_is_finite(d->power_scale));
  REQUIRE(floor, RANGE, d->floor > 0.0f && edge_is_finite(d->floor));
  REQUIRE(scratch_bytes, RANGE, d->scratch_bytes >= (uint64_t)d->frame_size * 12u + 64u);
  return 0;
}

/* 1 if the edges rise, so that no band is empty, and end inside the spectrum. */
static int edges_ok(const edge_spectrum_desc *d, const edge_memory *memory) {
  const uint32_t *edges = (const uint32_t *)(const void *)(memory->base + d->edges);
  for (uint32_t b = 0; b < d->bands; b++) {
    if (edges[b] >= edges[b + 1u]) return 0;
  }
  return edges[d->bands] <= d->frame_size / 2u + 1u;
}

static edge_status check(const void *desc, const edge_memory *memory) {
  const edge_spectrum_desc *d = desc;
  const edge_status status = check_numbers(d);
  if (status != 0) return status;
  const uint64_t frames = (uint64_t)d->frames * d->channels;
  enum { INPUT, WINDOW, TWIDDLE, EDGES, SCRATCH, OUTPUT, REGIONS };
  const edge_region regions[REGIONS] = {
      edge_region_of(d->input, edge_mul(frames, d->frame_size * 4u)),
      edge_region_of(d->window, d->frame_size * 4u),
      edge_region_of(d->twiddle, d->frame_size * 4u),
      edge_region_of(d->edges, (d->bands + 1u) * 4u),
      edge_region_of(d->scratch, d->scratch_bytes),
      edge_region_of(d->output, edge_mul(frames, d->bands * 4u)),
  };
#define REQUIRE_REGION(field, number, align) \
  EDGE_REQUIRE_REGION(EDGE_KERNEL_spectrum_f32, spectrum, field, regions[number], align, memory)
  REQUIRE_REGION(input, INPUT, 4);
  REQUIRE_REGION(window, WINDOW, 4);
  REQUIRE_REGION(twiddle, TWIDDLE, 4);
  REQUIRE_REGION(edges, EDGES, 4);
  REQUIRE_REGION(scratch, SCRATCH, EDGE_REGION_ALIGN);
  REQUIRE_REGION(output, OUTPUT, 4);
  REQUIRE(scratch, OVERLAP, edge_region_clear(regions[SCRATCH], regions, SCRATCH));
  REQUIRE(output, OVERLAP, edge_region_clear(regions[OUTPUT], regions, OUTPUT));
  REQUIRE(edges, RANGE, edges_ok(d, memory));
  return 0;
}

static uint64_t rows(const void *desc) {
  const edge_spectrum_desc *d = desc;
  return (uint64_t)d->frames * d->channels;
}

static uint64_t row_work(const void *desc) { return (uint64_t)((const edge_spectrum_desc *)desc)->frame_size * 64u; }

static void run(const void *desc, edge_isa isa, uint8_t *base, const void *packed, void *scratch) {
  (void)isa, (void)packed, (void)scratch;
  edge_f32_spectrum__ref(desc, base);
}

/* No scratch of the provider's: the descriptor's is used on both, and checked. */
const edge_kernel edge_kernel_spectrum_f32 = {.name = "spectrum_f32",
                                              .id = EDGE_KERNEL_spectrum_f32,
                                              .desc_bytes = sizeof(edge_spectrum_desc),
                                              .check = check,
                                              .check_reads = 1,
                                              .rows = rows,
                                              .row_work = row_work,
                                              .run = run};
