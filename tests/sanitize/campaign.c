/* See campaign.h. */
#include "campaign.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

/* UBSan does not call the death callback, but a signal handler hears an abort. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "print_stacktrace=1:abort_on_error=1"; }
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
#endif

#define CASE_LIMIT_S 60u

static uint64_t current_seed, current_case;

static void name_case(void) {
  char text[160];
  const int length = snprintf(text, sizeof text, "\nVIOLATION seed %llu case %llu\n", (unsigned long long)current_seed,
                              (unsigned long long)current_case);
  if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0) _exit(1);
}

static void on_signal(int number) {
  static const char limit[] = "the case took too long";
  if (number == SIGALRM && write(STDERR_FILENO, limit, sizeof limit - 1u) < 0) _exit(1);
  name_case();
  _exit(1);
}

campaign campaign_start(int argc, char **argv) {
  campaign c = {1, 0, 1000, 0};
  for (int i = 1; i < argc; i++) {
    uint64_t *value = NULL;
    if (strcmp(argv[i], "--seed") == 0) value = &c.seed;
    if (strcmp(argv[i], "--first") == 0) value = &c.first;
    if (strcmp(argv[i], "--count") == 0) value = &c.count;
    if (value != NULL && i + 1 < argc) {
      *value = strtoull(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--verbose") == 0) {
      c.verbose = 1;
    } else {
      fprintf(stderr, "usage: %s [--seed S] [--first N] [--count M] [--verbose]\n", argv[0]);
      exit(2);
    }
  }
  current_seed = c.seed;
  signal(SIGALRM, on_signal);
  signal(SIGABRT, on_signal);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(name_case);
#else
  const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) signal(fatal[i], on_signal);
#endif
  return c;
}

void campaign_case(uint64_t number) {
  current_case = number;
  alarm(CASE_LIMIT_S);
}

void campaign_violation(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fflush(stderr);
  fflush(stdout);
  name_case();
  _exit(1);
}
