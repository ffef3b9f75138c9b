/* Reading files as far as the system has them in memory: no other thread has to be woken for that, and nothing waits. */
#include "native.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/uio.h>

/* The file has no other place than memory: it cannot be asked for without waiting, and never waits. */
static bool lives_in_memory(int file) {
  struct statfs system;
  return fstatfs(file, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

/* readCached(file, memory, position): bytes read, 0 at the end of the file, -1 when it would have to wait or cannot. */
static napi_value read_cached(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  if (!arguments_of(env, info, 3, 3, arguments)) return NULL;
  struct iovec memory;
  if (napi_get_buffer_info(env, arguments[1], &memory.iov_base, &memory.iov_len) != napi_ok)
    return throw_usage(env, "readCached wants a buffer");
  int file = int_of(env, arguments[0]);
  off_t position = (off_t)double_of(env, arguments[2]);
  ssize_t bytes = -1;
#ifdef RWF_NOWAIT
  bytes = preadv2(file, &memory, 1, position, RWF_NOWAIT);
  if (bytes < 0 && errno == EOPNOTSUPP && lives_in_memory(file)) bytes = preadv(file, &memory, 1, position);
#endif
  return number_value(env, (double)bytes);
}

void export_files(napi_env env, napi_value exports) {
  export_function(env, exports, "readCached", read_cached);
}
