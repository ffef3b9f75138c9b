/*
 * Opens UDP sockets with the options that Node cannot set: DSCP (RFC 2474), IP_MULTICAST_ALL off, SO_REUSEPORT, source
 * filters by card. What a socket is for is decided in JavaScript; here it is only done.
 */
#include "native.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
/* Of what SO_MEMINFO gives (linux/sock_diag.h). */
#define MEMINFO_DROPS 8
#define MEMINFO_WORDS 9

#define ADDRESS_CHARS 80
#define MOST_SOURCES 64

/* A socket as JavaScript describes it; see `SocketOptions` in native-addon.ts. */
struct spec {
  int family;
  char bind_address[ADDRESS_CHARS];
  uint16_t bind_port;
  char group[ADDRESS_CHARS];
  char card[IF_NAMESIZE];
  char connect_address[ADDRESS_CHARS];
  uint16_t connect_port;
  char sources[MOST_SOURCES][ADDRESS_CHARS];
  uint32_t source_count;
  int ttl, dscp, receive_buffer_bytes;
  bool shared, broadcast;
};

socklen_t parse_endpoint(int family, const char *address, uint16_t port, struct sockaddr_storage *to) {
  struct sockaddr_in *four = (struct sockaddr_in *)to;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
  char host[ADDRESS_CHARS];
  snprintf(host, sizeof host, "%s", address);
  /* getaddrinfo knows zones of link-local addresses only, and all groups of IPv6 may need one. */
  char *zone = strchr(host, '%');
  if (zone) *zone++ = 0;
  memset(to, 0, sizeof *to);
  if (family != AF_INET6 && !zone && inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return sizeof *four;
  }
  if (family != AF_INET && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    if (zone) six->sin6_scope_id = if_nametoindex(zone);
    return sizeof *six;
  }
  errno = EINVAL;
  return 0;
}

static bool property(napi_env env, napi_value object, const char *name, napi_value *value) {
  napi_valuetype type = napi_undefined;
  return napi_get_named_property(env, object, name, value) == napi_ok && napi_typeof(env, *value, &type) == napi_ok &&
         type != napi_undefined;
}

static void text_property(napi_env env, napi_value object, const char *name, char *to, size_t size) {
  napi_value value;
  to[0] = 0;
  if (property(env, object, name, &value)) napi_get_value_string_utf8(env, value, to, size, NULL);
}

static int int_property(napi_env env, napi_value object, const char *name, int otherwise) {
  napi_value value;
  return property(env, object, name, &value) ? int_of(env, value) : otherwise;
}

static bool bool_property(napi_env env, napi_value object, const char *name) {
  napi_value value;
  bool set = false;
  if (property(env, object, name, &value)) napi_get_value_bool(env, value, &set);
  return set;
}

static void source_property(napi_env env, napi_value object, struct spec *spec) {
  napi_value list, value;
  if (!property(env, object, "sources", &list)) return;
  napi_get_array_length(env, list, &spec->source_count);
  if (spec->source_count > MOST_SOURCES) spec->source_count = MOST_SOURCES;
  for (uint32_t i = 0; i < spec->source_count; i++) {
    napi_get_element(env, list, i, &value);
    napi_get_value_string_utf8(env, value, spec->sources[i], ADDRESS_CHARS, NULL);
  }
}

static void read_spec(napi_env env, napi_value object, struct spec *spec) {
  memset(spec, 0, sizeof *spec);
  spec->family = int_property(env, object, "family", 4) == 6 ? AF_INET6 : AF_INET;
  text_property(env, object, "bindAddress", spec->bind_address, ADDRESS_CHARS);
  spec->bind_port = (uint16_t)int_property(env, object, "bindPort", 0);
  text_property(env, object, "group", spec->group, ADDRESS_CHARS);
  text_property(env, object, "card", spec->card, sizeof spec->card);
  text_property(env, object, "connectAddress", spec->connect_address, ADDRESS_CHARS);
  spec->connect_port = (uint16_t)int_property(env, object, "connectPort", 0);
  source_property(env, object, spec);
  spec->ttl = int_property(env, object, "ttl", 0);
  spec->dscp = int_property(env, object, "dscp", -1);
  spec->receive_buffer_bytes = int_property(env, object, "receiveBufferBytes", 0);
  spec->shared = bool_property(env, object, "shared");
  spec->broadcast = bool_property(env, object, "broadcast");
}

static int set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value);
}

/* Hops, the card of groups, DSCP and leave to broadcast. Returns the name of the call that failed, or NULL. */
static const char *prepare_to_send(int fd, const struct spec *spec, unsigned card) {
  const bool six = spec->family == AF_INET6;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
  struct ip_mreqn by = {.imr_ifindex = (int)card};
  if (card != 0 && six && set_option(fd, level, IPV6_MULTICAST_IF, (int)card) != 0) return "setsockopt";
  if (card != 0 && !six && setsockopt(fd, level, IP_MULTICAST_IF, &by, sizeof by) != 0) return "setsockopt";
  if (spec->ttl > 0) {
    if (set_option(fd, level, six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL, spec->ttl) != 0) return "setsockopt";
    if (set_option(fd, level, six ? IPV6_UNICAST_HOPS : IP_TTL, spec->ttl) != 0) return "setsockopt";
  }
  /* The upper six bits of what was once the type of service. */
  if (spec->dscp >= 0 && set_option(fd, level, six ? IPV6_TCLASS : IP_TOS, spec->dscp << 2) != 0) return "setsockopt";
  if (spec->broadcast && set_option(fd, SOL_SOCKET, SO_BROADCAST, 1) != 0) return "setsockopt";
  return NULL;
}

/* Joins the group on the card, of these sources only where there are any. Having joined before is as good. */
static const char *join(int fd, const struct spec *spec, unsigned card) {
  const int level = spec->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  struct group_source_req by_source = {.gsr_interface = card};
  struct group_req any = {.gr_interface = card};
  if (parse_endpoint(spec->family, spec->group, 0, &any.gr_group) == 0) return "join";
  by_source.gsr_group = any.gr_group;
  if (spec->source_count == 0 && setsockopt(fd, level, MCAST_JOIN_GROUP, &any, sizeof any) != 0 && errno != EADDRINUSE)
    return "join";
  for (uint32_t i = 0; i < spec->source_count; i++) {
    if (parse_endpoint(spec->family, spec->sources[i], 0, &by_source.gsr_source) == 0) return "join";
    if (setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &by_source, sizeof by_source) != 0 && errno != EADDRINUSE &&
        errno != EADDRNOTAVAIL)
      return "join";
  }
  /* Without this a socket also hears what others of this machine have joined; kernels before 4.20 lack it for IPv6. */
  if (spec->family == AF_INET6) set_option(fd, level, IPV6_MULTICAST_ALL, 0);
  else if (set_option(fd, level, IP_MULTICAST_ALL, 0) != 0) return "setsockopt";
  return NULL;
}

/*
 * Some programs share a port by SO_REUSEPORT only. It is set only where it is needed to be beside them: Linux takes sockets that
 * have it for one and gives what comes to any of them, also of a group that they joined on different cards or for different
 * sources (seen with 6.18).
 */
static bool bind_to(int fd, const struct sockaddr_storage *address, socklen_t length, bool shared) {
  if (bind(fd, (const struct sockaddr *)address, length) == 0) return true;
  if (!shared || errno != EADDRINUSE || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return false;
  return bind(fd, (const struct sockaddr *)address, length) == 0;
}

/* Does all that `spec` asks for on a new socket. Returns the name of the call that failed, with errno set, or NULL. */
static const char *set_up(int fd, const struct spec *spec) {
  struct sockaddr_storage address;
  const char *any = spec->family == AF_INET6 ? "::" : "0.0.0.0";
  const unsigned card = spec->card[0] ? if_nametoindex(spec->card) : 0;
  if (spec->card[0] && card == 0) return "if_nametoindex";
  if (spec->family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0) return "setsockopt";
  if (spec->shared) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (spec->receive_buffer_bytes > 0) set_option(fd, SOL_SOCKET, SO_RCVBUF, spec->receive_buffer_bytes);
  socklen_t length = parse_endpoint(spec->family, spec->bind_address[0] ? spec->bind_address : any, spec->bind_port, &address);
  if (length == 0 || !bind_to(fd, &address, length, spec->shared)) return "bind";
  const char *failed = prepare_to_send(fd, spec, card);
  if (failed) return failed;
  if (spec->group[0] && (failed = join(fd, spec, card)) != NULL) return failed;
  if (!spec->connect_address[0]) return NULL;
  length = parse_endpoint(spec->family, spec->connect_address, spec->connect_port, &address);
  return length == 0 || connect(fd, (struct sockaddr *)&address, length) != 0 ? "connect" : NULL;
}

/* openSocket(options: SocketOptions): number — a non-blocking descriptor, which the caller closes. */
static napi_value open_socket(napi_env env, napi_callback_info info) {
  napi_value object;
  struct spec spec;
  if (!arguments_of(env, info, 1, 1, &object)) return NULL;
  read_spec(env, object, &spec);
  const int fd = socket(spec.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return throw_errno(env, errno, "socket");
  const char *failed = set_up(fd, &spec);
  if (!failed) return number_value(env, fd);
  const int fault = errno;
  close(fd);
  return throw_errno(env, fault, failed);
}

/* closeSocket(fd) — for one that no thread of the engine uses. */
static napi_value close_socket(napi_env env, napi_callback_info info) {
  napi_value fd;
  if (arguments_of(env, info, 1, 1, &fd)) close(int_of(env, fd));
  return NULL;
}

/* localEndpoint(fd): [address, port] */
static napi_value local_endpoint(napi_env env, napi_callback_info info) {
  napi_value fd, pair, text;
  struct sockaddr_storage own;
  socklen_t length = sizeof own;
  char host[ADDRESS_CHARS], service[8];
  if (!arguments_of(env, info, 1, 1, &fd)) return NULL;
  if (getsockname(int_of(env, fd), (struct sockaddr *)&own, &length) != 0) return throw_errno(env, errno, "getsockname");
  getnameinfo((struct sockaddr *)&own, length, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV);
  const uint16_t port = own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port : ((struct sockaddr_in *)&own)->sin_port;
  napi_create_array_with_length(env, 2, &pair);
  napi_create_string_utf8(env, host, NAPI_AUTO_LENGTH, &text);
  napi_set_element(env, pair, 0, text);
  napi_set_element(env, pair, 1, number_value(env, ntohs(port)));
  return pair;
}

/* receiveBuffer(fd): number — bytes as they were asked for; Linux doubles that for its own book-keeping. */
static napi_value receive_buffer(napi_env env, napi_callback_info info) {
  napi_value fd;
  int bytes = 0;
  socklen_t length = sizeof bytes;
  if (!arguments_of(env, info, 1, 1, &fd)) return NULL;
  if (getsockopt(int_of(env, fd), SOL_SOCKET, SO_RCVBUF, &bytes, &length) != 0) return throw_errno(env, errno, "getsockopt");
  return number_value(env, bytes / 2);
}

/* socketDrops(fd): number — datagrams the kernel dropped because the buffer was full; -1 when it does not tell. */
static napi_value socket_drops(napi_env env, napi_callback_info info) {
  napi_value fd;
  uint32_t words[MEMINFO_WORDS] = {0};
  socklen_t length = sizeof words;
  if (!arguments_of(env, info, 1, 1, &fd)) return NULL;
  const bool told = getsockopt(int_of(env, fd), SOL_SOCKET, SO_MEMINFO, words, &length) == 0 && length == sizeof words;
  return number_value(env, told ? (double)words[MEMINFO_DROPS] : -1);
}

/* sendTo(fd, datagram: Uint8Array, address, port): string — "" when the kernel took it, else the errno's name. */
static napi_value send_to(napi_env env, napi_callback_info info) {
  napi_value values[4], answer;
  struct sockaddr_storage to;
  char host[ADDRESS_CHARS];
  void *bytes = NULL;
  size_t length = 0;
  if (!arguments_of(env, info, 4, 4, values)) return NULL;
  if (napi_get_buffer_info(env, values[1], &bytes, &length) != napi_ok) return throw_usage(env, "not a buffer");
  napi_get_value_string_utf8(env, values[2], host, sizeof host, NULL);
  const socklen_t size = parse_endpoint(AF_UNSPEC, host, (uint16_t)int_of(env, values[3]), &to);
  const bool sent = size > 0 && sendto(int_of(env, values[0]), bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, size) >= 0;
  napi_create_string_utf8(env, sent ? "" : errno_name(errno), NAPI_AUTO_LENGTH, &answer);
  return answer;
}

void export_sockets(napi_env env, napi_value exports) {
  export_function(env, exports, "openSocket", open_socket);
  export_function(env, exports, "closeSocket", close_socket);
  export_function(env, exports, "localEndpoint", local_endpoint);
  export_function(env, exports, "receiveBuffer", receive_buffer);
  export_function(env, exports, "socketDrops", socket_drops);
  export_function(env, exports, "sendTo", send_to);
}
