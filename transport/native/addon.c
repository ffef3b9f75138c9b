/* What Node loads: the functions of all parts, and what they share for talking with JavaScript. */
#include "native.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Raised whenever a function changes: an addon that was built from other sources is refused (native-addon.ts). */
#define INTERFACE_VERSION 4

static const struct {
  int fault;
  const char *name;
} NAMES[] = {
    {EACCES, "EACCES"},           {EADDRINUSE, "EADDRINUSE"},     {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EAGAIN, "EAGAIN"},           {EBADF, "EBADF"},
    {ECONNREFUSED, "ECONNREFUSED"}, {EDESTADDRREQ, "EDESTADDRREQ"}, {EHOSTDOWN, "EHOSTDOWN"},
    {EHOSTUNREACH, "EHOSTUNREACH"}, {EINTR, "EINTR"},             {EINVAL, "EINVAL"},
    {EMFILE, "EMFILE"},           {EMSGSIZE, "EMSGSIZE"},         {ENETDOWN, "ENETDOWN"},
    {ENETUNREACH, "ENETUNREACH"}, {ENFILE, "ENFILE"},             {ENOBUFS, "ENOBUFS"},
    {ENODEV, "ENODEV"},           {ENOMEM, "ENOMEM"},             {ENOPROTOOPT, "ENOPROTOOPT"},
    {ENXIO, "ENXIO"},             {EOPNOTSUPP, "EOPNOTSUPP"},     {EPERM, "EPERM"},
    {EPIPE, "EPIPE"},             {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
};

const char *errno_name(int fault) {
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    if (NAMES[i].fault == fault) return NAMES[i].name;
  }
  return "EIO";
}

napi_value throw_errno(napi_env env, int fault, const char *syscall) {
  char words[160];
  snprintf(words, sizeof words, "%s %s: %s", syscall, errno_name(fault), strerror(fault));
  napi_value message, code, name, error;
  napi_create_string_utf8(env, words, NAPI_AUTO_LENGTH, &message);
  napi_create_string_utf8(env, errno_name(fault), NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &name);
  napi_create_error(env, code, message, &error);
  napi_set_named_property(env, error, "syscall", name);
  napi_throw(env, error);
  return NULL;
}

napi_value throw_usage(napi_env env, const char *words) {
  napi_throw_type_error(env, NULL, words);
  return NULL;
}

bool arguments_of(napi_env env, napi_callback_info info, size_t least, size_t most, napi_value *values) {
  size_t count = most;
  if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count >= least) return true;
  throw_usage(env, "too few arguments");
  return false;
}

int32_t int_of(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

double double_of(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

napi_value number_value(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}

void export_function(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value);
  napi_set_named_property(env, exports, name, value);
}

NAPI_MODULE_INIT() {
  napi_set_named_property(env, exports, "interfaceVersion", number_value(env, INTERFACE_VERSION));
  export_sockets(env, exports);
  export_departures(env, exports);
  export_arrivals(env, exports);
  export_files(env, exports);
  return exports;
}
