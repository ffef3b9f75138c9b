/* SCHED_FIFO or a short slice for the calling thread (sched(7), sched_setattr(2)). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "urgency.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Low: above all that is ordinary, below what the system itself runs so. */
#define PRIORITY 5
/* A thread with a short slice goes before those with the ordinary one of 3 ms; the kernel's least. */
#define SLICE_NS 100000

/* Not in the C library's headers of older systems; the first version of linux/sched/types.h. */
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

void run_promptly(void) {
  prctl(PR_SET_TIMERSLACK, 1);
  const struct sched_param fifo = {.sched_priority = PRIORITY};
  if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo) == 0) return;
#ifdef SYS_sched_setattr
  const int nice = getpriority(PRIO_PROCESS, 0); /* as it is: a process that was made nice may not become less so */
  struct scheduling slice = {.size = sizeof slice, .policy = SCHED_OTHER, .nice = nice, .runtime = SLICE_NS};
  syscall(SYS_sched_setattr, 0, &slice, 0);
#endif
}
