/*
 * Loaded before a program (LD_PRELOAD), keeps its sockets at the kernel's default receive buffer: whoever asks for a
 * larger one is told yes, and gets nothing. net.core.rmem_max cannot be set for a network namespace alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  static int (*real)(int, int, int, const void *, socklen_t);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
  if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_RCVBUFFORCE)) return 0;
  return real(fd, level, name, value, length);
}
