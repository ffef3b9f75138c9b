/* What JavaScript calls to send datagrams at their times; `DepartureAddon` in native-departure.ts describes each. */
#include "departure.h"

#include <errno.h>
#include <stdlib.h>

/* Datagrams that may wait before whoever reads a source is held up: of the usual length 32 MiB a queue, 256 MiB in all. */
#define MOST_QUEUED_OF_QUEUE 25000
#define MOST_QUEUED 200000

/* What the columns of a chunk take for each slot: a double and a 32-bit word. */
#define COLUMN_BYTES 12

static void close_departure(struct departure_queue *queue);

/* The environment ends, a worker's or the process's. */
static void ended(void *queue) {
  close_departure(queue);
}

static void close_departure(struct departure_queue *queue) {
  if (!queue->open) return;
  queue->open = false;
  napi_remove_env_cleanup_hook(queue->env, ended, queue);
  thread_remove(queue);
  queue_close(queue);
}

static void collected(napi_env env, void *queue, void *unused) {
  (void)env;
  (void)unused;
  close_departure(queue);
  queue_free(queue);
}

static struct departure_queue *queue_of(napi_env env, napi_value value) {
  void *queue = NULL;
  if (napi_get_value_external(env, value, &queue) != napi_ok) throw_usage(env, "not a departure queue");
  return queue;
}

/* Reads the descriptors of an array and has the queue use them. Throws and returns false when it cannot. */
static bool use_sockets(napi_env env, struct departure_queue *queue, napi_value list) {
  uint32_t count = 0;
  napi_get_array_length(env, list, &count);
  int *sockets = calloc(count + 1, sizeof *sockets);
  for (uint32_t i = 0; sockets && i < count; i++) {
    napi_value each;
    napi_get_element(env, list, i, &each);
    sockets[i] = int_of(env, each);
  }
  const bool done = sockets && count > 0 && queue_use(queue, sockets, count);
  free(sockets);
  if (!done) throw_errno(env, ENOMEM, "malloc");
  return done;
}

/* openDepartures(sockets: number[], quantumMs: number, cardQueue?: string): DepartureHandle */
static napi_value open_departures(napi_env env, napi_callback_info info) {
  napi_value values[3], handle;
  char kind[8] = "";
  if (!arguments_of(env, info, 2, 3, values)) return NULL;
  napi_get_value_string_utf8(env, values[2], kind, sizeof kind, NULL);
  struct departure_queue *queue = queue_new(double_of(env, values[1]), transmit_clock(kind));
  if (!queue) return throw_errno(env, ENOMEM, "malloc");
  queue->env = env;
  const bool used = use_sockets(env, queue, values[0]);
  const int fault = used ? thread_add(queue) : 0;
  if (!used || fault) {
    queue->outlet_count = 0; /* the sockets stay the caller's */
    queue_close(queue);
    queue_free(queue);
    return fault ? throw_errno(env, fault, "pthread_create") : NULL;
  }
  queue->open = true;
  napi_add_env_cleanup_hook(env, ended, queue);
  napi_create_external(env, queue, collected, NULL, &handle);
  return handle;
}

/* pushDepartures(handle, chunk: ArrayBuffer, slots: number, first: number, end: number) */
static napi_value push_departures(napi_env env, napi_callback_info info) {
  napi_value values[5];
  void *chunk;
  size_t bytes;
  if (!arguments_of(env, info, 5, 5, values)) return NULL;
  struct departure_queue *queue = queue_of(env, values[0]);
  if (!queue || !queue->open) return NULL;
  if (napi_get_arraybuffer_info(env, values[1], &chunk, &bytes) != napi_ok) return throw_usage(env, "no chunk of memory");
  const int64_t slots = int_of(env, values[2]), first = int_of(env, values[3]), end = int_of(env, values[4]);
  if (slots < 1 || first < 0 || first >= end || end > slots || bytes / COLUMN_BYTES < (uint64_t)slots)
    return throw_usage(env, "no such datagrams");
  const size_t slot_bytes = bytes / (uint64_t)slots - COLUMN_BYTES;
  const struct run run = {chunk, (uint32_t)slots, (uint32_t)slot_bytes, (uint32_t)first, (uint32_t)end};
  const uint32_t *lengths = (const uint32_t *)((const double *)chunk + slots);
  for (int64_t slot = first; slot < end; slot++) {
    if (lengths[slot] > slot_bytes) return throw_usage(env, "a datagram longer than its slot");
  }
  if (!queue_push(queue, run)) return throw_errno(env, ENOMEM, "malloc");
  thread_tell(queue, ((const double *)chunk)[first]);
  return NULL;
}

/* departureCounters(handle, into: Float64Array) — see COUNTERS in native-departure.ts */
static napi_value departure_counters(napi_env env, napi_callback_info info) {
  napi_value values[2];
  void *data;
  if (!arguments_of(env, info, 2, 2, values)) return NULL;
  const struct departure_queue *queue = queue_of(env, values[0]);
  napi_get_typedarray_info(env, values[1], NULL, NULL, &data, NULL, NULL);
  if (!queue) return NULL;
  double *into = data;
  into[0] = (double)queue->sent;
  into[1] = (double)queue->sent_bytes;
  into[2] = (double)queue->failed;
  into[3] = queue->latest;
  into[4] = (double)queue->departed;
  into[5] = queue->pushed - queue->departed >= MOST_QUEUED_OF_QUEUE || all_queued >= MOST_QUEUED;
  return NULL;
}

/* departureRefusal(handle): string — the errno's name of the last send that failed */
static napi_value departure_refusal(napi_env env, napi_callback_info info) {
  napi_value handle, name;
  if (!arguments_of(env, info, 1, 1, &handle)) return NULL;
  const struct departure_queue *queue = queue_of(env, handle);
  if (!queue) return NULL;
  napi_create_string_utf8(env, errno_name(queue->refusal), NAPI_AUTO_LENGTH, &name);
  return name;
}

/* exchangeSockets(handle, sockets: number[]) */
static napi_value exchange_sockets(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments_of(env, info, 2, 2, values)) return NULL;
  struct departure_queue *queue = queue_of(env, values[0]);
  if (!queue || !queue->open) return throw_usage(env, "the queue is closed");
  pthread_mutex_lock(&departure_lock);
  use_sockets(env, queue, values[1]);
  pthread_mutex_unlock(&departure_lock);
  return NULL;
}

/* closeDepartures(handle) */
static napi_value close_departures(napi_env env, napi_callback_info info) {
  napi_value handle;
  if (!arguments_of(env, info, 1, 1, &handle)) return NULL;
  struct departure_queue *queue = queue_of(env, handle);
  if (queue) close_departure(queue);
  return NULL;
}

void export_departures(napi_env env, napi_value exports) {
  export_kernel_pacing(env, exports);
  export_function(env, exports, "openDepartures", open_departures);
  export_function(env, exports, "pushDepartures", push_departures);
  export_function(env, exports, "departureCounters", departure_counters);
  export_function(env, exports, "departureRefusal", departure_refusal);
  export_function(env, exports, "exchangeSockets", exchange_sockets);
  export_function(env, exports, "closeDepartures", close_departures);
}
