/** Paced sending by the native engine's thread. */

/** What `native/departure.c` offers. */
export interface DepartureAddon {}
