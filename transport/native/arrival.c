/*
 * The receiving thread, one for all sockets of a JavaScript environment, and what JavaScript calls.
 *
 * A wake-up costs as much as receiving dozens of datagrams. So while many come the thread does not wait for the next one but
 * sleeps, for as long as the sockets' buffers allow by what has come within the last second; below that it waits for the
 * first datagram and reads at once. JavaScript is woken once for all that has come within the time that every socket allows.
 */
#include "arrival.h"
#include "urgency.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
/* Of what SO_MEMINFO gives (linux/sock_diag.h). */
#define MEMINFO_DROPS 8
#define MEMINFO_WORDS 9

/* When nothing can be read on, since JavaScript is busy: how soon it is tried again. */
#define RETRY_MS 5.0
#define STACK_BYTES 262144

static struct timespec timespec_of(double ms) {
  const int64_t ns = (int64_t)(ms * 1e6);
  return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* For a time that has passed the system would set a timer all the same, which costs as much as twenty datagrams. */
static void sleep_until(double at) {
  if (at <= monotonic_ms()) return;
  const struct timespec then = timespec_of(at);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
}

/* Until a datagram comes, the thread is to stop, or `at`, which may be INFINITY. */
static void wait_for_datagram(struct arrivals *arrivals, double at) {
  struct pollfd epoll = {.fd = arrivals->epoll, .events = POLLIN};
  const double left = at - monotonic_ms();
  const struct timespec most = timespec_of(left > 0 && left < 1e9 ? left : 0);
  ppoll(&epoll, 1, left < 1e9 ? &most : NULL, NULL);
}

/* The longest that neither a buffer nor a socket's user forbids; 0 when each datagram is to be waited for. */
static double allowed_wait(const struct arrivals *arrivals, double now) {
  double span = LONGEST_WAIT_MS;
  for (int level = 0; level < LEVELS; level++, span /= 2) {
    if (span <= arrivals->gather_ms && now >= arrivals->too_long_until[level]) return span;
  }
  return 0;
}

/* When JavaScript may be woken next: a little before the thread would wake, so that both are one. */
static double announce_at(const struct arrivals *arrivals) {
  return arrivals->announced_at + 0.8 * arrivals->gather_ms;
}

/* Wakes JavaScript when something lies there, it is not being woken already, and the last time was long enough ago. */
static void announce(struct arrivals *arrivals, double now) {
  if (!arrivals->unannounced || now < announce_at(arrivals)) return;
  arrivals->unannounced = false;
  arrivals->announced_at = now;
  if (!atomic_exchange(&arrivals->waking, true)) napi_call_threadsafe_function(arrivals->wake, NULL, napi_tsfn_nonblocking);
}

/* What the thread does until it reads again. */
struct rest {
  bool asleep; /* or else waiting for a datagram */
  double until; /* may have passed already */
};

static struct rest plan_rest(const struct arrivals *arrivals, enum reading reading, double began) {
  const double due = arrivals->unannounced ? announce_at(arrivals) : INFINITY;
  const double wait = allowed_wait(arrivals, began);
  if (reading == READ_MORE) return (struct rest){.asleep = true, .until = began};
  if (reading == READ_FULL) return (struct rest){.asleep = true, .until = began + RETRY_MS};
  if (reading == READ_SOME && arrivals->busy && wait > 0) {
    return (struct rest){.asleep = true, .until = began + wait < due ? began + wait : due};
  }
  return (struct rest){.until = due};
}

static void *receive_all(void *data) {
  struct arrivals *arrivals = data;
  run_promptly();
  while (!atomic_load(&arrivals->stopping)) {
    const double began = monotonic_ms();
    pthread_mutex_lock(&arrivals->lock);
    const enum reading reading = read_sockets(arrivals);
    announce(arrivals, began);
    const struct rest rest = plan_rest(arrivals, reading, began);
    pthread_mutex_unlock(&arrivals->lock);
    if (rest.asleep) sleep_until(rest.until);
    else wait_for_datagram(arrivals, rest.until);
  }
  return NULL;
}

/* Runs on the JavaScript thread. */
static void wake_javascript(napi_env env, napi_value taker, void *context, void *data) {
  (void)data;
  struct arrivals *arrivals = context;
  napi_value undefined, fault;
  if (!env) return; /* the environment ends */
  atomic_store(&arrivals->waking, false);
  napi_get_undefined(env, &undefined);
  if (napi_call_function(env, undefined, taker, 0, NULL, NULL) != napi_pending_exception) return;
  napi_get_and_clear_last_exception(env, &fault);
  napi_fatal_exception(env, fault);
}

static struct arrivals *arrivals_of(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  void *data = NULL;
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, &data) == napi_ok && given >= count) return data;
  throw_usage(env, "too few arguments");
  return NULL;
}

static void disown(struct arrivals *arrivals) {
  if (--arrivals->owners > 0) return;
  close_memory(&arrivals->memory);
  pthread_mutex_destroy(&arrivals->lock);
  free(arrivals->batch);
  free(arrivals);
}

static bool start_thread(struct arrivals *arrivals) {
  sigset_t all, before;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  /* Signals are for Node's own threads. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int fault = pthread_create(&arrivals->thread, &attributes, receive_all, arrivals);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  arrivals->running = fault == 0;
  errno = fault;
  if (arrivals->running) pthread_setname_np(arrivals->thread, "lancast-receive");
  return arrivals->running;
}

/* What the thread needs; what was there before is kept. */
static bool prepare(struct arrivals *arrivals) {
  if (!arrivals->batch && !(arrivals->batch = open_batch())) return false;
  if (!arrivals->memory.bytes && !open_memory(&arrivals->memory)) return false;
  if (arrivals->epoll < 0 && (arrivals->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) return false;
  if (arrivals->stopper >= 0) return true;
  struct epoll_event event = {.events = EPOLLIN};
  arrivals->stopper = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return arrivals->stopper >= 0 && epoll_ctl(arrivals->epoll, EPOLL_CTL_ADD, arrivals->stopper, &event) == 0;
}

static void close_one(struct arrivals *arrivals, struct arrival_socket *socket) {
  epoll_ctl(arrivals->epoll, EPOLL_CTL_DEL, socket->fd, NULL);
  close(socket->fd);
  free(socket);
}

/* The environment ends: before Node closes anything of what is used here. */
static void end(void *data) {
  struct arrivals *arrivals = data;
  if (arrivals->running) {
    atomic_store(&arrivals->stopping, true);
    eventfd_write(arrivals->stopper, 1);
    pthread_join(arrivals->thread, NULL);
  }
  while (arrivals->sockets) {
    struct arrival_socket *socket = arrivals->sockets;
    arrivals->sockets = socket->next;
    close_one(arrivals, socket);
  }
  for (uint32_t i = 0; i < MOST_CHUNKS; i++) {
    if (arrivals->memory.chunks[i].buffer) napi_delete_reference(arrivals->env, arrivals->memory.chunks[i].buffer);
  }
  if (arrivals->stopper >= 0) close(arrivals->stopper);
  if (arrivals->epoll >= 0) close(arrivals->epoll);
  disown(arrivals);
}

/* startArrivals(taker) — starts the thread; `taker` is called whenever something has come. Once. */
static napi_value start_arrivals(napi_env env, napi_callback_info info) {
  napi_value taker, name;
  struct arrivals *arrivals = arrivals_of(env, info, 1, &taker);
  if (!arrivals) return NULL;
  if (arrivals->running) return throw_usage(env, "the thread has its taker");
  if (!prepare(arrivals)) return throw_errno(env, errno, "startArrivals");
  napi_create_string_utf8(env, "lancast arrivals", NAPI_AUTO_LENGTH, &name);
  if (!arrivals->wake) {
    napi_create_threadsafe_function(env, taker, NULL, name, 0, 1, NULL, NULL, arrivals, wake_javascript, &arrivals->wake);
    /* Sockets keep a process alive, not the thread. */
    napi_unref_threadsafe_function(env, arrivals->wake);
    /* Anew, so that it runs before the hook of that function. */
    napi_remove_env_cleanup_hook(env, end, arrivals);
    napi_add_env_cleanup_hook(env, end, arrivals);
  }
  return start_thread(arrivals) ? NULL : throw_errno(env, errno, "pthread_create");
}

/* The lock is held. */
static void agree_on_gathering(struct arrivals *arrivals) {
  arrivals->gather_ms = LONGEST_WAIT_MS;
  for (struct arrival_socket *socket = arrivals->sockets; socket; socket = socket->next) {
    arrivals->gather_ms = fmin(arrivals->gather_ms, socket->gather_ms);
  }
}

/* openArrivals(socket, gatherMs): number — hands a socket over to the thread, with its descriptor. */
static napi_value open_arrivals(napi_env env, napi_callback_info info) {
  napi_value values[2];
  struct arrivals *arrivals = arrivals_of(env, info, 2, values);
  if (!arrivals) return NULL;
  struct arrival_socket *socket = calloc(1, sizeof *socket);
  if (!socket) return throw_errno(env, ENOMEM, "openArrivals");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};
  socket->fd = int_of(env, values[0]);
  socket->gather_ms = double_of(env, values[1]);
  expect_arrivals(socket);
  pthread_mutex_lock(&arrivals->lock);
  socket->number = ++arrivals->last_number;
  socket->next = arrivals->sockets;
  const int fault = epoll_ctl(arrivals->epoll, EPOLL_CTL_ADD, socket->fd, &event) == 0 ? 0 : errno;
  if (fault == 0) arrivals->sockets = socket;
  agree_on_gathering(arrivals);
  pthread_mutex_unlock(&arrivals->lock);
  if (fault == 0) {
    if (arrivals->open++ == 0) napi_ref_threadsafe_function(env, arrivals->wake);
    return number_value(env, socket->number);
  }
  free(socket);
  return throw_errno(env, fault, "epoll_ctl");
}

static struct arrival_socket **find(struct arrivals *arrivals, uint32_t number) {
  struct arrival_socket **place = &arrivals->sockets;
  while (*place && (*place)->number != number) place = &(*place)->next;
  return place;
}

/* closeArrivals(number) — takes a socket away from the thread and closes it. */
static napi_value close_arrivals(napi_env env, napi_callback_info info) {
  napi_value number;
  struct arrivals *arrivals = arrivals_of(env, info, 1, &number);
  if (!arrivals) return NULL;
  pthread_mutex_lock(&arrivals->lock);
  struct arrival_socket **place = find(arrivals, (uint32_t)int_of(env, number));
  struct arrival_socket *socket = *place;
  if (socket) {
    *place = socket->next;
    close_one(arrivals, socket);
    agree_on_gathering(arrivals);
  }
  pthread_mutex_unlock(&arrivals->lock);
  if (socket && --arrivals->open == 0) napi_unref_threadsafe_function(env, arrivals->wake);
  return NULL;
}

/* readArrivals() — reads all sockets now, on this thread; the caller takes what there is. */
static napi_value read_arrivals(napi_env env, napi_callback_info info) {
  struct arrivals *arrivals = arrivals_of(env, info, 0, NULL);
  if (!arrivals || !arrivals->running) return NULL;
  pthread_mutex_lock(&arrivals->lock);
  read_sockets(arrivals);
  arrivals->unannounced = false;
  pthread_mutex_unlock(&arrivals->lock);
  return NULL;
}

/* nextArrivals(): number — see next_run. */
static napi_value next_arrivals(napi_env env, napi_callback_info info) {
  struct arrivals *arrivals = arrivals_of(env, info, 0, NULL);
  return arrivals ? number_value(env, next_run(&arrivals->memory)) : NULL;
}

static void forget_chunk(napi_env env, void *bytes, void *hint) {
  (void)env;
  (void)bytes;
  disown(hint);
}

/* arrivalChunk(chunk): ArrayBuffer — the memory itself; the same each time. */
static napi_value arrival_chunk(napi_env env, napi_callback_info info) {
  napi_value value, buffer;
  struct arrivals *arrivals = arrivals_of(env, info, 1, &value);
  if (!arrivals) return NULL;
  const uint32_t number = (uint32_t)int_of(env, value);
  if (number >= MOST_CHUNKS || !arrivals->memory.bytes) return throw_usage(env, "no such chunk");
  struct chunk *chunk = &arrivals->memory.chunks[number];
  if (chunk->buffer) return napi_get_reference_value(env, chunk->buffer, &buffer) == napi_ok ? buffer : NULL;
  arrivals->owners++;
  if (napi_create_external_arraybuffer(env, columns_of(&arrivals->memory, number), CHUNK_BYTES, forget_chunk, arrivals, &buffer) != napi_ok) {
    arrivals->owners--;
    return throw_usage(env, "this JavaScript engine shows no memory of others");
  }
  napi_create_reference(env, buffer, 1, &chunk->buffer);
  return buffer;
}

/* arrivalSource(chunk, index): [address, port] — where a datagram came from, written as Node does. */
static napi_value arrival_source(napi_env env, napi_callback_info info) {
  napi_value values[2], pair, text;
  char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "", card[IF_NAMESIZE];
  struct arrivals *arrivals = arrivals_of(env, info, 2, values);
  if (!arrivals) return NULL;
  const uint32_t chunk = (uint32_t)int_of(env, values[0]), index = (uint32_t)int_of(env, values[1]);
  if (chunk >= MOST_CHUNKS || index >= CHUNK_SLOTS || !arrivals->memory.bytes) return throw_usage(env, "no such datagram");
  const union address *from = &columns_of(&arrivals->memory, chunk)->from[index];
  const bool six = from->any.sa_family == AF_INET6;
  if (six) inet_ntop(AF_INET6, &from->six.sin6_addr, host, INET6_ADDRSTRLEN);
  else inet_ntop(AF_INET, &from->four.sin_addr, host, INET6_ADDRSTRLEN);
  if (six && from->six.sin6_scope_id != 0 && if_indextoname(from->six.sin6_scope_id, card)) {
    strcat(strcat(host, "%"), card);
  }
  napi_create_array_with_length(env, 2, &pair);
  napi_create_string_utf8(env, host, NAPI_AUTO_LENGTH, &text);
  napi_set_element(env, pair, 0, text);
  napi_set_element(env, pair, 1, number_value(env, ntohs(six ? from->six.sin6_port : from->four.sin_port)));
  return pair;
}

/* arrivalDrops(number): number — datagrams the kernel dropped for want of room in a socket's buffer; wraps at 32 bits. */
static napi_value arrival_drops(napi_env env, napi_callback_info info) {
  napi_value number;
  struct arrivals *arrivals = arrivals_of(env, info, 1, &number);
  if (!arrivals) return NULL;
  /* Only JavaScript changes the list, and this is JavaScript's thread. */
  const struct arrival_socket *socket = *find(arrivals, (uint32_t)int_of(env, number));
  if (!socket) return number_value(env, 0);
  uint32_t words[MEMINFO_WORDS] = {0};
  socklen_t length = sizeof words;
  const bool told = getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, words, &length) == 0 && length == sizeof words;
  return number_value(env, told ? words[MEMINFO_DROPS] : atomic_load(&socket->drops));
}

/* arrivalOverruns(): number — how often the memory was full. */
static napi_value arrival_overruns(napi_env env, napi_callback_info info) {
  struct arrivals *arrivals = arrivals_of(env, info, 0, NULL);
  return arrivals ? number_value(env, atomic_load(&arrivals->overruns)) : NULL;
}

static struct arrivals *create(napi_env env) {
  pthread_mutexattr_t attributes;
  struct arrivals *arrivals = calloc(1, sizeof *arrivals);
  if (!arrivals) return NULL;
  /* JavaScript is seldom in here; when it is, and is not running, the thread must not wait for whatever is. */
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&arrivals->lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  arrivals->epoll = arrivals->stopper = -1;
  arrivals->env = env;
  arrivals->owners = 1;
  return arrivals;
}

void export_arrivals(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } FUNCTIONS[] = {
      {"startArrivals", start_arrivals}, {"openArrivals", open_arrivals}, {"closeArrivals", close_arrivals},
      {"readArrivals", read_arrivals},   {"nextArrivals", next_arrivals}, {"arrivalChunk", arrival_chunk},
      {"arrivalSource", arrival_source}, {"arrivalDrops", arrival_drops}, {"arrivalOverruns", arrival_overruns},
  };
  struct arrivals *arrivals = create(env);
  if (arrivals) napi_add_env_cleanup_hook(env, end, arrivals);
  for (size_t i = 0; arrivals && i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
    napi_value value;
    napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].call, arrivals, &value);
    napi_set_named_property(env, exports, FUNCTIONS[i].name, value);
  }
}
