/* A delegate as vendors ship them (tensorflow/lite/delegates/external/external_delegate_interface.h): it takes no
 * operator, and says so when the option `device` is `absent`, or crashes when it is `broken`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* TfLiteDelegate of tensorflow/lite/core/c/common.h. */
typedef struct Delegate {
  void *data;
  int (*prepare)(void *context, struct Delegate *delegate);
  void *copy_from_buffer;
  void *copy_to_buffer;
  void *free_buffer;
  int64_t flags;
  void *builder;
} Delegate;

static int prepare(void *context, Delegate *delegate) {
  (void)context;
  (void)delegate;
  return 0;
}

void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(keys[i], "device") == 0 && strcmp(values[i], "absent") == 0) {
      report("no device answers");
      return NULL;
    }
    if (strcmp(keys[i], "device") == 0 && strcmp(values[i], "broken") == 0) {
      abort();
    }
  }
  Delegate *made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->prepare = prepare;
  }
  return made;
}

void tflite_plugin_destroy_delegate(void *delegate) { free(delegate); }
