/*
 * Measures how evenly a transport stream arrives, from the kernel's receive time stamps.
 *
 *   capture GROUP PORT INTERFACE_ADDRESS SECONDS IDLE_MS [DATAGRAMS]
 *
 * Joins GROUP, takes datagrams (bare TS, RTP or a 4-byte header) until SECONDS have passed, as many DATAGRAMS have come or,
 * after the first one, IDLE_MS of silence, and prints one line of JSON:
 *
 *   datagrams, bytes, seconds
 *   first     when the first one came, seconds since 1970
 *   ttl, tos  of the last one
 *   burst     most datagrams in a row that came less than 20 us apart
 *   missing   RTP sequence numbers that were left out between the first and the last; absent without RTP
 *   line*Us   how far each datagram came from the straight line through all of them: percentiles of the amount.
 *             Means something for a constant bit rate only.
 *   pcr*Us    how far each PCR came from the straight line of the programme clock. A PCR inside a datagram is taken to
 *             come as much later as its place asks for, so that datagrams cost no error of their own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST = 4000000, BATCH = 64, ROOM = 2048, PACKET = 188 };

struct arrival {
  int64_t at;  /* ns, CLOCK_REALTIME */
  int64_t pcr; /* 27 MHz, -1 without */
  int length, pcr_offset;
  int sequence; /* of RTP, -1 without */
};

static struct arrival arrivals[MOST];
static size_t count;
static int ttl = -1, tos = -1;

static int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(const char *group, const char *port, const char *interface) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, buffer = 64 << 20;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  struct ip_mreq join;
  struct timeval patience = {0, 50000};
  inet_aton(group, &address.sin_addr);
  join.imr_multiaddr = address.sin_addr;
  inet_aton(interface, &join.imr_interface);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
  setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join)) fail("join");
  return fd;
}

/* Where the first TS packet begins: after nothing, a sequence header or an RTP header. */
static int payload_start(const uint8_t *data, int length) {
  for (int start = 0; start <= 12; start += 4) {
    int second = start + PACKET;
    if (start < length && data[start] == 0x47 && (second >= length || data[second] == 0x47)) return start;
  }
  return -1;
}

static void note(struct arrival *arrival, const uint8_t *data, int length) {
  int start = payload_start(data, length);
  arrival->length = length;
  arrival->pcr = -1;
  arrival->sequence = start == 12 ? data[2] << 8 | data[3] : -1;
  if (start < 0) return;
  for (int at = start; at + PACKET <= length; at += PACKET) {
    const uint8_t *p = data + at;
    int has_pcr = (p[3] & 0x20) && p[4] >= 7 && (p[5] & 0x10);
    if (!has_pcr) continue;
    int64_t base = ((int64_t)p[6] << 25) | (p[7] << 17) | (p[8] << 9) | (p[9] << 1) | (p[10] >> 7);
    arrival->pcr = base * 300 + ((p[10] & 1) << 8 | p[11]);
    arrival->pcr_offset = at - start;
    return;
  }
}

/* The kernel's time stamp; notes TTL and type of service on the way. */
static int64_t stamp_of(struct msghdr *message) {
  struct timespec stamp = {0, 0};
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level == SOL_SOCKET) memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    if (part->cmsg_level != IPPROTO_IP) continue;
    if (part->cmsg_type == IP_TTL) memcpy(&ttl, CMSG_DATA(part), sizeof ttl);
    if (part->cmsg_type == IP_TOS) tos = *CMSG_DATA(part);
  }
  return stamp.tv_sec * 1000000000ll + stamp.tv_nsec;
}

static void receive(int fd, double seconds, double idle_ms, size_t most) {
  static uint8_t data[BATCH][ROOM];
  static uint8_t control[BATCH][128];
  static struct mmsghdr messages[BATCH];
  static struct iovec parts[BATCH];
  int64_t end = monotonic_ns() + (int64_t)(seconds * 1e9), last = 0;
  for (int64_t now = monotonic_ns(); now < end && count < most; now = monotonic_ns()) {
    if (count > 0 && now - last > (int64_t)(idle_ms * 1e6)) return;
    for (int i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){data[i], ROOM};
      messages[i].msg_hdr = (struct msghdr){
          .msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (got > 0) last = monotonic_ns();
    for (int i = 0; i < got && count < most; i++) {
      struct arrival *arrival = &arrivals[count++];
      arrival->at = stamp_of(&messages[i].msg_hdr);
      note(arrival, data[i], (int)messages[i].msg_len);
    }
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Prints percentiles of how far (x, y) lie from the straight line through them; y in microseconds. `y` is used up. */
static void print_errors(const char *name, const double *x, double *y, size_t n) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  if (n < 3) return;
  for (size_t i = 0; i < n; i++) sx += x[i], sy += y[i];
  for (size_t i = 0; i < n; i++) sxx += (x[i] - sx / n) * (x[i] - sx / n), sxy += (x[i] - sx / n) * (y[i] - sy / n);
  for (size_t i = 0; i < n; i++) y[i] -= sy / n + sxy / sxx * (x[i] - sx / n);
  qsort(y, n, sizeof *y, ascending);
  double median = y[n / 2];
  for (size_t i = 0; i < n; i++) y[i] = fabs(y[i] - median);
  qsort(y, n, sizeof *y, ascending);
  printf(",\"%s50Us\":%.0f,\"%s99Us\":%.0f,\"%s999Us\":%.0f,\"%sMaxUs\":%.0f", name, y[n / 2], name,
         y[(size_t)(0.99 * (n - 1))], name, y[(size_t)(0.999 * (n - 1))], name, y[n - 1]);
}

/* Sequence numbers between the first and the last that never came, taking disorder for what it is; -1 without RTP. */
static long long missing(void) {
  long long span = 0, highest = 0;
  for (size_t i = 0; i < count; i++) {
    if (arrivals[i].sequence < 0) return -1;
    if (i == 0) continue;
    long long at = highest + (int16_t)(arrivals[i].sequence - (arrivals[0].sequence + highest));
    if (at > highest) highest = at;
  }
  if (count) span = highest + 1;
  return span - (long long)count;
}

static void report(void) {
  double *x = malloc(count * sizeof *x), *y = malloc(count * sizeof *y);
  size_t burst = count > 0, row = 1, pcrs = 0;
  int64_t bytes = 0, previous = 0, wraps = 0;
  for (size_t i = 0; i < count; i++) bytes += arrivals[i].length;
  for (size_t i = 1; i < count; i++) {
    row = arrivals[i].at - arrivals[i - 1].at < 20000 ? row + 1 : 1;
    if (row > burst) burst = row;
  }
  double seconds = count ? (arrivals[count - 1].at - arrivals[0].at) / 1e9 : 0;
  printf("{\"datagrams\":%zu,\"bytes\":%lld,\"seconds\":%.3f,\"burst\":%zu", count, (long long)bytes, seconds, burst);
  if (count) printf(",\"first\":%.6f,\"ttl\":%d,\"tos\":%d", arrivals[0].at / 1e9, ttl, tos);
  if (missing() >= 0) printf(",\"missing\":%lld", missing());

  for (size_t i = 0; i < count; i++) x[i] = (double)i, y[i] = (arrivals[i].at - arrivals[0].at) / 1e3;
  print_errors("line", x, y, count);

  double byte_us = bytes ? seconds * 1e6 / bytes : 0;
  for (size_t i = 0; i < count; i++) {
    const struct arrival *a = &arrivals[i];
    if (a->pcr < 0) continue;
    if (pcrs && a->pcr < previous) wraps++;
    previous = a->pcr;
    x[pcrs] = (double)(a->pcr + wraps * (300ll << 33));
    y[pcrs++] = (a->at - arrivals[0].at) / 1e3 + a->pcr_offset * byte_us;
  }
  print_errors("pcr", x, y, pcrs);
  printf("}\n");
}

int main(int argc, char **argv) {
  if (argc != 6 && argc != 7) {
    fprintf(stderr, "usage: capture GROUP PORT INTERFACE_ADDRESS SECONDS IDLE_MS [DATAGRAMS]\n");
    return 2;
  }
  size_t most = argc == 7 ? (size_t)atoll(argv[6]) : MOST;
  int fd = open_socket(argv[1], argv[2], argv[3]);
  fprintf(stderr, "ready\n");
  receive(fd, atof(argv[4]), atof(argv[5]), most < MOST ? most : MOST);
  report();
  return 0;
}
