/*
 * When each queued datagram leaves: everything due within one quantum together, and never a blast.
 *
 * The rule of departure-schedule.ts, with what only an exact timer can do: quanta begin on a grid that all queues share,
 * since what costs is waking up; and without a quantum each datagram leaves at its time. Pure.
 */
#include "departure.h"

#include <math.h>

/* Datagrams a burst may hold beyond one quantum. */
#define EXTRA_DATAGRAMS 2
/* How soon after a quantum the next one may come, in quanta: timers are not exact. */
#define SOONEST 0.75
/* The same while datagrams are late that the last quantum had no room for: the half grid. */
#define SOONEST_WHEN_LATE 0.4
/* Without a quantum: what is due so soon leaves at once, since waking up again would take longer. */
#define SLEEPLESS_MS 0.02
/* And what became due since the last burst leaves at once too, so that dense datagrams are not held up by late wake-ups. */
#define MOST_LATE_MS 0.5

void schedule_init(struct schedule *schedule, double quantum) {
  *schedule = (struct schedule){
      .quantum = quantum, .opened_at = -INFINITY, .until = -INFINITY, .paced_at = -INFINITY, .last_due = INFINITY};
}

/* Without a quantum, a late datagram follows the one before at half the distance that it should have had. */
static double spread(const struct schedule *schedule, double due) {
  return fmax(due, schedule->paced_at + fmax(0, due - schedule->last_due) / 2);
}

double schedule_wake_at(const struct schedule *schedule, double due) {
  const double quantum = schedule->quantum;
  if (quantum <= 0) return spread(schedule, due);
  const bool late = due < schedule->opened_at;
  const double step = late ? quantum / 2 : quantum;
  const double pause = quantum * (late ? SOONEST_WHEN_LATE : SOONEST);
  return ceil(fmax(schedule->opened_at + pause, due - quantum / 2) / step) * step;
}

bool schedule_opens(struct schedule *schedule, double due, double now) {
  const double quantum = schedule->quantum;
  const double since = now - schedule->opened_at;
  if (now < schedule_wake_at(schedule, due)) return false;
  schedule->until = due + (quantum > 0 ? fmin(fmax(since, quantum), 2 * quantum) : fmin(since, MOST_LATE_MS));
  schedule->opened_at = now;
  schedule->extra = EXTRA_DATAGRAMS;
  return true;
}

static bool releases_at_its_time(struct schedule *schedule, double due, double now) {
  const bool next = due < schedule->until && due <= now;
  const double at = next ? now : spread(schedule, due);
  if (at > now + SLEEPLESS_MS) return false;
  schedule->paced_at = fmax(at, now);
  schedule->last_due = due;
  return true;
}

bool schedule_releases(struct schedule *schedule, double due, double now) {
  if (schedule->quantum <= 0) return releases_at_its_time(schedule, due, now);
  return due - schedule->quantum / 2 <= now && (due < schedule->until || schedule->extra-- > 0);
}
