/* What both programs share: arguments, the number of the case now running, and how a violation ends the process. */
#ifndef EDGE_TEST_CAMPAIGN_H
#define EDGE_TEST_CAMPAIGN_H

#include <stdint.h>

typedef struct campaign {
  uint64_t seed, first, count;
  int verbose; /* say what each case is */
} campaign;

/* Reads "--seed S --first N --count M [--verbose]"; ends the process with 2 on anything else. After this, a signal or a
 * sanitizer's report names the case; a case that takes longer than 60 s is a violation. */
campaign campaign_start(int argc, char **argv);

/* The case that runs from here on. */
void campaign_case(uint64_t number);

/* Prints the message and the case, and ends the process with 1. */
__attribute__((format(printf, 1, 2), noreturn)) void campaign_violation(const char *format, ...);

#endif
