/** What a sender sends through: the departure queue of the media, and the socket of reports, requests and retransmissions. */
import type { ArrivalSink, DepartureOptions, DepartureQueue, Exchange } from '../transport/udp.ts';
import type { Framing, MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { SenderOptions } from './session.ts';

/** Where the other streams of a stream go, counted from its media port. */
export const REPORT_PORT = 1;
export const RETRANSMISSION_PORT = 6;
export const LAST_PORT = 65_535;

/** Requests are not kept waiting for long, milliseconds. */
const GATHER_MS = 5;

/** The sockets of one sender. */
export interface Outlets {
  framing: Framing;
  queue: DepartureQueue;
  /** For reports and what answers them; RTP only. */
  exchange: Exchange | undefined;
}

/** Opens the sockets; what comes back is given to `hear`. Throws `LancastError` E001 for mixed addresses, else as the engine. */
export async function openOutlets(options: SenderOptions, hear: ArrivalSink): Promise<Outlets> {
  const { engine, via, ttl, addresses, broadcast = false } = options;
  const framing = commonFraming(addresses);
  const queue = await engine.openDeparture({ ...sendingOptions(options), destinations: addresses });
  try {
    const exchanging = { via, ttl, broadcast, gatherMs: GATHER_MS };
    const exchange = framing === 'rtp' ? await engine.openExchange(exchanging, hear) : undefined;
    return { framing, queue, exchange };
  } catch (error) {
    await queue.close();
    throw error;
  }
}

function sendingOptions(options: SenderOptions): Omit<DepartureOptions, 'destinations'> {
  const { via, ttl, broadcast = false, quantumMs, dscp, kernelPacing } = options;
  return {
    via,
    ttl,
    broadcast,
    ...(quantumMs !== undefined && { quantumMs }),
    ...(dscp !== undefined && { dscp }),
    ...(kernelPacing !== undefined && { kernelPacing }),
  };
}

function commonFraming(addresses: readonly MediaAddress[]): Framing {
  const [first, ...others] = addresses;
  if (!first) throw new LancastError('E001', 'no address to send to');
  const framing = first.framing ?? 'rtp';
  const odd = others.find((each) => (each.framing ?? 'rtp') !== framing || each.family !== first.family);
  if (!odd) return framing;
  throw new LancastError('E001', `${first.address} and ${odd.address} differ in framing or family`, {
    addresses: [first.address, odd.address],
  });
}
