/*
 * Runs the native engine's schedule on virtual time.
 *
 *   schedule QUANTUM_MS LATE_MS... < due times, one a line
 *
 * Drives it at each time it asks for, in turn as late as LATE_MS say, and prints a line for each burst: when, how many
 * datagrams left, and when that was to be by what was foretold one burst before. Ends with status 1 when it asks for a time that has passed, or then gives nothing.
 */
#include "../../transport/native/departure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 200000 };

int main(int argc, char **argv) {
  static double due[MOST];
  size_t count = 0, next = 0;
  struct schedule schedule;
  double now = -INFINITY, foretold = -INFINITY;
  while (count < MOST && scanf("%lf", &due[count]) == 1) count++;
  schedule_init(&schedule, atof(argv[1]));
  for (int turn = 0; next < count; turn++) {
    const double wake_at = schedule_wake_at(&schedule, due[next]);
    const size_t first = next;
    const double after = next + 1 < count ? schedule_wake_after(&schedule, wake_at, due[next + 1]) : INFINITY;
    if (wake_at <= now) return 1;
    now = wake_at + atof(argv[2 + turn % (argc - 2)]);
    if (!schedule_opens(&schedule, due[next], now)) return 1;
    while (next < count && schedule_releases(&schedule, due[next], now)) next++;
    if (next == first) return 1;
    printf("%.9f %zu %.9f\n", now, next - first, foretold);
    foretold = after;
  }
  return 0;
}
