/**
 * A sender with a history and receivers that ask, on virtual time, with a network between them that loses. The same seed always
 * gives the same.
 */
import { FeedbackGuard } from '../../sender/feedback-guard.ts';
import { Fifo } from '../../sender/fifo.ts';
import { CHUNK_DATAGRAMS, type MediaRun } from '../../sender/media-chunk.ts';
import { HISTORY_BYTES, REPAIR_BUDGET, Retransmitter } from '../../sender/retransmitter.ts';
import type { Endpoint } from '../../wire/address.ts';
import { isRtcp } from '../../wire/rtcp.ts';
import { DepartedStream } from './departed-stream.ts';
import { cookieOf, receiverCompound } from './feedback.ts';
import { lossModel, randomFrom, type NetworkOptions } from './network.ts';
import { RepairedReceiver } from './repaired-receiver.ts';

export interface TrialOptions {
  seed: number;
  seconds: number;
  /** Payload. Default 20 Mbit/s. */
  bitsPerSecond?: number;
  /** Default 20. */
  roundTripMs?: number;
  /** Each way takes up to so much longer, at random; nothing overtakes. Media comes evenly. Default 0. */
  jitterMs?: number;
  /** What the receivers think of it at first. Default: right. */
  guessMs?: number;
  /** Default 200. */
  latencyMs?: number;
  /** Towards each receiver, also of repairs. */
  loss?: Pick<NetworkOptions, 'loss' | 'burstLoss'>;
  /** Share lost where all receivers are behind. */
  commonLoss?: number;
  /** Share of the requests that is lost. */
  feedbackLoss?: number;
  /** Default 1. */
  receivers?: number;
  /** Default false: each receiver is sent its own copy. */
  multicast?: boolean;
  /** Of the first datagram. Default 1. */
  sequence?: number;
}

export interface TrialResult {
  /** Datagrams of the stream. */
  sent: number;
  /** Of them, over all receivers: lost by the network; never had; had, but not as they were sent. */
  lost: number;
  residual: number;
  wrong: number;
  /** Retransmissions that left, each counted once, and those of them to the group. */
  repairs: number;
  groupRepairs: number;
  /** Compounds with requests that left the receivers. */
  requests: number;
}

interface Peer {
  readonly receiver: RepairedReceiver;
  readonly source: Endpoint;
  readonly ssrc: number;
  readonly isLost: () => boolean;
  cookie: Buffer | undefined;
}

interface UnderWay {
  at: number;
  datagram: Buffer;
  peer: Peer | undefined;
}

const SSRC = 0x1234_5678;
const START_AT = 1000;
const HISTORY_MS = 1000;

/** Runs a stream from its first datagram until every receiver has come to the end. */
export function runTrial(options: TrialOptions): TrialResult {
  return new Trial(options).run();
}

class Trial {
  readonly #options: TrialOptions;
  readonly #random: () => number;
  readonly #halfMs: number;
  readonly #stream: DepartedStream;
  readonly #count: number;
  readonly #peers: readonly Peer[];
  readonly #retransmitter: Retransmitter;
  readonly #isCommonlyLost: () => boolean;
  readonly #lent = new Fifo<MediaRun>();
  readonly #toSender = new Fifo<UnderWay>();
  readonly #repairs = new Fifo<UnderWay>();
  #toSenderAt = 0; // when the latest of each arrives
  #repairAt = 0;
  #arrived = 0;
  #lost = 0;
  #requests = 0;

  constructor(options: TrialOptions) {
    const { seed, bitsPerSecond = 20e6, roundTripMs = 20, sequence = 1, multicast = false } = options;
    this.#options = options;
    this.#random = randomFrom(seed);
    this.#halfMs = roundTripMs / 2;
    const spacingMs = (1316 * 8000) / bitsPerSecond;
    this.#stream = new DepartedStream({ ssrc: SSRC, sequence, spacingMs, startAt: START_AT });
    this.#count = Math.round((options.seconds * 1000) / spacingMs);
    this.#isCommonlyLost = lossModel({ loss: options.commonLoss ?? 0 }, this.#random);
    this.#peers = Array.from({ length: options.receivers ?? 1 }, (_, number) => this.#peer(number));
    this.#retransmitter = new Retransmitter({
      ssrc: SSRC,
      cname: 'sender@test',
      guard: new FeedbackGuard({ key: Buffer.alloc(32, seed) }),
      receivers: new Map(this.#peers.map(({ ssrc }) => [ssrc, { roundTripMs }])),
      toGroup: multicast,
      destinations: multicast ? 1 : this.#peers.length,
      repairPortOf: () => 5010,
      rtxSequence: 65_530,
      repairBudget: REPAIR_BUDGET,
      historyMs: HISTORY_MS,
      historyBytes: HISTORY_BYTES,
    });
  }

  run(): TrialResult {
    this.#validate();
    const end = { at: this.#stream.dueAt(this.#count) + this.#halfMs, told: false };
    let departed = 0;
    for (let now = START_AT; ;) {
      const departAt = departed < this.#count ? this.#stream.dueAt(departed) : Infinity;
      const arriveAt =
        this.#arrived < this.#count ? this.#stream.dueAt(this.#arrived) + this.#halfMs : Infinity;
      const endAt = end.told ? Infinity : end.at;
      const wakeAt = this.#wakeAt();
      now = Math.max(now, Math.min(departAt, arriveAt, endAt, wakeAt));
      if (now === Infinity) break;
      if (now >= departAt) departed += this.#depart(departed, now);
      if (now >= arriveAt) this.#arrive(now);
      if (now >= wakeAt) this.#wake(now);
      if (now < endAt || this.#arrived < this.#count) continue;
      end.told = true;
      for (const { receiver } of this.#peers) receiver.end(this.#count, now);
    }
    return this.#result();
  }

  #peer(number: number): Peer {
    const { latencyMs = 200, roundTripMs = 20, guessMs = roundTripMs, sequence = 1 } = this.#options;
    const { multicast = false, loss = {} } = this.#options;
    const random = this.#random;
    const address = `10.0.${number >> 8}.${number & 255}`;
    return {
      receiver: new RepairedReceiver({
        sequence,
        latencyMs,
        isMulticast: multicast,
        roundTripMs: guessMs,
        random,
      }),
      source: { address, port: 40_000 },
      ssrc: 100 + number,
      isLost: lossModel(loss, random),
      cookie: undefined,
    };
  }

  /** Each receiver reports once, and has the challenge that answers it. */
  #validate(): void {
    const retransmitter = this.#retransmitter;
    for (const [number, peer] of this.#peers.entries()) {
      const datagram = receiverCompound({ ssrc: peer.ssrc, mediaSsrc: SSRC });
      retransmitter.push({ kind: 'rtcp', datagram, source: peer.source }, number);
      const challenge = retransmitter.poll(number);
      if (challenge) peer.cookie = cookieOf(challenge.datagram);
    }
  }

  #wakeAt(): number {
    const toSenderAt = this.#toSender.at(0)?.at ?? Infinity;
    const repairAt = this.#repairs.at(0)?.at ?? Infinity;
    let wakeAt = Math.min(toSenderAt, repairAt, this.#retransmitter.wakeAt);
    for (const { receiver } of this.#peers) wakeAt = Math.min(wakeAt, receiver.wakeAt);
    return wakeAt;
  }

  /** The next datagrams go into the departure queue; chunks that nobody needs any more are used again. */
  #depart(departed: number, now: number): number {
    const run = this.#stream.next(Math.min(CHUNK_DATAGRAMS, this.#count - departed));
    this.#retransmitter.push({ kind: 'departed', run }, now);
    this.#lent.push(run);
    const released = Math.min(this.#retransmitter.releasedUpTo, this.#arrived);
    for (let oldest = this.#lent.at(0); oldest; oldest = this.#lent.at(0)) {
      if (oldest.chunk.firstIndex + CHUNK_DATAGRAMS > released) break;
      this.#stream.pool.give(oldest.chunk);
      this.#lent.shift();
    }
    return run.end - run.first;
  }

  #arrive(now: number): void {
    const index = this.#arrived++;
    const oldest = this.#lent.at(0)?.chunk.firstIndex ?? 0;
    const chunk = this.#lent.at(Math.floor((index - oldest) / CHUNK_DATAGRAMS))?.chunk;
    if (!chunk) throw new Error(`the chunk of datagram ${index} was given back`);
    const datagram = chunk.departure.datagram(index - chunk.firstIndex);
    const isLost = this.#isCommonlyLost();
    for (const peer of this.#peers) {
      if (peer.isLost() || isLost) this.#lost++;
      else {
        peer.receiver.take(datagram, now);
        this.#askFor(peer, now);
      }
    }
  }

  #wake(now: number): void {
    const retransmitter = this.#retransmitter;
    for (let next = this.#toSender.at(0); next && next.at <= now; next = this.#toSender.at(0)) {
      this.#toSender.shift();
      if (!next.peer) continue;
      retransmitter.push({ kind: 'rtcp', datagram: next.datagram, source: next.peer.source }, now);
    }
    for (let next = this.#repairs.at(0); next && next.at <= now; next = this.#repairs.at(0)) {
      this.#repairs.shift();
      this.#takeRepair(next, now);
    }
    for (let sent = retransmitter.poll(now); sent; sent = retransmitter.poll(now)) {
      const { datagram, destination } = sent;
      const peer = destination === 'group' ? undefined : this.#peerAt(destination);
      this.#repairAt = Math.max(this.#repairAt, now + this.#wayMs());
      this.#repairs.push({ at: this.#repairAt, datagram, peer });
    }
    for (const peer of this.#peers) if (now >= peer.receiver.wakeAt) this.#askFor(peer, now);
  }

  /** What came from the sender: a repair, or a new challenge when the old one had grown old. */
  #takeRepair({ datagram, peer }: UnderWay, now: number): void {
    if (peer && isRtcp(datagram)) {
      peer.cookie = cookieOf(datagram);
      return;
    }
    const isLost = this.#isCommonlyLost();
    for (const each of peer ? [peer] : this.#peers) {
      if (each.isLost() || isLost) continue;
      each.receiver.takeRepair(datagram, now);
      this.#askFor(each, now);
    }
  }

  #askFor(peer: Peer, now: number): void {
    const { receiver, ssrc, cookie } = peer;
    const { feedbackLoss = 0 } = this.#options;
    for (let lost = receiver.poll(now); lost; lost = receiver.poll(now)) {
      this.#requests++;
      if (feedbackLoss > 0 && this.#random() < feedbackLoss) continue;
      const datagram = receiverCompound({ ssrc, mediaSsrc: SSRC, echo: cookie, lost });
      this.#toSenderAt = Math.max(this.#toSenderAt, now + this.#wayMs());
      this.#toSender.push({ at: this.#toSenderAt, datagram, peer });
    }
  }

  #wayMs(): number {
    const { jitterMs = 0 } = this.#options;
    return jitterMs > 0 ? this.#halfMs + this.#random() * jitterMs : this.#halfMs;
  }

  #peerAt({ address, port }: Endpoint): Peer {
    const peer = this.#peers.find(({ source }) => source.address === address);
    if (peer?.source.port !== port) throw new Error(`nobody is at ${address}:${port}`);
    return peer;
  }

  #result(): TrialResult {
    const { repaired: repairs, groupRepairs } = this.#retransmitter.stats;
    let [residual, wrong] = [0, 0];
    for (const { receiver } of this.#peers) {
      if (!receiver.ended) throw new Error('a receiver did not come to the end');
      residual += receiver.residual;
      wrong += receiver.wrong;
    }
    const [sent, lost, requests] = [this.#count, this.#lost, this.#requests];
    return { sent, lost, residual, wrong, repairs, groupRepairs, requests };
  }
}
