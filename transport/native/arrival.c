#include "native.h"

void export_arrivals(napi_env env, napi_value exports) {
  (void)env;
  (void)exports;
}
