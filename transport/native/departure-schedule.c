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
/*
 * What cards, switches and receivers can take at once (92 datagrams fit a receive buffer of the kernel's default): a quantum that
 * holds more is halved, down to this; one that holds less than half grows again, up to what was asked for.
 */
#define DENSE_DATAGRAMS 48
#define SPARSE_DATAGRAMS 24
#define SHORTEST_SPAN_MS 0.5
/* Without a quantum: what is due so soon leaves at once, since waking up again would take longer. */
#define SLEEPLESS_MS 0.02
/* And what became due since the last burst leaves at once too, so that dense datagrams are not held up by late wake-ups. */
#define MOST_LATE_MS 0.5

/* It is not known yet how dense datagrams are: 5, 2.5, 1.25 … ms, which lie on one grid. */
static double shortest_span(double quantum) {
  while (quantum / 2 >= SHORTEST_SPAN_MS) quantum /= 2;
  return quantum;
}

void schedule_init(struct schedule *schedule, double quantum) {
  *schedule = (struct schedule){
      .quantum = quantum,
      .span = shortest_span(quantum),
      .opened_at = -INFINITY,
      .until = -INFINITY,
      .paced_at = -INFINITY,
      .last_due = INFINITY,
  };
}

/* Without a quantum, a late datagram follows the one before at half the distance that it should have had. */
static double spread(const struct schedule *schedule, double due) {
  return fmax(due, schedule->paced_at + fmax(0, due - schedule->last_due) / 2);
}

double schedule_wake_at(const struct schedule *schedule, double due) {
  const double span = schedule->span;
  if (span <= 0) return spread(schedule, due);
  const bool late = due < schedule->opened_at;
  const double step = late ? span / 2 : span;
  const double pause = span * (late ? SOONEST_WHEN_LATE : SOONEST);
  return ceil(fmax(schedule->opened_at + pause, due - span / 2) / step) * step;
}

double schedule_wake_after(const struct schedule *schedule, double at, double second) {
  struct schedule then = *schedule;
  then.opened_at = at;
  return schedule_wake_at(&then, fmax(second, at)); /* nothing was left over, presumably */
}

/* Fits the quantum to what the one before has held. */
static void fit_span(struct schedule *schedule) {
  if (schedule->released > DENSE_DATAGRAMS) schedule->span = fmax(schedule->span / 2, shortest_span(schedule->quantum));
  else if (schedule->released < SPARSE_DATAGRAMS) schedule->span = fmin(schedule->span * 2, schedule->quantum);
  schedule->released = 0;
}

bool schedule_opens(struct schedule *schedule, double due, double now) {
  if (now < schedule_wake_at(schedule, due)) return false;
  fit_span(schedule);
  const double span = schedule->span;
  schedule->until = due + (span > 0 ? span : fmin(now - schedule->opened_at, MOST_LATE_MS));
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
  if (due - schedule->span / 2 > now || (due >= schedule->until && schedule->extra-- <= 0)) return false;
  schedule->released++;
  return true;
}
