// A disk that fails now and then: every so many thousandth call of a database file answers EIO, as a file says whose
// first four bytes are that number. For LD_PRELOAD, with FAULTY_CONTROL naming the file.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int32_t *per_mille;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULTY_CONTROL");
  int fd = path ? open(path, O_RDONLY) : -1;
  if (fd < 0) return;
  void *mapped = mmap(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) per_mille = mapped;
}

/* Only the database and what lies beside it: nothing else of the process is harmed. */
static int is_database(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "coatcheck.db") != NULL;
}

static int fails(int fd) {
  if (!per_mille || *per_mille == 0 || random() % 1000 >= *per_mille || !is_database(fd)) return 0;
  errno = EIO;
  return 1;
}

#define REAL(name, type) \
  static type real; \
  if (!real) real = (type)dlsym(RTLD_NEXT, name)

typedef ssize_t (*write_at)(int, const void *, size_t, off_t);
typedef ssize_t (*read_at)(int, void *, size_t, off_t);
typedef int (*sync_file)(int);

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
  REAL("pwrite64", write_at);
  return fails(fd) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  REAL("pwrite", write_at);
  return fails(fd) ? -1 : real(fd, data, size, at);
}
ssize_t pread64(int fd, void *data, size_t size, off_t at) {
  REAL("pread64", read_at);
  return fails(fd) ? -1 : real(fd, data, size, at);
}
ssize_t pread(int fd, void *data, size_t size, off_t at) {
  REAL("pread", read_at);
  return fails(fd) ? -1 : real(fd, data, size, at);
}
int fsync(int fd) {
  REAL("fsync", sync_file);
  return fails(fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
  REAL("fdatasync", sync_file);
  return fails(fd) ? -1 : real(fd);
}
