#include "native.h"

void export_departures(napi_env env, napi_value exports) {
  (void)env;
  (void)exports;
}
