/* Writes down what a program does to the files below one folder, with the data, so that the disk's state after a power
 * cut at any moment can be made from it.
 *
 * Preloaded (LD_PRELOAD). Read from the environment:
 *
 *   EDGE_JOURNAL_ROOT  the folder
 *   EDGE_JOURNAL_PIPE  what is written there is written down too (op 'A')
 *   EDGE_JOURNAL_LOG   the journal: records in the order of the calls, each when its call has returned
 *
 * A record: op u8, 7 bytes of nothing, offset u64, length u64, time u64 (ns, CLOCK_REALTIME), path length u64, the
 * path, then for W and A the data. Ops: W write, T truncate (to offset), S sync of a file, D sync of a folder, U
 * unlink, A accept.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct head {
  uint8_t op;
  uint8_t nothing[7];
  uint64_t offset, length, time_ns, path_length;
};

static const char *root, *accepted_pipe;
static int journal = -1;

__attribute__((constructor)) static void start(void) {
  const char *log = getenv("EDGE_JOURNAL_LOG");
  root = getenv("EDGE_JOURNAL_ROOT");
  accepted_pipe = getenv("EDGE_JOURNAL_PIPE");
  if (log != NULL && root != NULL && accepted_pipe != NULL) {
    journal = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  }
}

#define REAL(type, name)                        \
  static type name##_real;                      \
  if (name##_real == NULL) {                    \
    void *found = dlsym(RTLD_NEXT, #name);      \
    memcpy(&name##_real, &found, sizeof found); \
  }

static bool below(const char *path) {
  size_t length = strlen(root);
  return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void note(uint8_t op, const char *path, uint64_t offset, const void *data, uint64_t length) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  struct head head = {op,          {0}, offset, length, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                      strlen(path)};
  /* The kernel writes each call's bytes in one piece, whatever other threads append. */
  struct iovec parts[] = {
      {&head, sizeof head}, {(void *)(uintptr_t)path, head.path_length}, {(void *)(uintptr_t)data, length}};
  syscall(SYS_writev, journal, parts, data == NULL ? 2 : 3);
}

static bool path_of(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = '\0';
  return below(out);
}

ssize_t write(int fd, const void *data, size_t size) {
  typedef ssize_t (*type)(int, const void *, size_t);
  REAL(type, write)
  ssize_t done = write_real(fd, data, size);
  char path[PATH_MAX];
  if (journal >= 0 && done > 0) {
    bool inside = path_of(fd, path);
    if (inside) {
      note('W', path, (uint64_t)lseek(fd, 0, SEEK_CUR) - (uint64_t)done, data, (uint64_t)done);
    } else if (strcmp(path, accepted_pipe) == 0) {
      note('A', path, 0, data, (uint64_t)done);
    }
  }
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  typedef ssize_t (*type)(int, const void *, size_t, off64_t);
  REAL(type, pwrite64)
  ssize_t done = pwrite64_real(fd, data, size, at);
  char path[PATH_MAX];
  if (journal >= 0 && done > 0 && path_of(fd, path)) {
    note('W', path, (uint64_t)at, data, (uint64_t)done);
  }
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

#define SYNC(name)                                                    \
  int name(int fd) {                                                  \
    typedef int (*type)(int);                                         \
    REAL(type, name)                                                  \
    int done = name##_real(fd);                                       \
    char path[PATH_MAX];                                              \
    struct stat found;                                                \
    if (journal >= 0 && done == 0 && path_of(fd, path)) {             \
      bool folder = fstat(fd, &found) == 0 && S_ISDIR(found.st_mode); \
      note(folder ? 'D' : 'S', path, 0, NULL, 0);                     \
    }                                                                 \
    return done;                                                      \
  }

SYNC(fsync)
SYNC(fdatasync)

int ftruncate64(int fd, off64_t size) {
  typedef int (*type)(int, off64_t);
  REAL(type, ftruncate64)
  int done = ftruncate64_real(fd, size);
  char path[PATH_MAX];
  if (journal >= 0 && done == 0 && path_of(fd, path)) {
    note('T', path, (uint64_t)size, NULL, 0);
  }
  return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static bool absolute(const char *path, char *out) {
  char folder[PATH_MAX];
  if (path[0] == '/') {
    snprintf(out, PATH_MAX, "%s", path);
  } else if (getcwd(folder, sizeof folder) != NULL) {
    snprintf(out, PATH_MAX, "%.*s/%.*s", PATH_MAX / 2 - 2, folder, PATH_MAX / 2 - 2, path);
  } else {
    return false;
  }
  return below(out);
}

int unlink(const char *path) {
  typedef int (*type)(const char *);
  REAL(type, unlink)
  int done = unlink_real(path);
  char whole[PATH_MAX];
  if (journal >= 0 && done == 0 && absolute(path, whole)) {
    note('U', whole, 0, NULL, 0);
  }
  return done;
}

int rename(const char *old, const char *new) {
  typedef int (*type)(const char *, const char *);
  REAL(type, rename)
  int done = rename_real(old, new);
  char from[PATH_MAX], to[PATH_MAX];
  if (journal >= 0 && done == 0 && absolute(old, from) && absolute(new, to)) {
    note('R', from, 0, to, strlen(to));
  }
  return done;
}
