/* Makes the Nth call that changes files below one folder fail, or be the last thing the process does.
 *
 * Preloaded (LD_PRELOAD) into a program and, through the environment, into all it starts. Read from the environment:
 *
 *   EDGE_FAULT_ROOT   the folder; calls on other paths are neither counted nor touched
 *   EDGE_FAULT_STATE  a file of 12 bytes shared by all processes: calls so far, whether the fault has come, whether
 *                     the disk is full from now on
 *   EDGE_FAULT_AT     the number of the call that fails, from 1; 0 counts only
 *   EDGE_FAULT_DO     kill    the process dies before the call
 *                     torn    half of a write is done, then the process dies; other calls are done first
 *                     eio     the call fails once with EIO
 *                     enospc  this call and all later ones that need room fail with ENOSPC
 *                     short   half of a write is done, then the disk is full; other calls as with enospc
 *   EDGE_FAULT_LOG    a line for each counted call is appended here
 *
 * A call takes room if it writes or makes a name; removing, renaming and syncing do not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
  _Atomic uint32_t calls;
  _Atomic uint32_t fired;
  _Atomic uint32_t full;
};

enum action { COUNT, KILL, TORN, EIO_ONCE, FULL, SHORT };
enum verdict { GO, HALF, HALF_AND_DIE, GO_AND_DIE, FAIL };

static struct shared *shared;
static char root[PATH_MAX];
static size_t root_length;
static uint32_t fault_at;
static enum action action;
static const char *log_path;

static const char *const ACTIONS[] = {"count", "kill", "torn", "eio", "enospc", "short"};

__attribute__((constructor)) static void start(void) {
  const char *folder = getenv("EDGE_FAULT_ROOT"), *state = getenv("EDGE_FAULT_STATE");
  const char *at = getenv("EDGE_FAULT_AT"), *what = getenv("EDGE_FAULT_DO");
  if (folder == NULL || state == NULL || strlen(folder) >= sizeof root) {
    return;
  }
  strcpy(root, folder);
  root_length = strlen(root);
  fault_at = at == NULL ? 0 : (uint32_t)strtoul(at, NULL, 10);
  for (size_t i = 0; what != NULL && i < sizeof ACTIONS / sizeof *ACTIONS; i++) {
    if (strcmp(what, ACTIONS[i]) == 0) {
      action = (enum action)i;
    }
  }
  log_path = getenv("EDGE_FAULT_LOG");
  int file = (int)syscall(SYS_openat, AT_FDCWD, state, O_RDWR | O_CLOEXEC, 0);
  if (file < 0) {
    return;
  }
  void *place = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (place != MAP_FAILED) {
    shared = place;
  }
}

static void *next(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) {
    abort();
  }
  return found;
}

/* The real function, looked up once. ISO C has no cast from an object to a function pointer; POSIX does. */
#define REAL(type, name)                        \
  static type name##_real;                      \
  if (name##_real == NULL) {                    \
    void *found = next(#name);                  \
    memcpy(&name##_real, &found, sizeof found); \
  }

static bool below(const char *path) {
  return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == '\0');
}

/* Where a descriptor leads, or AT_FDCWD the working directory; "" for what has no path. */
static void path_of(int fd, char *out) {
  char link[64];
  out[0] = '\0';
  if (fd == AT_FDCWD) {
    strcpy(link, "/proc/self/cwd");
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  }
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = '\0';
}

static bool path_at(int folder, const char *path, char *out) {
  if (path[0] == '/') {
    snprintf(out, PATH_MAX, "%s", path);
    return below(out);
  }
  path_of(folder, out);
  size_t length = strlen(out);
  snprintf(out + length, PATH_MAX - length, "/%s", path);
  return below(out);
}

static void note(uint32_t number, const char *call, const char *path) {
  char line[PATH_MAX + 64];
  int file = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) {
    int length = snprintf(line, sizeof line, "%u %s %s\n", number, call, path);
    syscall(SYS_write, file, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    syscall(SYS_close, file);
  }
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) {
    pause();
  }
}

/* Count a call below the folder and say what becomes of it; errno is set for FAIL. */
static enum verdict judge(const char *call, const char *path, bool needs_room, bool writes) {
  uint32_t number = atomic_fetch_add(&shared->calls, 1) + 1;
  if (log_path != NULL) {
    note(number, call, path);
  }
  if (number != fault_at) {
    errno = ENOSPC;
    return needs_room && atomic_load(&shared->full) != 0 ? FAIL : GO;
  }
  atomic_store(&shared->fired, 1);
  switch (action) {
    case KILL:
      die();
      return FAIL;
    case TORN:
      return writes ? HALF_AND_DIE : GO_AND_DIE;
    case EIO_ONCE:
      errno = EIO;
      return FAIL;
    case FULL:
    case SHORT:
      atomic_store(&shared->full, 1);
      errno = ENOSPC;
      return !needs_room ? GO : writes && action == SHORT ? HALF : FAIL;
    default:
      return GO;
  }
}

static enum verdict judge_fd(const char *call, int fd, bool writes) {
  char path[PATH_MAX];
  if (shared == NULL) {
    return GO;
  }
  path_of(fd, path);
  return below(path) ? judge(call, path, writes, writes) : GO;
}

static enum verdict judge_at(const char *call, int folder, const char *path, bool needs_room) {
  char whole[PATH_MAX];
  if (shared == NULL || path == NULL) {
    return GO;
  }
  return path_at(folder, path, whole) ? judge(call, whole, needs_room, false) : GO;
}

#define FINISH(verdict, result)                                 \
  do {                                                          \
    if ((verdict) == GO_AND_DIE || (verdict) == HALF_AND_DIE) { \
      die();                                                    \
    }                                                           \
    return result;                                              \
  } while (0)

/* ---- writes ---- */

#define WRITE_LIKE(name, parameters, half_arguments, arguments)                                                     \
  ssize_t name parameters {                                                                                         \
    typedef ssize_t(*type) parameters;                                                                              \
    REAL(type, name)                                                                                                \
    enum verdict verdict = judge_fd(#name, fd, true);                                                               \
    if (verdict == FAIL) {                                                                                          \
      return -1;                                                                                                    \
    }                                                                                                               \
    ssize_t done = verdict == HALF || verdict == HALF_AND_DIE ? name##_real half_arguments : name##_real arguments; \
    FINISH(verdict, done);                                                                                          \
  }

WRITE_LIKE(write, (int fd, const void *data, size_t size), (fd, data, size / 2), (fd, data, size))
WRITE_LIKE(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size / 2, at),
           (fd, data, size, at))
WRITE_LIKE(sendfile64, (int fd, int from, off64_t *at, size_t size), (fd, from, at, size / 2), (fd, from, at, size))
WRITE_LIKE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count / 2), (fd, parts, count))

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t copy_file_range(int from, off64_t *from_at, int fd, off64_t *at, size_t size, unsigned flags) {
  typedef ssize_t (*type)(int, off64_t *, int, off64_t *, size_t, unsigned);
  REAL(type, copy_file_range)
  enum verdict verdict = judge_fd("copy_file_range", fd, true);
  if (verdict == FAIL) {
    return -1;
  }
  bool half = verdict == HALF || verdict == HALF_AND_DIE;
  ssize_t done = copy_file_range_real(from, from_at, fd, at, half ? size / 2 : size, flags);
  FINISH(verdict, done);
}

/* ---- other calls on a descriptor ---- */

#define FD_CALL(name, parameters, arguments)           \
  int name parameters {                                \
    typedef int(*type) parameters;                     \
    REAL(type, name)                                   \
    enum verdict verdict = judge_fd(#name, fd, false); \
    if (verdict == FAIL) {                             \
      return -1;                                       \
    }                                                  \
    int done = name##_real arguments;                  \
    FINISH(verdict, done);                             \
  }

FD_CALL(fsync, (int fd), (fd))
FD_CALL(fdatasync, (int fd), (fd))
FD_CALL(ftruncate64, (int fd, off64_t size), (fd, size))
FD_CALL(fchmod, (int fd, mode_t mode), (fd, mode))

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* ---- calls on a name ---- */

#define AT_CALL(name, parameters, folder, path, room, arguments) \
  int name parameters {                                          \
    typedef int(*type) parameters;                               \
    REAL(type, name)                                             \
    enum verdict verdict = judge_at(#name, folder, path, room);  \
    if (verdict == FAIL) {                                       \
      return -1;                                                 \
    }                                                            \
    int done = name##_real arguments;                            \
    FINISH(verdict, done);                                       \
  }

AT_CALL(rename, (const char *old, const char *new), AT_FDCWD, new, false, (old, new))
AT_CALL(renameat, (int of, const char *old, int nf, const char *new), nf, new, false, (of, old, nf, new))
AT_CALL(renameat2, (int of, const char *old, int nf, const char *new, unsigned flags), nf, new, false,
        (of, old, nf, new, flags))
AT_CALL(link, (const char *old, const char *new), AT_FDCWD, new, true, (old, new))
AT_CALL(linkat, (int of, const char *old, int nf, const char *new, int flags), nf, new, true, (of, old, nf, new, flags))
AT_CALL(symlink, (const char *target, const char *new), AT_FDCWD, new, true, (target, new))
AT_CALL(symlinkat, (const char *target, int folder, const char *new), folder, new, true, (target, folder, new))
AT_CALL(unlink, (const char *path), AT_FDCWD, path, false, (path))
AT_CALL(unlinkat, (int folder, const char *path, int flags), folder, path, false, (folder, path, flags))
AT_CALL(rmdir, (const char *path), AT_FDCWD, path, false, (path))
AT_CALL(mkdir, (const char *path, mode_t mode), AT_FDCWD, path, true, (path, mode))
AT_CALL(mkdirat, (int folder, const char *path, mode_t mode), folder, path, true, (folder, path, mode))
AT_CALL(chmod, (const char *path, mode_t mode), AT_FDCWD, path, false, (path, mode))
AT_CALL(truncate64, (const char *path, off64_t size), AT_FDCWD, path, true, (path, size))

/* Opening counts when it may make or empty a file. */
static enum verdict judge_open(int folder, const char *path, int flags) {
  return flags & (O_CREAT | O_TRUNC) ? judge_at("open", folder, path, true) : GO;
}

static mode_t mode_of(int flags, va_list rest) {
  return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN_CALL(name, parameters, folder, arguments)      \
  int name parameters {                                     \
    typedef int(*type) parameters;                          \
    REAL(type, name)                                        \
    va_list rest;                                           \
    va_start(rest, flags);                                  \
    mode_t mode = mode_of(flags, rest);                     \
    va_end(rest);                                           \
    enum verdict verdict = judge_open(folder, path, flags); \
    if (verdict == FAIL) {                                  \
      return -1;                                            \
    }                                                       \
    int done = name##_real arguments;                       \
    FINISH(verdict, done);                                  \
  }

OPEN_CALL(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN_CALL(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN_CALL(openat, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
OPEN_CALL(openat64, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
