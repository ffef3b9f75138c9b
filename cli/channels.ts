/** Which address each of many channels goes to. */
import {
  DEFAULT_PORT,
  formatEndpoint,
  groupForName,
  type Framing,
  type MediaAddress,
} from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';

const PORT_STEP = 10;
/** A stream owns its port and the seven behind it: RTCP, and what repairs it. */
const OWN_PORTS = 8;
const SIP_PORT = 5060;
const LAST_PORT = 65_535;

/** Where people want a stream to go. */
export interface Destinations {
  /** As typed; none: a group by the name of what is sent. */
  to: readonly MediaAddress[];
  asIs: boolean;
}

/** Where one stream goes: as asked for, or to a group that belongs to its name. */
export function destinationsOf({ to, asIs }: Destinations, name: string): MediaAddress[] {
  const framing = framingOf(asIs);
  if (to.length > 0) return to.map((each) => ({ ...each, framing: each.framing ?? framing }));
  return [groupAddress(framing, groupForName(name), DEFAULT_PORT)];
}

/**
 * The addresses of the channels of one process, in turn. The first goes where it was asked for; ports step by ten. Without an
 * address each channel has the group of its name, or another one when that is taken.
 */
export class ChannelAddresses {
  readonly #destinations: Destinations;
  readonly #taken = new Set<string>();
  #channels = 0;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  /** The addresses of the next channel. Throws `LancastError` E001 when there is no port left, or two channels would meet. */
  next(name: string): MediaAddress[] {
    const channel = this.#channels++;
    const { to, asIs } = this.#destinations;
    if (to.length === 0)
      return [groupAddress(framingOf(asIs), this.#freeGroup(name), portOf(DEFAULT_PORT, channel))];
    return destinationsOf(this.#destinations, name).map((each) => {
      const address = { ...each, port: portOf(each.port, channel) };
      if (!this.#take(formatEndpoint(address))) {
        const reason = 'each channel after the first has ports that lie ten higher';
        throw new LancastError('E001', `${formatEndpoint(address)} would carry two channels`, {
          reason,
          command: 'send',
        });
      }
      return address;
    });
  }

  #freeGroup(name: string): string {
    let group = groupForName(name);
    for (let other = 2; !this.#take(group); other++) group = groupForName(`${name} ${other}`);
    return group;
  }

  /** False when it is taken already. */
  #take(place: string): boolean {
    const free = !this.#taken.has(place);
    this.#taken.add(place);
    return free;
  }
}

function framingOf(asIs: boolean): Framing {
  return asIs ? 'seq' : 'rtp';
}

function groupAddress(framing: Framing, address: string, port: number): MediaAddress {
  return { framing, address, port, family: 4, scope: 'multicast' };
}

/** The port of a channel, counted from 0. Ports among whose eight that of SIP would be are left out. */
function portOf(first: number, channel: number): number {
  let port = first;
  for (let left = channel; left > 0;) {
    port += PORT_STEP;
    if (SIP_PORT < port || SIP_PORT >= port + OWN_PORTS) left--;
  }
  if (channel === 0 || port + OWN_PORTS - 1 <= LAST_PORT) return port;
  const reason = `ports step by ten from ${first}, and end at ${LAST_PORT}`;
  throw new LancastError('E001', `there is no port for channel ${channel + 1}`, { reason, command: 'send' });
}
