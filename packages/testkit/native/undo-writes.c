/*
 * A power cut for tests: LD_PRELOAD this, kill -9 the process, then take back what it never synced.
 *
 * Before a write or truncation of a watched file, the bytes and the size that it is about to change go into an undo
 * journal beside the others in $UNDO_DIR. A successful fsync or fdatasync of the file empties its journal. After the
 * kill the test applies what is left, newest first, and the file is what a disk would hold that loses its cache.
 *
 * Watched is every file whose name begins with $UNDO_PREFIX, except "-shm", which no power cut survives anyway.
 *
 * A record: offset, length, old size (int64 each, host order), then min(length, old size - offset) bytes, if any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void find_real(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

static void die(const char *what) {
  perror(what);
  abort();
}

/* The journal's path, or 0 when the file is not watched. */
static int journal_of(int fd, char *journal, size_t size) {
  const char *directory = getenv("UNDO_DIR");
  const char *prefix = getenv("UNDO_PREFIX");
  if (directory == NULL || prefix == NULL) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  if (name == NULL || strncmp(++name, prefix, strlen(prefix)) != 0) return 0;
  size_t name_length = strlen(name);
  if (name_length >= 4 && strcmp(name + name_length - 4, "-shm") == 0) return 0;
  snprintf(journal, size, "%s/%s.undo", directory, name);
  return 1;
}

static void note(int fd, const char *journal, int64_t offset, int64_t length) {
  struct stat before;
  if (fstat(fd, &before) != 0) die("undo-writes: fstat");
  int64_t kept = before.st_size - offset;
  if (kept < 0) kept = 0;
  if (kept > length) kept = length;
  size_t size = 3 * sizeof(int64_t) + (size_t)kept;
  char *record = malloc(size);
  if (record == NULL) die("undo-writes: malloc");
  int64_t head[3] = {offset, length, before.st_size};
  memcpy(record, head, sizeof head);
  /* The file may be open for writing only: read it through a descriptor of our own. */
  if (kept > 0) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int reader = open(link, O_RDONLY | O_CLOEXEC);
    if (reader < 0 || pread(reader, record + sizeof head, (size_t)kept, offset) != kept) die("undo-writes: read");
    close(reader);
  }
  int out = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out < 0 || real_write(out, record, size) != (ssize_t)size) die("undo-writes: journal");
  close(out);
  free(record);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  char journal[PATH_MAX];
  if (!journal_of(fd, journal, sizeof journal)) return real_pwrite(fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  note(fd, journal, offset, (int64_t)length);
  ssize_t result = real_pwrite(fd, bytes, length, offset);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return pwrite(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  char journal[PATH_MAX];
  if (!journal_of(fd, journal, sizeof journal)) return real_write(fd, bytes, length);
  pthread_mutex_lock(&lock);
  note(fd, journal, lseek(fd, 0, SEEK_CUR), (int64_t)length);
  ssize_t result = real_write(fd, bytes, length);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate(int fd, off_t length) {
  char journal[PATH_MAX];
  if (!journal_of(fd, journal, sizeof journal)) return real_ftruncate(fd, length);
  pthread_mutex_lock(&lock);
  note(fd, journal, length, INT64_MAX - length);
  int result = real_ftruncate(fd, length);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate64(int fd, off64_t length) {
  return ftruncate(fd, length);
}

static int synced(int fd, int (*sync)(int)) {
  char journal[PATH_MAX];
  if (!journal_of(fd, journal, sizeof journal)) return sync(fd);
  pthread_mutex_lock(&lock);
  int result = sync(fd);
  if (result == 0) unlink(journal);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) {
  return synced(fd, real_fsync);
}

int fdatasync(int fd) {
  return synced(fd, real_fdatasync);
}
