/**
 * The sockets of one path of a stream: media, reports, and what repairs it, each on the port that the media's tells.
 *
 *     P media   P + 1 RTCP   P + 2, P + 4 repair packets   P + 6 retransmissions to the group
 *
 * Only the media's has to open. A program that takes a neighbouring port costs a repair, not the stream.
 */
import type { ArrivalQueue, ArrivalSink, ChosenInterface, Exchange, UdpEngine } from '../../transport/udp.ts';
import type { Endpoint, MediaAddress } from '../../wire/address.ts';
import { LancastError } from '../../wire/errors.ts';
import { isRtcp } from '../../wire/rtcp.ts';
import type { BesideMedia } from '../reception.ts';

/** Where to listen, and how. */
export interface PathOptions {
  address: MediaAddress;
  engine: UdpEngine;
  /** The card to join on. */
  via: ChosenInterface;
  /** Source-specific multicast: accept only these senders. */
  sources?: readonly string[] | undefined;
  /** Kernel buffer of the media, bytes. */
  receiveBufferBytes?: number | undefined;
  /** See `ArrivalOptions`. */
  gatherMs?: number | undefined;
}

/** Takes what comes. Bytes and source are valid during the call only. */
export interface PathListener {
  media: ArrivalSink;
  beside(heard: BesideMedia): void;
  /** Behind a run of datagrams of the media, or of what repairs it. */
  afterBatch(): void;
}

/** Reports and requests go to wherever the sender is. */
const FEEDBACK_TTL = 64;
const LAST_PORT = 65_535;

/** By their distance from the media's port. Retransmissions to one receiver come where its requests left from. */
const SIDES: readonly { offset: number; kind: BesideMedia['kind']; groupsOnly: boolean; missed: string }[] = [
  {
    offset: 1,
    kind: 'rtcp',
    groupsOnly: false,
    missed: "the sender's reports and its goodbye are not heard",
  },
  { offset: 2, kind: 'repair-packet', groupsOnly: false, missed: 'FEC is not heard' },
  { offset: 4, kind: 'repair-packet', groupsOnly: false, missed: 'rows of FEC are not heard' },
  { offset: 6, kind: 'retransmission', groupsOnly: true, missed: 'what is sent again to all is not heard' },
];

/** Open sockets. */
export class PathSockets {
  /** What a careful user should be told, a sentence each. */
  readonly notes: string[] = [];
  readonly #options: PathOptions;
  readonly #listener: PathListener;
  #media: ArrivalQueue | undefined;
  readonly #sides: ArrivalQueue[] = [];
  #exchange: Exchange | undefined;

  constructor(options: PathOptions, listener: PathListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Joins. Throws `LancastError` as the engine does when the media's socket cannot be opened; `close` in any case. */
  async open(): Promise<void> {
    const { engine, address, via, receiveBufferBytes } = this.#options;
    this.#media = await engine.openArrival(
      { ...this.#on(0), ...(receiveBufferBytes && { receiveBufferBytes }) },
      this.#listener.media,
    );
    const { framing, port } = address;
    if (framing === 'udp' || framing === 'seq' || port === LAST_PORT) return;
    const hear: ArrivalSink = (data, arrivedAt, source) =>
      this.#listener.beside({ kind: isRtcp(data) ? 'rtcp' : 'retransmission', data, arrivedAt, source });
    for (const side of SIDES) await this.#openSide(side);
    await this.#attempt('reports and requests do not leave', async () => {
      this.#exchange = await engine.openExchange({ via, ttl: FEEDBACK_TTL }, hear);
    });
  }

  /** Of the media's socket. */
  get stats(): ArrivalQueue['stats'] | undefined {
    return this.#media?.stats;
  }

  /** Sends a report or a request. */
  send(datagram: Buffer, to: Endpoint): void {
    this.#exchange?.send(datagram, to);
  }

  /** Nothing more is heard; something may still be sent. */
  async leave(): Promise<void> {
    await Promise.all([this.#media?.close(), ...this.#sides.map((side) => side.close())]);
  }

  async close(): Promise<void> {
    await this.leave();
    await this.#exchange?.close();
  }

  async #openSide({ offset, kind, groupsOnly, missed }: (typeof SIDES)[number]): Promise<void> {
    const { engine, address } = this.#options;
    if (address.port + offset > LAST_PORT || (groupsOnly && address.scope === 'unicast')) return;
    const hear: ArrivalSink = (data, arrivedAt, source) =>
      this.#listener.beside({ kind, data, arrivedAt, source });
    await this.#attempt(missed, async () => {
      this.#sides.push(await engine.openArrival(this.#on(offset), hear));
    });
  }

  async #attempt(missed: string, open: () => Promise<void>): Promise<void> {
    try {
      await open();
    } catch (error) {
      if (!(error instanceof LancastError)) throw error;
      this.notes.push(`${error.message}: ${missed}`);
    }
  }

  #on(offset: number) {
    const { address, via, sources, gatherMs } = this.#options;
    return {
      address: { address: address.address, port: address.port + offset },
      via,
      ...(sources && { sources }),
      ...(gatherMs !== undefined && { gatherMs }),
      afterBatch: () => this.#listener.afterBatch(),
    };
  }
}
