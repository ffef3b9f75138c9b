/**
 * The receiver: sockets at one end, sinks at the other, one pure chain between them.
 *
 *     media socket ─┐                                ┌─► TS monitor ─► snapshot
 *                   ├─► reception (pure) ─► released ┼─► sinks: recorder, viewer feed, stdout
 *     rtcp socket ──┘        └─► reports ─► exchange └─► nextEnd
 */
import type { UdpEngine, ChosenInterface } from '../transport/udp.ts';
import type { MediaAddress } from '../wire/address.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import type { Sink } from './sink.ts';

/** What a receiver listens to and how. */
export interface ReceiverOptions {
  /** The group, or the local address for unicast. A `framing` fixes it; without one it is recognised. */
  address: MediaAddress;
  engine: UdpEngine;
  /** The card to join on. */
  via: ChosenInterface;
  /** Source-specific multicast: accept only these senders. Absent: any. */
  sources?: readonly string[];
  /** How long a missing datagram is waited for, milliseconds. */
  latencyMs: number;
  /** What people call it; default: the address as a URL. */
  name?: string;
  /** Kernel buffer to ask for, bytes. Default: the engine's. */
  receiveBufferBytes?: number;
  /** Uniform in [0, 1): identifiers and the spacing of reports. */
  random: () => number;
  /** Canonical name in receiver reports, such as `lancast@host`. */
  cname: string;
  /** Monotonic milliseconds; default: the machine's. */
  now?: () => number;
}

/** How a stream ended. */
export interface StreamEnd {
  /** `told`: the sender said so. `given-up`: `giveUp` was called. `closed`: the session was closed first. */
  reason: 'told' | 'given-up' | 'closed';
  /** The sender named its last index, so a missing tail was counted. */
  proven: boolean;
}

/** One stream being received. It goes on after an end: a sender may come back. */
export interface ReceiverSession extends AsyncDisposable {
  /** Stable within the process; safe in a URL. */
  readonly id: string;
  readonly name: string;
  readonly address: MediaAddress;
  /** What a careful user should be told, a sentence each. */
  readonly notes: readonly string[];
  snapshot(): StreamSnapshot;
  /** From the next datagram on. Sinks stay the caller's: closing the session does not close them. */
  addSink(sink: Sink): void;
  removeSink(sink: Sink): void;
  /** Nothing more is expected (a timeout): takes what is still held for recognition and drains the window. */
  giveUp(): void;
  /** The next end of the stream from now on. */
  nextEnd(): Promise<StreamEnd>;
  /** Leaves the group. Datagrams still held for repair are released first. */
  close(): Promise<void>;
}

/** Opens the sockets and starts to receive. Throws `LancastError` as the engine does. */
export async function startReceiver(_options: ReceiverOptions): Promise<ReceiverSession> {
  throw new Error('not yet built');
}
