/*
 * What the parts of the native engine share: faults, arguments, the clock.
 *
 * The engine is two threads. `departure.c` sends, `arrival.c` receives, `socket.c` opens the sockets of both, `addon.c` is
 * what Node loads. Every function here that takes a `napi_env` is called on the JavaScript thread only.
 */
#ifndef LANCAST_NATIVE_H
#define LANCAST_NATIVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NAPI_VERSION 8

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

/* Not in the C library's headers of older systems; values of the Linux kernel. */
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* CLOCK_MONOTONIC in milliseconds: `now` of all of lancast. */
static inline double monotonic_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* The name of an errno, such as "ENOBUFS"; "EIO" for one that no socket call gives. A constant. */
const char *errno_name(int fault);

/* Throws a JavaScript Error with `code` and `syscall`, as those of Node. Returns NULL, for `return throw_errno(...)`. */
napi_value throw_errno(napi_env env, int fault, const char *syscall);

/* Throws a JavaScript TypeError: a mistake of our own. Returns NULL. */
napi_value throw_usage(napi_env env, const char *words);

/* Reads up to `most` arguments into `values`; throws and returns false when there are fewer than `least`. */
bool arguments_of(napi_env env, napi_callback_info info, size_t least, size_t most, napi_value *values);

/* Arguments that are numbers; 0 for anything else. */
int32_t int_of(napi_env env, napi_value value);
double double_of(napi_env env, napi_value value);

/* Numbers as values. */
napi_value number_value(napi_env env, double number);

/* Adds a function to `exports`. */
void export_function(napi_env env, napi_value exports, const char *name, napi_callback function);

/*
 * Reads a numeric address, with a zone where there is one, and a port. Returns the length of what was written to `to`; 0
 * with errno EINVAL when it is no address of the family (AF_INET, AF_INET6, or AF_UNSPEC for either).
 */
socklen_t parse_endpoint(int family, const char *address, uint16_t port, struct sockaddr_storage *to);

/* The parts of the addon; each adds its functions to `exports`. */
void export_sockets(napi_env env, napi_value exports);
void export_departures(napi_env env, napi_value exports);
void export_arrivals(napi_env env, napi_value exports);
void export_files(napi_env env, napi_value exports);

#endif
