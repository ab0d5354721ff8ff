/* See fuzz_bench.h. */
#include "fuzz_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "campaign.h"

void bench_say(const bench *b) {
  fprintf(stderr, "%s on %s, descriptor 0x%08" PRIx32 "\n", b->c.kernel->name, edge_isa_name(b->isa), b->c.descriptor);
  for (uint32_t field = 0; field < field_count(b->c.kernel); field++) {
    fprintf(stderr, "  %-18s %11" PRIu32 " 0x%08" PRIx32 "\n", field_name(b->c.kernel, field), b->c.words[field],
            b->c.words[field]);
  }
}

void bench_check_text(const bench *b, const edge_kernel *k, edge_status status) {
  char text[256], field[64], kernel[64];
  const size_t length = edge_status_text(status, b->c.descriptor, text, sizeof text);
  snprintf(field, sizeof field, "`%s`", field_name(k, status_field(status)));
  snprintf(kernel, sizeof kernel, "edge_kernels.%s:", k->name);
  if (length != strlen(text) || strstr(text, kernel) == NULL || strstr(text, field) == NULL) {
    bench_say(b);
    campaign_violation("status 0x%08x reads \"%s\": it must name %s and %s", (unsigned)status, text, kernel, field);
  }
}

/* Calls `function` while all but the descriptor's regions are poisoned; what it changed must be declared. */
edge_status bench_call(bench *b, const edge_kernel *k, host_function *function) {
  extent open[MAX_REGIONS + 1u], allowed[MAX_REGIONS];
  uint32_t open_count = 0, allowed_count = 0;
  arena_remember(b->a);
  for (uint32_t i = 0; i < b->c.region_count; i++) {
    if (b->c.regions[i].role != REGION_SANDBOX) open[open_count++] = b->c.regions[i].at;
  }
  open[open_count++] = case_descriptor_extent(&b->c, b->a);
  arena_poison_all_but(b->a, open, open_count);
  const edge_status status = function(b->host, k->id, b->a->memory, b->c.descriptor);
  arena_unpoison(b->a);
  for (uint32_t i = 0; i < b->c.region_count; i++) {
    if (status == 0 && function == edge_host_call && region_may_change(&b->c.regions[i])) {
      allowed[allowed_count++] = b->c.regions[i].at;
    }
  }
  const uint64_t at = arena_changed(b->a, allowed, allowed_count);
  if (at != 0) {
    bench_say(b);
    campaign_violation("byte 0x%08" PRIx64 " of linear memory was changed (status 0x%08x)", at, (unsigned)status);
  }
  if (status != 0) bench_check_text(b, k, status);
  return status;
}

void require(const bench *b, int condition, const char *what, edge_status status) {
  if (condition) return;
  char text[256] = "done";
  if (status != 0) edge_status_text(status, b->c.descriptor, text, sizeof text);
  bench_say(b);
  campaign_violation("%s; the answer was: %s", what, text);
}

void require_done(const bench *b, edge_status status, const char *what) { require(b, status == 0, what, status); }

void require_status(const bench *b, edge_status status, uint32_t field, edge_reason reason, const char *what) {
  require(b, status == EDGE_STATUS(b->c.kernel->id, field, reason), what, status);
}

void bench_prepare(bench *b) {
  if (b->c.kernel->pack == NULL) return;
  require_done(b, bench_call(b, b->c.kernel, edge_host_prepare), "a valid descriptor must be prepared");
}
