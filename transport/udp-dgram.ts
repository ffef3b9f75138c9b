/** UDP on `node:dgram`: the engine that is always there. */
import { openDgramArrival } from './dgram-arrival.ts';
import { openDgramDeparture } from './dgram-departure.ts';
import { openDgramExchange } from './dgram-exchange.ts';
import type { UdpEngine } from './udp.ts';

/** One system call per datagram both ways, a quantum of 1 ms at the finest. */
export const dgramEngine: UdpEngine = {
  kind: 'javascript',
  openDeparture: openDgramDeparture,
  openArrival: openDgramArrival,
  openExchange: openDgramExchange,
};
