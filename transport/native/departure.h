/*
 * The sending half of the native engine: what its files share.
 *
 * JavaScript appends datagrams to a queue; one thread for all queues sends them from where they lie:
 *
 *     departure.c           what JavaScript calls
 *     departure-queue.c     what waits: one writer, one reader, no lock
 *     departure-schedule.c  which datagrams leave now (pure)
 *     departure-send.c      system calls: runs of equal datagrams, several messages at once
 *     departure-thread.c    sleeps until the next quantum and drives all queues
 *     kernel-pacing.c       transmit times for queues of cards that keep them
 *
 * All times are CLOCK_MONOTONIC in milliseconds.
 */
#ifndef LANCAST_DEPARTURE_H
#define LANCAST_DEPARTURE_H

#include "native.h"

#include <pthread.h>
#include <stdatomic.h>

/* No datagram of IPv4 is longer. What is longer still is refused here, as the kernel would. */
#define MOST_DATAGRAM_BYTES 65507
#define BLOCK_RUNS 64

/* Datagrams in neighbouring slots of a chunk. They are JavaScript's, which keeps them as they are until they have departed. */
struct run {
  const uint8_t *chunk; /* columns of due times and of lengths, then the slots: see wire/departure-chunk.ts */
  uint32_t slots, slot_bytes; /* of the chunk */
  uint32_t first, end;
};

struct block {
  _Atomic(struct block *) next; /* set once nothing more comes into this one */
  atomic_uint count;            /* runs that may be read */
  uint32_t written;             /* the writer's own */
  struct run runs[BLOCK_RUNS];
};

/* A place between two datagrams. */
struct cursor {
  struct block *block;
  uint32_t taken;  /* runs of the block */
  uint32_t passed; /* datagrams of the run that was taken last */
  struct run run;  /* which is a copy: the block is not looked at again for each datagram */
};

/* A datagram that waits. */
struct entry {
  double due_at;
  const uint8_t *bytes;
  uint32_t length;
};

/* The datagram behind `at`, which moves on to the next run where need be. Returns false at the end. */
bool entry_at(struct cursor *at, struct entry *entry);

/* Moves `at` over `count` datagrams that are there. */
void move_on(struct cursor *at, uint64_t count);

/* Has the cache fetch the datagrams behind `at`, about `count` of them, which may be soon wanted. */
void fetch(const struct cursor *at, uint32_t count);

/* When datagrams leave; the rule of departure-schedule.ts, on a grid that all queues share. */
struct schedule {
  double quantum;   /* 0: each datagram at its time */
  double span;      /* the quantum that is kept: shorter while datagrams are dense */
  int released;     /* of the present one */
  double opened_at; /* when the present quantum began */
  double until;     /* due times that belong to it */
  int extra;        /* datagrams it may still give out beyond `until` */
  double paced_at;  /* without a quantum: when the last one left, as late ones are spread */
  double last_due;
};

void schedule_init(struct schedule *schedule, double quantum);
/* When `schedule_opens` may next be true for a first datagram that is due at `due`. */
double schedule_wake_at(const struct schedule *schedule, double due);
/* The same for what follows a burst at `at`, which begins before a datagram that is due at `second`. */
double schedule_wake_after(const struct schedule *schedule, double at, double second);
/* Begins a burst at `now`; false when it is too soon. */
bool schedule_opens(struct schedule *schedule, double due, double now);
/* Whether the next datagram belongs to the burst that was begun at `now`. */
bool schedule_releases(struct schedule *schedule, double due, double now);

/* One destination's socket and how far it is. */
struct outlet {
  int fd;
  bool segments;        /* the kernel takes runs of datagrams here */
  struct cursor cursor; /* behind what it has sent or given up */
  uint64_t done;        /* datagrams up to there */
  double blocked_since; /* no room in the send buffer; 0: there is */
};

struct departure_queue {
  struct departure_queue *next; /* of the open ones */
  napi_env env;
  bool open;
  clockid_t clock; /* of transmit times; NO_TRANSMIT_CLOCK: none are given */
  double ahead;    /* how long before its time a datagram is given to the kernel that keeps it */

  /* JavaScript's side. */
  struct block *tail;
  uint64_t pushed;

  /* The thread's, or of whoever holds `departure_lock`. */
  struct schedule schedule;
  struct block *head;      /* the oldest one that is not free */
  struct cursor released;  /* behind what the schedule has given out */
  uint64_t released_count; /* datagrams up to there */
  struct outlet *outlets;
  uint32_t outlet_count;

  /* Read by JavaScript at any time. */
  _Atomic uint64_t sent, sent_bytes, failed, departed;
  _Atomic double latest;
  atomic_int refusal; /* errno of the last send that failed */
};

/* Held by the thread while it sends, and by JavaScript while it opens, closes or exchanges sockets. */
extern pthread_mutex_t departure_lock;

/* Datagrams that wait in all queues. */
extern _Atomic uint64_t all_queued;

/* A queue without outlets; NULL without memory. `clock`: see struct departure_queue. */
struct departure_queue *queue_new(double quantum, clockid_t clock);
void queue_free(struct departure_queue *queue);
/* Appends datagrams; false without memory. JavaScript's side. */
bool queue_push(struct departure_queue *queue, struct run run);
/* Takes over `count` sockets, which begin where the queue is; those there were are closed. False without memory. */
bool queue_use(struct departure_queue *queue, const int *sockets, uint32_t count);
/* Drops the datagrams and closes the sockets. */
void queue_close(struct departure_queue *queue);
/* Lets go of what all outlets have behind them. */
void queue_reclaim(struct departure_queue *queue);

/* Sends what the schedule has given out. Returns when to come back for what the kernel had no room for, else INFINITY. */
double send_released(struct departure_queue *queue, double now);

/* What the kernel is told beside a message. */
struct control {
  int level, type;
  const void *value;
  size_t size;
};
/* Writes it into `control`, which has room for 8 bytes of value. */
void set_control(struct msghdr *message, uint8_t *control, struct control what);

/* The kernel keeps no times. */
#define NO_TRANSMIT_CLOCK ((clockid_t)-1)
/* The clock of transmit times for a kind of queue, such as "fq". */
clockid_t transmit_clock(const char *kind);
/* Says when the message shall leave. `control` has room for 8 bytes. */
void stamp_message(struct msghdr *message, uint8_t *control, clockid_t clock, double due);
void export_kernel_pacing(napi_env env, napi_value exports);

/* Drives `queue` from now on; starts the thread for the first one. Returns 0 or an errno. */
int thread_add(struct departure_queue *queue);
/* No longer drives it; ends the thread with the last one. */
void thread_remove(struct departure_queue *queue);
/* Tells the thread that a datagram was pushed that is due at `due_at`. */
void thread_tell(const struct departure_queue *queue, double due_at);

#endif
