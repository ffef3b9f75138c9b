/**
 * Keeps the senders on one port apart, and keeps what each sent until it is known what it is and whether it is played.
 *
 * Anybody can send to a port, from as many addresses as he likes: senders, datagrams and bytes are all bounded, and the sender
 * that plays is never given up for another.
 */
import { MAX_DATAGRAM_BYTES } from '../jitter-buffer/slab.ts';
import type { Endpoint, Framing } from '../wire/address.ts';
import { Beginning } from './beginning.ts';
import { guess, isReliableTransfer, recognise, type Recognition } from './recognition.ts';

/** A datagram that was kept: a copy. */
export interface HeldDatagram {
  readonly data: Buffer;
  readonly arrivedAt: number;
}

/** One source address and what is held of it. */
export interface Sender {
  readonly endpoint: Endpoint;
  /** Whose stream the held datagrams are, once they prove it. */
  recognised: Beginning | undefined;
  /** When they did. */
  recognisedAt: number;
  /** In the order of their arrival. */
  held: HeldDatagram[];
  /** With what they cost beside their bytes. */
  heldBytes: number;
  /** When the last datagram was held. */
  heldAt: number;
  /** People were told that it sends although another one plays. */
  announced: boolean;
}

/** Why a datagram is not held. Also the value of the `reason` label in the metrics. */
export type RefusedDatagram =
  | 'empty'
  | 'too-long' // more than the receive window takes
  | 'reliable-transfer'; // `copy://` to a port where streams are awaited

/** Senders per port. */
const MAX_SENDERS = 64;
/** Datagrams of a sender that is not recognised. */
const MAX_UNRECOGNISED = 64;
/** What has proved nothing for so long never will. */
const MAX_AGE_MS = 60_000;
/** What a held datagram costs beside its bytes. */
const OVERHEAD_BYTES = 256;
/** Of one sender, and of all together. */
const MAX_SENDER_BYTES = 8 * 1024 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;

export class Demultiplexer {
  /** Datagrams that are in no stream, by reason. */
  readonly refused = new Map<string, number>();
  readonly #fixed: Framing | undefined;
  readonly #latencyMs: number;
  /** By address and port, the one not heard for longest first. */
  readonly #senders = new Map<string, Sender>();
  readonly #waiting = new Set<Sender>();
  #bytes = 0;

  /**
   * @param fixed the only framing that is recognised, when the address names one
   * @param latencyMs how long a stream's beginning is waited for
   */
  constructor(fixed: Framing | undefined, latencyMs: number) {
    this.#fixed = fixed;
    this.#latencyMs = latencyMs;
  }

  /** All senders known, the one not heard for longest first. */
  get senders(): Iterable<Sender> {
    return this.#senders.values();
  }

  /** Bytes held of all senders. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those who are recognised, first come first. */
  get waiting(): ReadonlySet<Sender> {
    return this.#waiting;
  }

  /** When the first of those who wait is ready; `Infinity` when nobody does. */
  get readyAt(): number {
    let readyAt = Infinity;
    for (const { recognised } of this.#waiting) readyAt = Math.min(readyAt, recognised?.readyAt ?? Infinity);
    return readyAt;
  }

  refuse(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  /**
   * Holds a copy of a datagram and looks whether its sender can be recognised by now.
   *
   * @param spared the sender that plays: it is not given up for this one
   */
  hold(data: Buffer, arrivedAt: number, source: Endpoint, spared: Sender | undefined): Sender | undefined {
    if (isReliableTransfer(data)) {
      this.refuse('reliable-transfer');
      return undefined;
    }
    const sender = this.#find(source, spared);
    this.dropBefore(sender, arrivedAt - MAX_AGE_MS);
    const copy = Buffer.allocUnsafeSlow(data.length); // a slice of the common pool would pin all of that
    data.copy(copy);
    sender.held.push({ data: copy, arrivedAt });
    sender.heldBytes += data.length + OVERHEAD_BYTES;
    this.#bytes += data.length + OVERHEAD_BYTES;
    sender.heldAt = arrivedAt;
    if (sender.recognised) sender.recognised.see(copy, arrivedAt);
    else this.#begin(sender, recognise(bytesOf(sender), this.#fixed));
    this.#limit(sender);
    return sender;
  }

  /** Decides what a sender is by what little is held of it; `ssrc` when it is known from RTCP. */
  guess(sender: Sender, ssrc?: number): boolean {
    if (!sender.recognised) this.#begin(sender, guess(bytesOf(sender), this.#fixed, ssrc));
    return sender.recognised !== undefined;
  }

  /** Decides on one of the senders that have not proved what they are: the one of which most is held. */
  guessAny(): boolean {
    const senders = [...this.#senders.values()].sort((a, b) => b.held.length - a.held.length);
    return senders.some((sender) => this.guess(sender));
  }

  /** Drops what was held before `arrivedAt`. */
  dropBefore(sender: Sender, arrivedAt: number): void {
    while ((sender.held[0]?.arrivedAt ?? Infinity) < arrivedAt) this.#dropOldest(sender);
  }

  /** Nothing more is expected: no beginning is waited for, and what is not recognised is counted and dropped. */
  accept(): void {
    for (const sender of this.#senders.values()) {
      sender.recognised?.accept();
      while (!sender.recognised && sender.held.length > 0) this.#dropOldest(sender);
    }
  }

  /** Everything that is held of a sender; from now on it has to prove itself again. */
  release(sender: Sender): HeldDatagram[] {
    const { held } = sender;
    this.#bytes -= sender.heldBytes;
    sender.held = [];
    sender.heldBytes = 0;
    sender.recognised = undefined;
    this.#waiting.delete(sender);
    sender.announced = false;
    return held;
  }

  #find({ address, port }: Endpoint, spared: Sender | undefined): Sender {
    const key = `${address} ${port}`;
    const known = this.#senders.get(key);
    const sender = known ?? {
      endpoint: { address, port },
      recognised: undefined,
      recognisedAt: 0,
      held: [],
      heldBytes: 0,
      heldAt: 0,
      announced: false,
    };
    this.#senders.delete(key);
    this.#senders.set(key, sender);
    if (this.#senders.size > MAX_SENDERS) this.#forgetOldest(spared);
    return sender;
  }

  #begin(sender: Sender, recognition: Recognition | undefined): void {
    if (!recognition) return;
    sender.recognised = new Beginning(recognition, this.#latencyMs);
    sender.recognisedAt = sender.heldAt;
    this.#waiting.add(sender);
    for (const { data, arrivedAt } of sender.held) sender.recognised.see(data, arrivedAt);
  }

  /** A beginning that fills the memory is taken as it is, before anything of it must be dropped. */
  #limit(sender: Sender): void {
    const most = sender.recognised ? Infinity : MAX_UNRECOGNISED;
    while (
      sender.held.length > most ||
      sender.heldBytes > MAX_SENDER_BYTES ||
      (this.#bytes > MAX_BYTES && sender.held.length > 0)
    ) {
      this.#dropOldest(sender);
    }
    const room = Math.min(MAX_SENDER_BYTES - sender.heldBytes, MAX_BYTES - this.#bytes);
    if (room < MAX_DATAGRAM_BYTES + OVERHEAD_BYTES) sender.recognised?.accept();
  }

  #forgetOldest(spared: Sender | undefined): void {
    for (const [key, sender] of this.#senders) {
      if (sender === spared) continue;
      while (sender.held.length > 0) this.#dropOldest(sender);
      this.#senders.delete(key);
      return;
    }
  }

  #dropOldest(sender: Sender): void {
    const dropped = sender.held.shift();
    if (!dropped) return;
    sender.heldBytes -= dropped.data.length + OVERHEAD_BYTES;
    this.#bytes -= dropped.data.length + OVERHEAD_BYTES;
    if (!sender.recognised) this.refuse('unrecognised');
    else if (sender.held.length === 0) {
      sender.recognised = undefined;
      this.#waiting.delete(sender);
    }
  }
}

function bytesOf({ held }: Sender): Buffer[] {
  return held.map(({ data }) => data);
}
