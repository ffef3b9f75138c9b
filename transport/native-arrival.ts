/** Receiving by the native engine's thread. */

/** What `native/arrival.c` offers. */
export interface ArrivalAddon {}
