/*
 * Stands between a process and the kernel (LD_PRELOAD) and refuses to send, as other kernels and full cards do.
 *
 * What is refused is told by the port that a socket is connected to; all others send as ever.
 *
 *   47001, 47002, 47003  runs of datagrams (UDP_SEGMENT), with EINVAL, EIO, EMSGSIZE
 *   47004                sendmmsg with ENOSYS
 *   47005                every third system call with EPERM
 *   47006                the first 20 with ENOBUFS
 *   47007                all with EAGAIN
 *   47008                everything but a single datagram: no UDP_SEGMENT (EINVAL), one message of sendmmsg at a time
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int calls_47005, calls_47006;

static int port_of(int fd) {
  struct sockaddr_in peer = {0};
  socklen_t length = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 || peer.sin_family != AF_INET) return 0;
  return ntohs(peer.sin_port);
}

static int refusal(int port, const struct msghdr *message) {
  const int run = message->msg_controllen > 0;
  switch (port) {
    case 47001:
    case 47008:
      return run ? EINVAL : 0;
    case 47002:
      return run ? EIO : 0;
    case 47003:
      return run ? EMSGSIZE : 0;
    case 47005:
      return calls_47005++ % 3 == 2 ? EPERM : 0;
    case 47006:
      return calls_47006++ < 20 ? ENOBUFS : 0;
    case 47007:
      return EAGAIN;
    default:
      return 0;
  }
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  const int fault = refusal(port_of(fd), message);
  if (fault == 0) return syscall(SYS_sendmsg, fd, message, flags);
  errno = fault;
  return -1;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  const int port = port_of(fd);
  if (port == 47004) {
    errno = ENOSYS;
    return -1;
  }
  if (port < 47001 || port > 47008) return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
  /* As the kernel does it: those before the first that is refused have been sent. */
  for (unsigned done = 0; done < (port == 47008 ? 1 : count); done++) {
    const ssize_t sent = sendmsg(fd, &messages[done].msg_hdr, flags);
    if (sent < 0) return done > 0 ? (int)done : -1;
    messages[done].msg_len = (unsigned)sent;
  }
  return port == 47008 ? 1 : (int)count;
}
