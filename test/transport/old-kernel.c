/*
 * Stands between a process and the kernel (LD_PRELOAD) and receives as old kernels do: one datagram a call, without runs of
 * datagrams (UDP_GRO), time stamps and the counters of SO_MEMINFO. Each refusal leaves a file of its name in the folder
 * LANCAST_TEST_REFUSED.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOL_UDP 17
#define UDP_GRO 104
#define SO_MEMINFO 55

static int refuse(const char *what, int fault) {
  char file[512];
  snprintf(file, sizeof file, "%s/%s", getenv("LANCAST_TEST_REFUSED"), what);
  close(open(file, O_CREAT | O_WRONLY, 0600));
  errno = fault;
  return -1;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  (void)fd, (void)messages, (void)count, (void)flags, (void)timeout;
  return refuse("recvmmsg", ENOSYS);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  int (*real)(int, int, int, const void *, socklen_t);
  *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
  if (level == SOL_UDP && name == UDP_GRO) return refuse("UDP_GRO", ENOPROTOOPT);
  if (level == SOL_SOCKET && name == SO_TIMESTAMPNS) return refuse("SO_TIMESTAMPNS", ENOPROTOOPT);
  return real(fd, level, name, value, length);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  int (*real)(int, int, int, void *, socklen_t *);
  *(void **)&real = dlsym(RTLD_NEXT, "getsockopt");
  if (level == SOL_SOCKET && name == SO_MEMINFO) return refuse("SO_MEMINFO", ENOPROTOOPT);
  return real(fd, level, name, value, length);
}
