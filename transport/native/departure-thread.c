/* The one thread that sends: it sleeps until the next quantum of any queue and drives all that are due. */
#include "departure.h"
#include "urgency.h"

#include <linux/futex.h>
#include <math.h>
#include <sys/syscall.h>
#include <unistd.h>

pthread_mutex_t departure_lock = PTHREAD_MUTEX_INITIALIZER;
static struct departure_queue *queues; /* under the lock, as is `stopping` */
static bool stopping;
static pthread_t thread;
/* Held while the thread is started or ended: workers may open and close queues at the same time. */
static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;

/* The thread sleeps until `armed_for` or until `bell` changes. */
static _Atomic double armed_for;
static atomic_uint bell;

static void ring(void) {
  bell++;
  syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Sleeps until `at`, or until the bell is no longer as it was heard. */
static void sleep_until(double at, unsigned heard) {
  struct timespec until = {.tv_sec = (time_t)(at / 1e3), .tv_nsec = (long)(fmod(at, 1e3) * 1e6)};
  syscall(SYS_futex, &bell, FUTEX_WAIT_BITSET_PRIVATE, heard, at < INFINITY ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Sends what is due of one queue. Returns when it wants to be driven again. */
static double drive(struct departure_queue *queue) {
  const double now = monotonic_ms();
  struct entry entry;
  bool more = entry_at(&queue->released, &entry);
  if (more && schedule_opens(&queue->schedule, entry.due_at - queue->ahead, now)) {
    while (more && schedule_releases(&queue->schedule, entry.due_at - queue->ahead, now)) {
      queue->released.passed++;
      queue->released_count++;
      more = entry_at(&queue->released, &entry);
    }
  }
  const double again = send_released(queue, now);
  return more ? fmin(again, schedule_wake_at(&queue->schedule, entry.due_at - queue->ahead)) : again;
}

/*
 * Has the cache fetch what will be sent next: all queues together are larger than it is, and this goes on beside what the kernel does
 * for the queue before.
 */
static void fetch_next(const struct departure_queue *queue) {
  if (!queue->next) return;
  fetch(&queue->next->released, (uint32_t)queue->next->schedule.released);
  if (queue->next->next) __builtin_prefetch(queue->next->next);
}

static void *run(void *unused) {
  run_promptly();
  for (;;) {
    const unsigned heard = bell;
    double wake_at = INFINITY;
    armed_for = INFINITY; /* whatever is pushed from here on rings, until it is known when to wake up */
    pthread_mutex_lock(&departure_lock);
    const bool over = stopping;
    for (struct departure_queue *queue = queues; queue && !over; queue = queue->next) {
      fetch_next(queue);
      wake_at = fmin(wake_at, drive(queue));
    }
    pthread_mutex_unlock(&departure_lock);
    if (over) return unused;
    armed_for = wake_at;
    sleep_until(wake_at, heard);
  }
}

int thread_add(struct departure_queue *queue) {
  pthread_mutex_lock(&life_lock);
  pthread_mutex_lock(&departure_lock);
  const bool first = !queues;
  queue->next = queues;
  queues = queue;
  stopping = false;
  pthread_mutex_unlock(&departure_lock);
  const int fault = first ? pthread_create(&thread, NULL, run, NULL) : 0;
  if (fault) queues = NULL;
  else if (first) pthread_setname_np(thread, "lancast-send");
  pthread_mutex_unlock(&life_lock);
  return fault;
}

void thread_remove(struct departure_queue *queue) {
  pthread_mutex_lock(&life_lock);
  pthread_mutex_lock(&departure_lock);
  struct departure_queue **link = &queues;
  while (*link != queue) link = &(*link)->next;
  *link = queue->next;
  const bool last = !queues;
  stopping = last;
  pthread_mutex_unlock(&departure_lock);
  if (last) {
    ring();
    pthread_join(thread, NULL);
  }
  pthread_mutex_unlock(&life_lock);
}

void thread_tell(const struct departure_queue *queue, double due_at) {
  if (due_at - queue->ahead - queue->schedule.quantum / 2 < armed_for) ring();
}
