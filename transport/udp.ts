/**
 * The operating system's UDP, as the rest of lancast sees it.
 *
 * `udp-dgram.ts` implements it on `node:dgram`; a native engine is a second implementation of the same interface and
 * runs under the same test table. All times are monotonic milliseconds (`transport/clock.ts`).
 */
import type { Endpoint } from '../wire/address.ts';
import type { LancastError } from '../wire/errors.ts';
import type { DepartureChunk } from '../wire/departure-chunk.ts';

/** The network card a socket uses, and the reason it was chosen (`transport/interfaces.ts`). */
export interface ChosenInterface {
  /** The card's name, such as `eth0`. */
  name: string;
  /** The card's own address in the family that is used. */
  address: string;
  /** 4 or 6. */
  family: 4 | 6;
  /** One phrase for people: `asked for by --iface`, `the route to 239.255.13.16`, `the only card that is up` … */
  reason: string;
}

/**
 * Takes one datagram that arrived.
 *
 * `data` and `source` are valid during the call only: whoever keeps one past it copies it.
 */
export type ArrivalSink = (data: Buffer, arrivedAt: number, source: Endpoint) => void;

/** Options of a paced sending socket. */
export interface DepartureOptions {
  /** Each datagram goes to every one of these; several are for unicast to several receivers. */
  destinations: readonly Endpoint[];
  /** The card to send from. */
  via: ChosenInterface;
  /** Multicast hops or unicast TTL, 1 to 255. */
  ttl: number;
  /** Allow broadcast destinations. Default false. */
  broadcast?: boolean;
  /** Everything due within one quantum leaves together, in milliseconds: 0 or 0.5 to 10. Default: the engine's. */
  quantumMs?: number;
  /** Differentiated services code point of each datagram, 0 to 63 (RFC 2474). Only the native engine can set it. */
  dscp?: number;
  /** Hands the due times to the kernel where the card's queue (`fq`, `etf`) keeps them. Only the native engine can. Default false. */
  kernelPacing?: boolean;
}

/** Counters of a departure queue since it was opened. */
export interface DepartureStats {
  /** Datagrams handed to the kernel, counted once per destination. */
  sent: number;
  /** Payload bytes handed to the kernel. */
  sentBytes: number;
  /** Sends the kernel refused, such as a full buffer or an unreachable peer. Never fatal by themselves. */
  failed: number;
  /** Most milliseconds a datagram left after its due time. */
  latestMs: number;
}

/** Sends datagrams at their due times. */
export interface DepartureQueue extends AsyncDisposable {
  readonly stats: Readonly<DepartureStats>;
  /** Datagrams pushed and not yet handed to the kernel. */
  readonly queued: number;
  /** So many datagrams, counted from the first one pushed, have left or been given up: their slots are the caller's again. */
  readonly released: number;
  /** What people should know of how it sends; absent: nothing. */
  readonly notes?: readonly string[];
  /** Resolves, once, with the reason when the socket cannot send at all (E103, E109, E113 …). Pending otherwise. */
  readonly failure: Promise<LancastError>;
  /**
   * Queues the datagrams in the slots from `first` up to, and not including, `end`. Their due times never lie before that of
   * the datagram pushed before.
   *
   * They leave from where they lie: nobody writes to their slots and columns before they are `released`.
   */
  push(chunk: DepartureChunk, first: number, end: number): void;
  /**
   * Back-pressure for whoever reads a source: `undefined` while the queue has room, else resolves when it has. `push` takes a
   * datagram in any case.
   */
  room(): Promise<void> | undefined;
  /** Resolves when everything pushed so far has left; rejects with a `LancastError` when the socket cannot send at all. */
  drained(): Promise<void>;
  /** Drops what is still queued and closes the socket. */
  close(): Promise<void>;
}

/** The receive buffer that is asked for when nobody says otherwise: 4 MiB. */
export const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Options of a receiving socket. */
export interface ArrivalOptions {
  /** The group to join or the local address to listen on; the port. `0.0.0.0` and `::` listen on every card. */
  address: Endpoint;
  /** The card to join on. */
  via: ChosenInterface;
  /** Source-specific multicast: accept only these senders. Empty or absent: any. */
  sources?: readonly string[];
  /** Kernel buffer to ask for, bytes. Default `RECEIVE_BUFFER_BYTES`; what was granted stands in the stats. */
  receiveBufferBytes?: number;
  /**
   * What comes may lie for so long before it is handed over, milliseconds: each hand-over costs a wake-up. Arrival times stay
   * true. Default 5, at most 20. The JavaScript engine gathers nothing.
   */
  gatherMs?: number;
  /** Called behind a run of datagrams: after each one by the JavaScript engine, after 64 at most by the native one. */
  afterBatch?: () => void;
}

/** Counters of an arrival queue since it was opened. */
export interface ArrivalStats {
  received: number;
  receivedBytes: number;
  /**
   * Datagrams the kernel dropped because our buffer was full, as of at most 200 ms ago; `undefined` when it does not tell. What
   * comes as one run (GSO, GRO) counts once, so it may be fewer than are lost.
   */
  readonly kernelDrops: number | undefined;
  /** The kernel's receive buffer in bytes as it was really granted, counted as it was asked for. */
  receiveBufferBytes: number;
  /** How often the group was joined again because the card had gone away. */
  rejoined: number;
  /**
   * How often the engine's own memory was full, because this process was too busy to take what had come: datagrams then wait in
   * the kernel's buffer, and what that drops stands in `kernelDrops`.
   */
  overruns: number;
}

/** Receives datagrams into the sink it was opened with. */
export interface ArrivalQueue extends AsyncDisposable {
  readonly stats: Readonly<ArrivalStats>;
  /** The address and port the socket is bound to. */
  readonly local: Endpoint;
  close(): Promise<void>;
}

/** Options of a socket for feedback: sends unpaced, receives what is sent back. */
export interface ExchangeOptions {
  via: ChosenInterface;
  /** Multicast hops or unicast TTL, 1 to 255. */
  ttl: number;
  /** Local port; default 0, an ephemeral one. */
  port?: number;
  broadcast?: boolean;
  /** Kernel buffer to ask for, bytes. Default: the system's. */
  receiveBufferBytes?: number;
  /** See `ArrivalOptions`. Default: as long as all other sockets let what comes lie. */
  gatherMs?: number;
}

/** A small two-way socket for RTCP: few datagrams, no pacing. */
export interface Exchange extends AsyncDisposable {
  readonly local: Endpoint;
  /** Sends at once. Failures are counted, never thrown. */
  send(datagram: Buffer, to: Endpoint): void;
  /** Datagrams that could not be sent. */
  readonly failed: number;
  close(): Promise<void>;
}

/** One implementation of UDP. */
export interface UdpEngine {
  readonly kind: 'javascript' | 'native';
  /** Opens a paced sending socket. Throws `LancastError` E102, E103, E105, E106, E115. */
  openDeparture(options: DepartureOptions): Promise<DepartureQueue>;
  /** Opens a receiving socket and joins. Throws `LancastError` E102, E103, E104, E105, E107, E111. */
  openArrival(options: ArrivalOptions, sink: ArrivalSink): Promise<ArrivalQueue>;
  /** Opens a feedback socket. Throws as `openDeparture`. */
  openExchange(options: ExchangeOptions, sink: ArrivalSink): Promise<Exchange>;
}
