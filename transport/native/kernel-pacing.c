/*
 * Leaves the last millisecond to the kernel: a datagram bears the time at which it shall leave (SO_TXTIME), and the card's
 * queue keeps it until then where that is of the kind `fq` (tc-fq(8), CLOCK_MONOTONIC) or `etf` (tc-etf(8), CLOCK_TAI).
 */
#include "departure.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <math.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

/* Not in the C library's headers of older systems; values of the Linux kernel. */
#ifndef SO_TXTIME
#define SO_TXTIME 61
#endif

/* `etf` drops what comes later than this before its time. */
#define ETF_AHEAD_MS 0.5

/* struct sock_txtime of linux/net_tstamp.h */
struct transmit_times {
  clockid_t clock;
  uint32_t flags;
};

/* The kind of queue that one message of the kernel tells of; NULL when it is another card's. */
static const char *kind_of(const struct nlmsghdr *message, int card) {
  const struct tcmsg *queue = NLMSG_DATA(message);
  if (message->nlmsg_type != RTM_NEWQDISC || queue->tcm_ifindex != card) return NULL;
  int rest = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof *queue));
  for (struct rtattr *part = TCA_RTA(queue); RTA_OK(part, rest); part = RTA_NEXT(part, rest)) {
    if (part->rta_type == TCA_KIND) return RTA_DATA(part);
  }
  return NULL;
}

static bool keeps_times(const char *kind) {
  return strcmp(kind, "fq") == 0 || strcmp(kind, "etf") == 0;
}

/* Reads all queues of the card into `kind`: one that keeps times, else the first. Empty when the kernel does not tell. */
static void find_kind(int netlink, int card, char *kind, size_t size) {
  struct {
    struct nlmsghdr head;
    struct tcmsg body;
  } ask = {{.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETQDISC, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}, {.tcm_family = AF_UNSPEC}};
  _Alignas(struct nlmsghdr) char answer[16384];
  if (send(netlink, &ask, sizeof ask, 0) < 0) return;
  for (;;) {
    ssize_t length = recv(netlink, answer, sizeof answer, 0);
    if (length <= 0) return;
    for (struct nlmsghdr *message = (void *)answer; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return;
      const char *found = kind_of(message, card);
      if (found && (!kind[0] || keeps_times(found))) strncpy(kind, found, size - 1);
      if (found && keeps_times(found)) return;
    }
  }
}

/* cardQueue(card: string): string — the kind of its queue; "fq" or "etf" when any of several is */
static napi_value card_queue(napi_env env, napi_callback_info info) {
  napi_value card, answer;
  char name[IF_NAMESIZE] = "", kind[32] = "";
  const struct timeval patience = {.tv_sec = 1};
  if (!arguments_of(env, info, 1, 1, &card)) return NULL;
  napi_get_value_string_utf8(env, card, name, sizeof name, NULL);
  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink >= 0) {
    setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    find_kind(netlink, (int)if_nametoindex(name), kind, sizeof kind);
    close(netlink);
  }
  napi_create_string_utf8(env, kind, NAPI_AUTO_LENGTH, &answer);
  return answer;
}

/* allowTransmitTimes(socket: number, queue: "fq" | "etf") */
static napi_value allow_transmit_times(napi_env env, napi_callback_info info) {
  napi_value values[2];
  char kind[8] = "";
  if (!arguments_of(env, info, 2, 2, values)) return NULL;
  napi_get_value_string_utf8(env, values[1], kind, sizeof kind, NULL);
  const struct transmit_times times = {.clock = transmit_clock(kind)};
  if (setsockopt(int_of(env, values[0]), SOL_SOCKET, SO_TXTIME, &times, sizeof times) == 0) return NULL;
  return throw_errno(env, errno, "setsockopt");
}

clockid_t transmit_clock(const char *kind) {
  if (strcmp(kind, "fq") == 0) return CLOCK_MONOTONIC;
  return strcmp(kind, "etf") == 0 ? CLOCK_TAI : NO_TRANSMIT_CLOCK;
}

void stamp_message(struct msghdr *message, uint8_t *control, clockid_t clock, double due) {
  struct timespec tai;
  double offset = 0;
  if (clock == CLOCK_TAI) {
    const double now = monotonic_ms();
    clock_gettime(clock, &tai);
    offset = (double)tai.tv_sec * 1e3 + (double)tai.tv_nsec / 1e6 - now;
    due = fmax(due, now + ETF_AHEAD_MS);
  }
  const uint64_t at = (uint64_t)(fmax(0, due + offset) * 1e6);
  set_control(message, control, (struct control){SOL_SOCKET, SO_TXTIME, &at, sizeof at});
}

void export_kernel_pacing(napi_env env, napi_value exports) {
  export_function(env, exports, "cardQueue", card_queue);
  export_function(env, exports, "allowTransmitTimes", allow_transmit_times);
}
