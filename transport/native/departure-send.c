/*
 * Sends what is due with as few system calls as there can be.
 *
 * Datagrams of equal length that follow each other leave as one message that the kernel cuts up again (UDP_SEGMENT, since
 * Linux 4.18), and messages leave together by sendmmsg(2). Where the kernel knows neither, each datagram leaves alone.
 */
#include "departure.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* What the kernel cuts one message into, at most. */
#define MOST_SEGMENTS 64
/* Messages a system call. */
#define MOST_MESSAGES 16
/* Parts of a message: a run of datagrams may lie in so many pieces of memory. */
#define MOST_PARTS 3
/* How soon a full send buffer is tried again, and how long until what was due is given up. */
#define RETRY_MS 1
#define PATIENCE_MS 100

/* Messages on their way to one socket. */
struct batch {
  unsigned count;
  struct mmsghdr messages[MOST_MESSAGES];
  struct iovec parts[MOST_MESSAGES][MOST_PARTS];
  uint32_t datagrams[MOST_MESSAGES];
  uint32_t bytes[MOST_MESSAGES];
  _Alignas(struct cmsghdr) uint8_t control[MOST_MESSAGES][CMSG_SPACE(sizeof(uint64_t))];
};

/* The thread's alone. */
static struct batch batch;
static bool one_by_one; /* the kernel knows no sendmmsg(2) */

/* Appends the datagram to the parts of a message; false when there are too many parts. */
static bool add_part(struct msghdr *message, const struct entry *entry) {
  struct iovec *last = message->msg_iovlen > 0 ? &message->msg_iov[message->msg_iovlen - 1] : NULL;
  if (last && (uint8_t *)last->iov_base + last->iov_len == entry->bytes) last->iov_len += entry->length;
  else if (message->msg_iovlen == MOST_PARTS) return false;
  else message->msg_iov[message->msg_iovlen++] = (struct iovec){(uint8_t *)entry->bytes, entry->length};
  return true;
}

void set_control(struct msghdr *message, uint8_t *control, struct control what) {
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(what.size);
  struct cmsghdr *part = CMSG_FIRSTHDR(message);
  part->cmsg_level = what.level;
  part->cmsg_type = what.type;
  part->cmsg_len = CMSG_LEN(what.size);
  memcpy(CMSG_DATA(part), what.value, what.size);
}

/* Says that the kernel shall cut the message into datagrams of `length` bytes. */
static void cut_up(struct msghdr *message, uint8_t *control, uint16_t length) {
  set_control(message, control, (struct control){SOL_UDP, UDP_SEGMENT, &length, sizeof length});
}

/* Makes message `i` of what follows `at`: one datagram, or at most `most` that are equal in length, the last at most. */
static void add_message(unsigned i, struct cursor *at, uint64_t most) {
  struct msghdr *message = &batch.messages[i].msg_hdr;
  struct entry entry;
  if (!entry_at(at, &entry)) return;
  const uint32_t length = entry.length;
  *message = (struct msghdr){.msg_iov = batch.parts[i]};
  batch.datagrams[i] = batch.bytes[i] = 0;
  while (add_part(message, &entry)) {
    at->passed++;
    batch.datagrams[i]++;
    batch.bytes[i] += entry.length;
    if (batch.datagrams[i] == most || entry.length < length || !entry_at(at, &entry)) break;
    if (entry.length == 0 || entry.length > length || batch.bytes[i] + entry.length > MOST_DATAGRAM_BYTES) break;
  }
  if (batch.datagrams[i] > 1) cut_up(message, batch.control[i], (uint16_t)length);
}

/* Makes messages of what was given out and `outlet` has not sent. None when the first one cannot be a message at all. */
static void fill(const struct departure_queue *queue, const struct outlet *outlet) {
  const bool alone = !outlet->segments || queue->clock != NO_TRANSMIT_CLOCK;
  uint64_t rest = queue->released_count - outlet->done;
  struct cursor at = outlet->cursor;
  for (batch.count = 0; batch.count < MOST_MESSAGES && rest > 0; batch.count++) {
    struct entry first;
    if (!entry_at(&at, &first) || first.length > MOST_DATAGRAM_BYTES) return;
    add_message(batch.count, &at, alone ? 1 : rest < MOST_SEGMENTS ? rest : MOST_SEGMENTS);
    if (queue->clock != NO_TRANSMIT_CLOCK)
      stamp_message(&batch.messages[batch.count].msg_hdr, batch.control[batch.count], queue->clock, first.due_at);
    rest -= batch.datagrams[batch.count];
  }
}

/* Returns how many messages the kernel took; -1 with errno when it refused the first. */
static int transmit(int fd) {
  if (batch.count > 1 && !one_by_one) {
    const int taken = sendmmsg(fd, batch.messages, batch.count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0 || errno != ENOSYS) return taken;
    one_by_one = true;
  }
  return sendmsg(fd, &batch.messages[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 1 : -1;
}

static void pass(struct outlet *outlet, uint64_t datagrams) {
  move_on(&outlet->cursor, datagrams);
  outlet->done += datagrams;
}

static void account(struct departure_queue *queue, struct outlet *outlet, unsigned messages, double now) {
  outlet->blocked_since = 0;
  for (unsigned i = 0; i < messages; i++) {
    struct entry first;
    if (entry_at(&outlet->cursor, &first) && now - first.due_at > queue->latest) queue->latest = now - first.due_at;
    queue->sent += batch.datagrams[i];
    queue->sent_bytes += batch.bytes[i];
    pass(outlet, batch.datagrams[i]);
  }
}

static void give_up(struct departure_queue *queue, struct outlet *outlet, uint64_t datagrams, int fault) {
  queue->refusal = fault;
  queue->failed += datagrams;
  pass(outlet, datagrams);
}

/* Deals with what the kernel says of the first message. Returns false when the rest has to wait. */
static bool refused(struct departure_queue *queue, struct outlet *outlet, int fault, double now) {
  switch (fault) {
    case EINTR:
      return true;
    case EAGAIN:
    case ENOBUFS:
      if (outlet->blocked_since == 0) outlet->blocked_since = now;
      if (now - outlet->blocked_since < PATIENCE_MS) return false;
      give_up(queue, outlet, queue->released_count - outlet->done, fault);
      return true;
    case EINVAL:
    case EIO:
    case EMSGSIZE:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
      /* Perhaps no datagram is at fault but the run: no UDP_SEGMENT here, or its pieces are larger than the path takes. */
      if (batch.datagrams[0] > 1) {
        outlet->segments = false;
        return true;
      }
  }
  give_up(queue, outlet, batch.datagrams[0], fault);
  return true;
}

/* Returns false when the kernel has no room for the rest. */
static bool send_by(struct departure_queue *queue, struct outlet *outlet, double now) {
  while (outlet->done < queue->released_count) {
    fill(queue, outlet);
    if (batch.count == 0) {
      give_up(queue, outlet, 1, EMSGSIZE);
      continue;
    }
    const int taken = transmit(outlet->fd);
    if (taken > 0) account(queue, outlet, (unsigned)taken, now);
    else if (!refused(queue, outlet, errno, now)) return false;
  }
  return true;
}

double send_released(struct departure_queue *queue, double now) {
  double again = INFINITY;
  for (uint32_t i = 0; i < queue->outlet_count; i++) {
    if (!send_by(queue, &queue->outlets[i], now)) again = now + RETRY_MS;
  }
  queue_reclaim(queue);
  return again;
}
