/*
 * Reads the sockets: recvmmsg into a scratch, UDP GRO taken apart, the kernel's time stamps brought to our clock.
 *
 * A kernel that lacks one of these is asked for less: without SO_TIMESTAMPNS the time of reading counts, without UDP_GRO
 * datagrams come one by one, without recvmmsg each takes a call of its own.
 */
#include "arrival.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* The most that UDP has, as one datagram or, by offload, as several. */
#define MESSAGE_BYTES 65536
/* Not a multiple of the cache's ways, or short datagrams would all want the same places of it. */
#define MESSAGE_STRIDE (MESSAGE_BYTES + 1536)
#define CONTROL_BYTES 128
#define EVENTS 64
/* Of one socket before it is another one's turn. */
#define ROUNDS 4
/* What the kernel needs beside each datagram's bytes: 2304 in all for one of 1328. */
#define OVERHEAD_BYTES 1024
/* Waiting too long once forbids it for so long. */
#define CAUTION_MS 1000
#define COUNTING_MS 100
/* A little more than one in 5 ms: from here on sleeping saves wake-ups. */
#define BUSY_MESSAGES 25

#ifndef SO_TIMESTAMPNS
#define SO_TIMESTAMPNS 35
#endif
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif

struct batch {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  union address from[BATCH];
  _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_BYTES];
  bool one_by_one; /* the kernel has no recvmmsg */
  double wall_offset_ms;
  double now;
  uint8_t scratch[BATCH][MESSAGE_STRIDE];
};

/* As the kernel wants to find it: it writes down how much it has used. */
static void make_ready(struct batch *batch, int index) {
  batch->messages[index].msg_hdr = (struct msghdr){.msg_name = &batch->from[index],
                                                   .msg_namelen = sizeof batch->from[index],
                                                   .msg_iov = &batch->vectors[index],
                                                   .msg_iovlen = 1,
                                                   .msg_control = batch->control[index],
                                                   .msg_controllen = CONTROL_BYTES};
}

struct batch *open_batch(void) {
  struct batch *batch = calloc(1, sizeof *batch);
  for (int i = 0; batch && i < BATCH; i++) {
    batch->vectors[i] = (struct iovec){.iov_base = batch->scratch[i], .iov_len = MESSAGE_BYTES};
    make_ready(batch, i);
  }
  return batch;
}

void expect_arrivals(struct arrival_socket *socket) {
  const int on = 1;
  int granted = 0;
  socklen_t length = sizeof granted;
  setsockopt(socket->fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  setsockopt(socket->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(socket->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &granted, &length);
  socket->fair_share = (size_t)granted / 4;
}

static void sample_clocks(struct batch *batch) {
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  batch->now = monotonic_ms();
  batch->wall_offset_ms = batch->now - ((double)wall.tv_sec * 1e3 + (double)wall.tv_nsec / 1e6);
}

/* What comes beside the bytes of a message. */
struct beside {
  uint32_t segment; /* 0: it is one datagram */
  double stamped_at; /* monotonic; the time of reading where the kernel gives no stamp */
};

static struct beside read_control(const struct batch *batch, struct arrival_socket *socket, struct msghdr *header) {
  struct beside beside = {.stamped_at = batch->now};
  for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each; each = CMSG_NXTHDR(header, each)) {
    if (each->cmsg_level == SOL_UDP && each->cmsg_type == UDP_GRO) {
      int bytes;
      memcpy(&bytes, CMSG_DATA(each), sizeof bytes);
      beside.segment = bytes > 0 ? (uint32_t)bytes : 0;
    } else if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS &&
               each->cmsg_len == CMSG_LEN(sizeof(struct timespec))) {
      struct timespec at;
      memcpy(&at, CMSG_DATA(each), sizeof at);
      beside.stamped_at = (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6 + batch->wall_offset_ms;
    } else if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_RXQ_OVFL) {
      uint32_t drops;
      memcpy(&drops, CMSG_DATA(each), sizeof drops);
      atomic_store_explicit(&socket->drops, drops, memory_order_relaxed);
    }
  }
  return beside;
}

/* Remembers how full the buffer would have become by now, had nobody looked for 20 ms, 10 ms … */
static void weigh(struct arrivals *arrivals, struct arrival_socket *socket, double at, size_t charge) {
  double span = LONGEST_WAIT_MS;
  for (int level = 0; level < LEVELS; level++, span /= 2) {
    struct window *window = &socket->windows[level];
    if (at - window->since >= span) *window = (struct window){.since = at};
    window->charge += charge;
    if (window->charge > socket->fair_share) arrivals->too_long_until[level] = arrivals->batch->now + CAUTION_MS;
  }
}

/* The first eight bytes are family, port and, of IPv4, the address: nothing else counts there. */
static bool same_source(const union address *a, const union address *b) {
  if (memcmp(a, b, 8) != 0) return false;
  return a->any.sa_family != AF_INET6 || memcmp(&a->six, &b->six, sizeof a->six) == 0;
}

/* Takes one message apart. */
static void take(struct arrivals *arrivals, struct arrival_socket *socket, int index) {
  struct batch *batch = arrivals->batch;
  const uint32_t length = batch->messages[index].msg_len;
  const struct beside beside = read_control(batch, socket, &batch->messages[index].msg_hdr);
  const uint32_t segment = beside.segment ? beside.segment : length;
  double at = beside.stamped_at;
  /* The wall clock may have been set between the stamp and our reading: it arrived after we looked last, and before now. */
  if (at > batch->now) at = batch->now;
  if (at < socket->floor_ms) at = socket->floor_ms;
  socket->floor_ms = at;
  if (!same_source(&batch->from[index], &socket->from)) {
    socket->from = batch->from[index];
    socket->source++;
  }
  make_ready(batch, index);
  struct datagram datagram = {.bytes = batch->scratch[index], .socket = socket->number, .source = socket->source, .arrived_at = at, .from = &socket->from};
  uint32_t datagrams = 0, left = length;
  do {
    datagram.length = left < segment ? left : segment;
    append(&arrivals->memory, &datagram);
    datagram.bytes += datagram.length;
    left -= datagram.length;
    datagrams++;
  } while (left > 0);
  weigh(arrivals, socket, at, (size_t)length + (size_t)datagrams * OVERHEAD_BYTES);
}

/* Up to `most` messages into the scratch. Returns how many, or -1 with errno. */
static int receive(struct batch *batch, int fd, int most) {
  if (!batch->one_by_one) {
    const int count = recvmmsg(fd, batch->messages, (unsigned)most, MSG_DONTWAIT, NULL);
    if (count >= 0 || errno != ENOSYS) return count;
    batch->one_by_one = true;
  }
  const ssize_t length = recvmsg(fd, &batch->messages[0].msg_hdr, MSG_DONTWAIT);
  batch->messages[0].msg_len = length < 0 ? 0 : (unsigned)length;
  return length < 0 ? -1 : 1;
}

static enum reading read_socket(struct arrivals *arrivals, struct arrival_socket *socket) {
  enum reading reading = READ_NOTHING;
  for (int round = 0; round < ROUNDS; round++) {
    const int most = (int)room_for(&arrivals->memory, BATCH);
    if (most == 0) return READ_FULL;
    const int count = receive(arrivals->batch, socket->fd, most);
    if (count > 0) {
      reading = READ_SOME;
      sample_clocks(arrivals->batch);
    }
    for (int i = 0; i < count; i++) take(arrivals, socket, i);
    if (count > 0) arrivals->messages += (uint32_t)count;
    /* What an earlier datagram brought back (ECONNREFUSED …) is over once it was read; should it last, look only now and then. */
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      arrivals->busy = true;
      return READ_SOME;
    }
    if (count < most && !(arrivals->batch->one_by_one && count == 1)) {
      socket->floor_ms = arrivals->batch->now;
      return reading;
    }
  }
  return READ_MORE;
}

static void count_messages(struct arrivals *arrivals) {
  if (arrivals->messages >= BUSY_MESSAGES) arrivals->busy = true;
  if (arrivals->batch->now - arrivals->counting_since < COUNTING_MS) return;
  arrivals->busy = arrivals->messages >= BUSY_MESSAGES;
  arrivals->messages = 0;
  arrivals->counting_since = arrivals->batch->now;
}

static bool is_older(const struct arrival_socket *a, const struct arrival_socket *b) {
  return !a || (b && a->number < b->number); /* the stopper is no socket */
}

/* What was opened first is read first: media before what repairs it. The kernel turns them round each time. */
static void sort_by_age(struct epoll_event *events, int count) {
  for (int i = 1; i < count; i++) {
    const struct epoll_event event = events[i];
    int at = i;
    for (; at > 0 && is_older(event.data.ptr, events[at - 1].data.ptr); at--) events[at] = events[at - 1];
    events[at] = event;
  }
}

enum reading read_sockets(struct arrivals *arrivals) {
  struct epoll_event events[EVENTS];
  enum reading all = READ_NOTHING;
  sample_clocks(arrivals->batch);
  const int count = epoll_wait(arrivals->epoll, events, EVENTS, 0);
  sort_by_age(events, count);
  for (int i = 0; i < count; i++) {
    if (!events[i].data.ptr) continue; /* the stopper */
    const enum reading one = read_socket(arrivals, events[i].data.ptr);
    if (one > all) all = one;
  }
  count_messages(arrivals);
  arrivals->unannounced = arrivals->unannounced || all >= READ_SOME;
  if (all == READ_FULL && !arrivals->full) atomic_fetch_add(&arrivals->overruns, 1);
  /* It is over when half of the memory is free again. */
  arrivals->full = all == READ_FULL || (arrivals->full && arrivals->memory.free_count < MOST_CHUNKS / 2);
  return all != READ_FULL && count == EVENTS ? READ_MORE : all;
}
