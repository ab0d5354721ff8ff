/* Every kernel under descriptors of converted models, as they are and mutated; corpus.py makes the file EDGE_CORPUS.
 *
 *   entry: u32 kernel | u32 descriptor | u32 writable from | u32 memory bytes | u32 image bytes | image
 *
 * The image lies at EDGE_KERNEL_RESERVE; the rest of the memory is a pattern. Whatever is changed in the descriptor or
 * the memory: no crash, no sanitizer report, no byte outside the memory touched (guard pages), and an answer in time.
 * A descriptor that nothing was changed in must be done, and leaves descriptors and weights as they were.
 *
 * Unlike fuzz_host this needs no second description of a kernel, so it covers every row of kernels.def that a corpus
 * has an entry for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "campaign.h"
#include "kernels/provider/host.h"
#include "rng.h"

#define PACKED_LIMIT (UINT64_C(1) << 24)
#define MOST_ENTRIES 65536u
#define MOST_PAGES 32u
#define HEAD_WORDS 5u
/* EDGE_MAX_WORK is about a millisecond of optimised code; sanitizers and a busy machine cost a factor of a thousand. */
#define CALL_LIMIT_NS INT64_C(2000000000)

typedef struct entry {
  uint32_t kernel, descriptor, writable, memory_bytes, image_bytes;
  const uint8_t *image;
} entry;

typedef enum result { DONE, MUTATED_DONE, MUTATED_REFUSED, RESULTS } result;

static entry entries[MOST_ENTRIES];
static uint32_t entry_count;
static uint64_t counts[EDGE_KERNEL_COUNT_PLUS_ONE][RESULTS];

/* ---- the corpus ---- */

static uint8_t *read_file(const char *path, size_t *size) {
  FILE *file = path != NULL ? fopen(path, "rb") : NULL;
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    fprintf(stderr, "EDGE_CORPUS must name a file that tests/sanitize/corpus.py made\n");
    exit(2);
  }
  *size = (size_t)ftell(file);
  uint8_t *data = malloc(*size);
  rewind(file);
  if (data == NULL || fread(data, 1, *size, file) != *size) exit(2);
  fclose(file);
  return data;
}

static void read_corpus(const uint8_t *data, size_t size) {
  for (size_t at = 0; at + 4u * HEAD_WORDS <= size && entry_count < MOST_ENTRIES;) {
    entry *e = &entries[entry_count++];
    memcpy(e, data + at, 4u * HEAD_WORDS);
    e->image = data + at + 4u * HEAD_WORDS;
    at += 4u * HEAD_WORDS + (e->image_bytes + 3u) / 4u * 4u;
    if (at > size || edge_kernel_by_id(e->kernel) == NULL || e->memory_bytes > MOST_PAGES * 65536u) {
      fprintf(stderr, "the corpus is damaged\n");
      exit(2);
    }
  }
}

/* ---- a case ---- */

typedef struct trial {
  rng r;
  const entry *e;
  const edge_kernel *kernel;
  arena *a;
  edge_host *host;
  uint32_t descriptor;
  int is_mutated;
} trial;

static uint32_t interesting(trial *t, uint32_t old) {
  const uint32_t size = t->e->memory_bytes;
  // clang-format off
  const uint32_t values[] = {
      0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 127, 128, 255, 256, 65535, 65536, 65537, 1u << 22, 1u << 24, 1u << 30, INT32_MAX,
      1u << 31, EDGE_KERNEL_RESERVE, EDGE_KERNEL_RESERVE - 1u, size, size - 1u, size - 4u, size - 16u, UINT32_MAX,
      UINT32_MAX - 1u, UINT32_MAX - 15u, 0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000, 0xffffff80, 0xffffff7f,
      0x7f7fffff, 0x4f000000, 0xcf000000, 0x00000001 << 23, 641u, 6700417u};
  // clang-format on
  switch (rng_below(&t->r, 7)) {
    case 0:
      return old + (uint32_t)rng_range(&t->r, -4, 4);
    case 1:
      return old * (2u + rng_below(&t->r, 4));
    case 2:
      return 0u - old;
    case 3:
      return (uint32_t)rng_range(&t->r, EDGE_KERNEL_RESERVE, size);
    case 4:
      return rng_u32(&t->r) >> rng_below(&t->r, 32);
    default:
      return RNG_PICK(&t->r, values);
  }
}

static void change_word(trial *t, uint64_t at) {
  uint32_t word;
  memcpy(&word, t->a->memory.base + at, 4);
  word = interesting(t, word);
  memcpy(t->a->memory.base + at, &word, 4);
}

static void mutate(trial *t) {
  const uint32_t words = t->kernel->desc_bytes / 4u, changes = 1u + rng_below(&t->r, rng_once_in(&t->r, 3) ? 6 : 2);
  for (uint32_t i = 0; i < changes; i++) change_word(t, t->descriptor + 4u * (2u + rng_below(&t->r, words - 2u)));
  if (rng_once_in(&t->r, 4)) { /* swap two words: an offset for a size, an axis for a stride */
    uint8_t *a = t->a->memory.base + t->descriptor + 4u * rng_below(&t->r, words);
    uint8_t *b = t->a->memory.base + t->descriptor + 4u * rng_below(&t->r, words), kept[4];
    memcpy(kept, a, 4), memmove(a, b, 4), memcpy(b, kept, 4);
  }
  for (uint32_t i = rng_below(&t->r, 24); i > 0; i--) {
    change_word(t, (uint64_t)rng_range(&t->r, EDGE_KERNEL_RESERVE / 4, t->e->memory_bytes / 4 - 1) * 4u);
  }
  if (rng_once_in(&t->r, 32)) t->descriptor = interesting(t, t->descriptor);
}

/* Contents of tensors: bytes, small integers or floats, whatever the kernel takes them for. */
static void fill_tensors(trial *t) {
  const uint32_t kind = rng_below(&t->r, 3);
  for (uint64_t at = t->e->writable; at + 4u <= t->e->memory_bytes; at += 4u) {
    uint32_t word = rng_u32(&t->r);
    const float real = (float)((int32_t)word >> 8) / 262144.0f;
    if (kind == 1) word &= 3u;
    if (kind == 2) memcpy(&word, &real, 4);
    memcpy(t->a->memory.base + at, &word, 4);
  }
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static edge_status call(trial *t) {
  if (t->kernel->pack != NULL) {
    const edge_status status = edge_host_prepare(t->host, t->kernel->id, t->a->memory, t->descriptor);
    if (status != 0) return status;
  }
  const int64_t begin_ns = now_ns();
  const edge_status status = edge_host_call(t->host, t->kernel->id, t->a->memory, t->descriptor);
  const int64_t taken_ns = now_ns() - begin_ns;
  if (taken_ns > CALL_LIMIT_NS) campaign_violation("%s took %" PRId64 " ms", t->kernel->name, taken_ns / 1000000);
  return status;
}

static void judge(trial *t, edge_status status) {
  char text[256] = "";
  if (status != 0) {
    edge_status_text(status, t->descriptor, text, sizeof text);
    if ((uint32_t)status >> 16 != (uint32_t)t->kernel->id || strchr(text, '?') != NULL) {
      campaign_violation("%s answered 0x%08x: %s", t->kernel->name, (unsigned)status, text);
    }
  }
  /* A kernel that reads indices may refuse what fill_tensors() made of them. */
  if (!t->is_mutated && status != 0 && !t->kernel->check_reads) {
    campaign_violation("%s refused a descriptor of a converted model: %s", t->kernel->name, text);
  }
  const uint8_t *begin = t->a->memory.base + EDGE_KERNEL_RESERVE;
  const uint32_t kept = t->e->writable - EDGE_KERNEL_RESERVE;
  if (!t->is_mutated && memcmp(begin, t->e->image, kept < t->e->image_bytes ? kept : t->e->image_bytes) != 0) {
    campaign_violation("%s changed a descriptor or a weight", t->kernel->name);
  }
  counts[t->kernel->id][status == 0 ? (t->is_mutated ? MUTATED_DONE : DONE) : MUTATED_REFUSED]++;
}

static void run_case(const campaign *run, uint64_t number, arena *arenas, const edge_isa *isas, uint32_t isa_count) {
  trial t = {.r = rng_of(run->seed, number), .e = &entries[number % entry_count]};
  t.kernel = edge_kernel_by_id(t.e->kernel);
  t.descriptor = t.e->descriptor;
  t.is_mutated = !rng_once_in(&t.r, 8);
  t.a = &arenas[t.e->memory_bytes / 65536u];
  if (t.a->memory.base == NULL) *t.a = arena_open(t.e->memory_bytes - EDGE_KERNEL_RESERVE, t.e->memory_bytes, 0);
  const edge_isa isa = isas[rng_below(&t.r, isa_count)];
  if (run->verbose)
    fprintf(stderr, "%s on %s, entry %" PRIu64 "\n", t.kernel->name, edge_isa_name(isa), number % entry_count);
  t.host = edge_host_open(isa, PACKED_LIMIT, 2);
  if (t.host == NULL) campaign_violation("no host for %s", edge_isa_name(isa));
  fill_tensors(&t);
  memcpy(t.a->memory.base + EDGE_KERNEL_RESERVE, t.e->image, t.e->image_bytes);
  if (t.is_mutated) mutate(&t);
  judge(&t, call(&t));
  edge_host_close(t.host);
}

int main(int argc, char **argv) {
  const campaign run = campaign_start(argc, argv);
  static arena arenas[MOST_PAGES + 1u];
  edge_isa isas[8];
  uint32_t isa_count = 0;
  size_t size;
  uint8_t *data = read_file(getenv("EDGE_CORPUS"), &size);
  read_corpus(data, size);
  for (int isa = 0; isa < 8; isa++) {
    if (edge_isa_usable((edge_isa)isa)) isas[isa_count++] = (edge_isa)isa;
  }
  for (uint64_t number = run.first; number < run.first + run.count && entry_count != 0; number++) {
    campaign_case(number);
    run_case(&run, number, arenas, isas, isa_count);
  }
  printf("%-28s%12s%16s%18s\n", "kernel", "as it is", "mutated, done", "mutated, refused");
  for (uint32_t id = 1; id < EDGE_KERNEL_COUNT_PLUS_ONE; id++) {
    const edge_kernel *k = edge_kernel_by_id(id);
    if (k == NULL) continue;
    printf("%-28s%12" PRIu64 "%16" PRIu64 "%18" PRIu64 "\n", k->name, counts[id][DONE], counts[id][MUTATED_DONE],
           counts[id][MUTATED_REFUSED]);
  }
  free(data);
  return 0;
}
