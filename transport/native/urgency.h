/* How soon the engine's threads run once there is something to do. */
#ifndef LANCAST_URGENCY_H
#define LANCAST_URGENCY_H

/*
 * Makes the calling thread run as soon as it wakes: SCHED_FIFO where that is allowed, else the short slice that anybody may ask
 * for from Linux 6.12 on, and timers are exact. Where none of this is known nothing changes.
 */
void run_promptly(void);

#endif
