/* The one thread that sends: it sleeps until the next quantum of any queue and drives all that are due. */
#include "departure.h"
#include "urgency.h"

#include <linux/futex.h>
#include <math.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
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

/* When to wake up, and when presumably after that. */
struct plan {
  double at, then;
};
static const struct plan NEVER = {INFINITY, INFINITY};

/*
 * What costs most of a short sleep is to set the hardware's timer: 10 us and more in a virtual machine. It is set to the next of all
 * timers when one has gone off, and again for each that is to go off sooner: the kernel's tick, which begins anew whenever the
 * processor has something to do, and our next wake-up. Unless that is known by then, from a timer that nobody waits for. There are
 * two of these, by turns: the one that is set has gone off, since to move the next timer of all would again set the hardware's.
 */
static int pilots[2];
/* Wake-ups farther apart than this come behind the kernel's tick, and gain nothing. */
#define PILOT_MS 4

static struct timespec timespec_of(double at) {
  return (struct timespec){.tv_sec = (time_t)(at / 1e3), .tv_nsec = (long)(fmod(at, 1e3) * 1e6)};
}

static void open_pilots(void) {
  for (int i = 0; i < 2; i++) pilots[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static void close_pilots(void) {
  /* By its number: the sanitizer of threads does not know that timerfd_create(2) opens, and would take these for somebody else's. */
  for (int i = 0; i < 2; i++) syscall(SYS_close, pilots[i]);
}

static void set_pilot(struct plan plan) {
  static unsigned turn;
  if (!(plan.then < plan.at + PILOT_MS)) return;
  const struct itimerspec then = {.it_value = timespec_of(plan.then)};
  timerfd_settime(pilots[turn++ % 2], TFD_TIMER_ABSTIME, &then, NULL);
}

static void ring(void) {
  bell++;
  syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Sleeps until `at`, or until the bell is no longer as it was heard. */
static void sleep_until(double at, unsigned heard) {
  const struct timespec until = timespec_of(at);
  syscall(SYS_futex, &bell, FUTEX_WAIT_BITSET_PRIVATE, heard, at < INFINITY ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* The plan of two. */
static struct plan both(struct plan one, struct plan other) {
  const double at = fmin(one.at, other.at);
  return (struct plan){at, fmin(one.at > at ? one.at : one.then, other.at > at ? other.at : other.then)};
}

/* When a queue wants to be driven whose next datagram is `entry`. */
static struct plan plan_of(const struct departure_queue *queue, const struct entry *entry) {
  const double at = schedule_wake_at(&queue->schedule, entry->due_at - queue->ahead);
  struct cursor next = queue->released;
  struct entry second;
  next.passed++;
  const bool soon = queue->schedule.span < PILOT_MS && entry_at(&next, &second);
  return (struct plan){at, soon ? schedule_wake_after(&queue->schedule, at, second.due_at - queue->ahead) : INFINITY};
}

/* Sends what is due of one queue. Returns when it wants to be driven again. */
static struct plan drive(struct departure_queue *queue) {
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
  return both(more ? plan_of(queue, &entry) : NEVER, (struct plan){again, INFINITY});
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
  open_pilots();
  for (;;) {
    const unsigned heard = bell;
    struct plan plan = NEVER;
    armed_for = INFINITY; /* whatever is pushed from here on rings, until it is known when to wake up */
    pthread_mutex_lock(&departure_lock);
    const bool over = stopping;
    for (struct departure_queue *queue = queues; queue && !over; queue = queue->next) {
      fetch_next(queue);
      plan = both(plan, drive(queue));
    }
    pthread_mutex_unlock(&departure_lock);
    if (over) break;
    armed_for = plan.at;
    set_pilot(plan);
    sleep_until(plan.at, heard);
  }
  close_pilots();
  return unused;
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
