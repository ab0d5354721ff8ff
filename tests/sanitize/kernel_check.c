/* Every kernel on every usable ISA against the reference: same case, same bits (floats: within a stated tolerance).
 *
 * Each call is also watched: nothing but the output's rows [begin, end) and the scratch region may change, and the
 * tensors lie against guard pages and, under AddressSanitizer, in poison. Every fourth case runs on packed and scratch
 * regions of exactly the size the kernel asks for, instead of the host's, which are rounded up.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign.h"
#include "generate.h"
#include "kernels/provider/host.h"

#define MOST_ISAS 8u
#define MOST_SLICES 8u
#define PACKED_LIMIT (UINT64_C(1) << 26)

static uint8_t expected[ARENA_SMALL_BYTES], before[ARENA_SMALL_BYTES];

static const case_region *output_of(const test_case *c) {
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (region_is_written(&c->regions[i])) return &c->regions[i];
  }
  campaign_violation("the case has no output");
}

static uint32_t changeable(const test_case *c, extent *allowed) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (region_may_change(&c->regions[i])) allowed[count++] = c->regions[i].at;
  }
  return count;
}

/* What a kernel on the host may touch at all. */
static void open_regions(arena *a, const test_case *c) {
  extent open[MAX_REGIONS + 1u];
  uint32_t count = 0;
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (c->regions[i].role != REGION_SANDBOX) open[count++] = c->regions[i].at;
  }
  open[count++] = case_descriptor_extent(c, a);
  arena_poison_all_but(a, open, count);
}

static void require_done(edge_status status, const test_case *c, edge_isa isa, const char *what) {
  char text[256];
  if (status == 0) return;
  edge_status_text(status, c->descriptor, text, sizeof text);
  campaign_violation("%s on %s, %s refused a valid descriptor: %s", c->kernel->name, edge_isa_name(isa), what, text);
}

/* Packed weights and scratch of exactly the size asked for. */
static void call_exact(const test_case *c, edge_isa isa, arena *a) {
  const edge_kernel *k = c->kernel;
  void *packed = NULL, *scratch = NULL;
  if (k->packed_bytes != NULL && posix_memalign(&packed, 64, k->packed_bytes(c->words, isa)) != 0) abort();
  if (k->scratch_at != NULL && k->pack == NULL) {
    scratch = a->memory.base + k->scratch_at(c->words);
  } else if (k->scratch_bytes != NULL && posix_memalign(&scratch, 64, k->scratch_bytes(c->words, isa)) != 0) {
    abort();
  }
  edge_status status = k->check(c->words, &a->memory);
  if (status == 0) status = edge_check_rows(k, c->words);
  require_done(status, c, isa, "check");
  if (k->pack != NULL) {
    /* Zeroed as the host does: padding between tiles is never written. */
    memset(packed, 0, k->packed_bytes(c->words, isa));
    k->pack(c->words, isa, a->memory.base, packed);
  }
  k->run(c->words, isa, a->memory.base, packed, scratch);
  free(packed);
  if (k->pack != NULL) free(scratch);
}

static void require_rows_only(const test_case *c, edge_isa isa, const arena *a, uint32_t begin, uint32_t end) {
  const case_region *output = output_of(c);
  const case_rows rows = case_rows_of(c->kernel, c->words);
  const uint8_t *now = a->memory.base + output->at.begin;
  for (uint64_t i = 0; i < output->at.bytes; i++) {
    const uint64_t row = i / rows.row_bytes % rows.rows;
    if ((row < begin || row >= end) && now[i] != before[i]) {
      campaign_violation("%s on %s, rows %" PRIu32 " to %" PRIu32 ": byte %" PRIu64 " of row %" PRIu64 " was changed",
                         c->kernel->name, edge_isa_name(isa), begin, end, i, row);
    }
  }
}

static void require_untouched(const test_case *c, edge_isa isa, arena *a) {
  extent allowed[MAX_REGIONS];
  const uint32_t count = changeable(c, allowed);
  const uint64_t at = arena_changed(a, allowed, count);
  if (at != 0) {
    campaign_violation("%s on %s changed byte 0x%08" PRIx64 ", outside its output", c->kernel->name, edge_isa_name(isa),
                       at);
  }
}

/* Rows [begin, end) in one call. */
static void call(edge_host *host, test_case *c, edge_isa isa, arena *a, uint32_t begin, uint32_t end, int exact) {
  const case_region *output = output_of(c);
  case_set_rows(c, begin, end);
  case_store(a, c);
  memcpy(before, a->memory.base + output->at.begin, output->at.bytes);
  memcpy(arena_mirror(a, c->descriptor), c->words, c->kernel->desc_bytes);
  open_regions(a, c);
  if (exact) {
    call_exact(c, isa, a);
  } else {
    require_done(edge_host_call(host, c->kernel->id, a->memory, c->descriptor), c, isa, "call");
  }
  require_untouched(c, isa, a);
  require_rows_only(c, isa, a, begin, end);
}

static void run_case(rng *r, test_case *c, edge_isa isa, arena *a) {
  edge_host *host = edge_host_open(isa, PACKED_LIMIT, 2);
  if (host == NULL) campaign_violation("no host for %s", edge_isa_name(isa));
  const uint32_t rows = (uint32_t)case_rows_of(c->kernel, c->words).rows;
  const int exact = rng_once_in(r, 4);
  case_set_rows(c, 0, rows);
  case_store(a, c);
  memcpy(arena_mirror(a, c->descriptor), c->words, c->kernel->desc_bytes);
  if (c->kernel->pack != NULL) {
    open_regions(a, c);
    require_done(edge_host_prepare(host, c->kernel->id, a->memory, c->descriptor), c, isa, "prepare");
    if (arena_changed(a, NULL, 0) != 0) campaign_violation("prepare changed linear memory");
  }
  uint32_t cuts[MOST_SLICES + 1u] = {0}, slices = 0;
  while (cuts[slices] < rows) {
    const int last = rng_once_in(r, 2) || slices + 1u == MOST_SLICES;
    cuts[slices + 1u] = last ? rows : (uint32_t)rng_range(r, cuts[slices] + 1u, rows);
    slices++;
  }
  /* Either way round: a slice that also does its neighbour's rows shows only while those are not done yet. */
  const int backwards = rng_once_in(r, 2);
  for (uint32_t i = 0; i < slices; i++) {
    const uint32_t slice = backwards ? slices - 1u - i : i;
    call(host, c, isa, a, cuts[slice], cuts[slice + 1u], exact);
  }
  edge_host_close(host);
}

/* ---- comparing ---- */

static double largest(const arena *a, const test_case *c, const char *name) {
  double most = 0.0;
  for (uint32_t i = 0; i < c->region_count; i++) {
    if (strcmp(field_name(c->kernel, c->regions[i].field), name) != 0) continue;
    const float *at = (const float *)(const void *)arena_mirror(a, c->regions[i].at.begin);
    for (uint64_t j = 0; j < c->regions[i].at.bytes / 4u; j++) most = fmax(most, fabs((double)at[j]));
  }
  return most;
}

/* A bound of sum |x * w| over the terms of one output. */
static double sum_bound(const arena *a, const test_case *c) {
  const double x = largest(a, c, "input"), w = largest(a, c, "filter"), bias = largest(a, c, "bias");
  const uint32_t *words = c->words;
  switch (field_family(c->kernel)) {
    case FAMILY_conv2d: {
      const edge_conv2d_desc *d = (const edge_conv2d_desc *)(const void *)words;
      return x * w * d->filter_h * d->filter_w * d->input_c + bias;
    }
    case FAMILY_depthwise_conv2d: {
      const edge_depthwise_conv2d_desc *d = (const edge_depthwise_conv2d_desc *)(const void *)words;
      return x * w * d->filter_h * d->filter_w + bias;
    }
    case FAMILY_fully_connected:
      return x * w * words[EDGE_FIELD_fully_connected_input_c] + bias;
    case FAMILY_pool:
      return x * words[EDGE_FIELD_pool_filter_h] * words[EDGE_FIELD_pool_filter_w];
    case FAMILY_mean:
      return x * words[EDGE_FIELD_mean_reduced];
    case FAMILY_spectrum: {
      const double size = words[EDGE_FIELD_spectrum_frame_size], samples = x * largest(a, c, "window") * size;
      return samples * samples * (double)word_float(words[EDGE_FIELD_spectrum_power_scale]);
    }
    default:
      return 1.0;
  }
}

/* Kernels of one correctly rounded step have no tolerance. */
static int has_tolerance(edge_kernel_id id) {
  return id != EDGE_KERNEL_max_pool_f32 && id != EDGE_KERNEL_add_f32 && id != EDGE_KERNEL_dequantize_s8_f32 &&
         id != EDGE_KERNEL_clamp_f32;
}

static int floats_agree(const test_case *c, float x, float y, double bound) {
  if (float_word(x) == float_word(y) || (isnan(x) && isnan(y)) || x == y) return 1;
  if (!has_tolerance(c->kernel->id) || !isfinite(x) || !isfinite(y)) return 0;
  double p = (double)x, q = (double)y;
  if (c->kernel->id == EDGE_KERNEL_spectrum_f32 && c->words[EDGE_FIELD_spectrum_log] != 0) {
    if (fabs(p - q) <= 1e-5 * fmax(1.0, fabs(q))) return 1;
    p = pow(10.0, p), q = pow(10.0, q);
  }
  return fabs(p - q) <= fmax(1e-6 * bound, 1e-5 * fabs(q));
}

static void compare(const arena *a, const test_case *c, edge_isa isa) {
  const case_region *output = output_of(c);
  const uint8_t *now = a->memory.base + output->at.begin;
  if (memcmp(now, expected, output->at.bytes) == 0) return;
  const double bound = output->type == TYPE_F32 ? sum_bound(a, c) : 0.0;
  for (uint64_t i = 0; i < output->at.bytes / (output->type == TYPE_F32 ? 4u : 1u); i++) {
    if (output->type == TYPE_F32) {
      float x, y;
      memcpy(&x, now + 4u * i, 4);
      memcpy(&y, expected + 4u * i, 4);
      if (!floats_agree(c, x, y, bound)) {
        campaign_violation("%s on %s: output %" PRIu64 " is %.9g, the reference has %.9g (bound of the sum %.3g)",
                           c->kernel->name, edge_isa_name(isa), i, (double)x, (double)y, bound);
      }
    } else if (now[i] != expected[i]) {
      campaign_violation("%s on %s: output %" PRIu64 " is %d, the reference has %d", c->kernel->name,
                         edge_isa_name(isa), i, (int8_t)now[i], (int8_t)expected[i]);
    }
  }
}

static void print_case(const test_case *c) {
  fprintf(stderr, "%s at 0x%08" PRIx32 "\n", c->kernel->name, c->descriptor);
  for (uint32_t field = 0; field < field_count(c->kernel); field++) {
    fprintf(stderr, "  %-18s %11" PRIu32 " 0x%08" PRIx32 " %.9g\n", field_name(c->kernel, field), c->words[field],
            c->words[field], (double)word_float(c->words[field]));
  }
}

int main(int argc, char **argv) {
  const campaign run = campaign_start(argc, argv);
  edge_isa isas[MOST_ISAS];
  uint32_t isa_count = 0;
  uint64_t compared[EDGE_KERNEL_COUNT_PLUS_ONE] = {0};
  printf("ISAs:");
  for (int isa = 0; isa < (int)MOST_ISAS; isa++) {
    if (!edge_isa_usable((edge_isa)isa)) continue;
    isas[isa_count++] = (edge_isa)isa;
    printf(" %s", edge_isa_name((edge_isa)isa));
  }
  printf("\n");
  arena arenas[] = {arena_open(ARENA_SMALL_BYTES, EDGE_KERNEL_RESERVE + ARENA_SMALL_BYTES, 0),
                    arena_open(ARENA_SMALL_BYTES, ARENA_WHOLE, 0)};
  for (uint64_t number = run.first; number < run.first + run.count; number++) {
    campaign_case(number);
    rng r = rng_of(run.seed, number);
    arena *a = &arenas[rng_once_in(&r, 4)];
    const edge_kernel *k = edge_kernel_by_id(1u + (uint32_t)(number % KERNEL_COUNT));
    test_case c;
    case_make(&r, k, CASE_COMPARE, a, &c);
    if (run.verbose) print_case(&c);
    arena_remember(a);
    for (uint32_t i = 0; i < isa_count; i++) {
      arena_restore(a);
      run_case(&r, &c, isas[i], a);
      const case_region *output = output_of(&c);
      if (i == 0) memcpy(expected, a->memory.base + output->at.begin, output->at.bytes);
      if (i != 0) compare(a, &c, isas[i]);
      compared[k->id]++;
    }
  }
  for (uint32_t id = 1; id <= KERNEL_COUNT; id++) {
    printf("%-24s %8" PRIu64 "\n", edge_kernel_by_id(id)->name, compared[id]);
  }
  arena_close(&arenas[0]);
  arena_close(&arenas[1]);
  return 0;
}
