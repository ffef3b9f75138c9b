/*
 * Listens to a group as an able receiver does, with as few system calls as it can, and throws everything away:
 *
 *   listen GROUP PORT INTERFACE_ADDRESS
 *
 * Says "ready" on standard error when it has joined, and goes on until it is ended.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 32, ROOM = 65536 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  static uint8_t data[BATCH][ROOM];
  static struct iovec parts[BATCH];
  static struct mmsghdr messages[BATCH];
  int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct ip_mreq join;
  if (argc != 4) {
    fprintf(stderr, "usage: listen GROUP PORT INTERFACE_ADDRESS\n");
    return 2;
  }
  inet_aton(argv[1], &address.sin_addr);
  address.sin_port = htons((uint16_t)atoi(argv[2]));
  join.imr_multiaddr = address.sin_addr;
  inet_aton(argv[3], &join.imr_interface);
  setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join)) fail("join");
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){data[i], ROOM};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  fprintf(stderr, "ready\n");
  while (recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL) > 0);
  return 0;
}
