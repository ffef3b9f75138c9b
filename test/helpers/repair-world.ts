/**
 * A whole sender that repairs, a whole reception, and between them one or two paths that lose, on virtual time. What is released is
 * compared with what was sent, byte by byte, and what is counted with what the network did.
 */
import type { ReleasedPayload } from '../../jitter-buffer/ordering.ts';
import { PathMerge, type Path } from '../../receiver/path-merge.ts';
import type { ReceptionFigures, ReceptionOutput } from '../../receiver/reception.ts';
import type { RetransmitterStats } from '../../sender/retransmitter.ts';
import { sameEndpoint, type Endpoint } from '../../wire/address.ts';
import type { PathsSnapshot } from '../../wire/metrics.ts';
import { isRtcp } from '../../wire/rtcp.ts';
import { Cable } from './cable.ts';
import { randomFrom, type NetworkOptions } from './network.ts';
import { ProtectedSender, type ProtectedDeparture } from './protected-sender.ts';
import { newReception } from './receive.ts';
import { SOURCES } from './two-paths.ts';

/** What one path is like. Default: perfect. */
export interface PathWeather {
  /** Of everything that goes to the receiver. */
  there?: NetworkOptions;
  /** Of what FEC adds, and of reports, instead. */
  fec?: NetworkOptions;
  rtcp?: NetworkOptions;
  /** Of what comes back. */
  back?: NetworkOptions;
}

/** A datagram on its way to the receiver. */
export interface Arriving {
  to: 'media' | 'rtcp' | 'repair-packet' | 'retransmission' | 'exchange';
  datagram: Buffer;
  source: Endpoint;
  path: Path;
  /** Of the media; else -1. */
  index: number;
  /** The number of the sender. */
  run: number;
}

export interface WorldOptions {
  seed: number;
  /** What is sent: by one sender after the other, each with numbers of its own. */
  films: readonly Buffer[];
  /** Of the first sender. Default 65 000. */
  sequence?: number;
  /** From the last datagram of a sender to the start of the next. Default 1000. */
  pauseMs?: number;
  /** The senders do not say goodbye. */
  crash?: boolean;
  fec?: string;
  retransmits?: boolean;
  multicast?: boolean;
  latencyMs?: number;
  /** Of each sender: until then nothing is lost, so that its receiver has proved where it is. Default 0. */
  calmMs?: number;
  /** One or two. */
  paths: readonly PathWeather[];
  /** These datagrams of the media get lost besides, on all paths. */
  loses?: (index: number) => boolean;
  /** What arrives instead of each datagram, in order. */
  tamper?: (arriving: Arriving) => Arriving[];
}

/** What became of it. */
export interface WorldResult {
  /** Datagrams that were sent, and those that the receiver was to have: from the first one on that came. */
  sent: number;
  expected: number;
  /** Of the expected ones: came on no path. */
  lost: number;
  /** Payloads that were not what was sent there. */
  wrong: number;
  /** Those that were never released, by the sender's count, and by run. */
  missing: { run: number; index: number }[];
  /** `restart`, `end`, `end proven`. */
  steps: string[];
  figures: ReceptionFigures;
  paths: PathsSnapshot | undefined;
  /** All repair packets of FEC that came, unless what comes is tampered with. */
  repairPackets: Buffer[];
  /** Media that came on any path, by index, of the last run. */
  came: ReadonlySet<number>;
  answered: RetransmitterStats | undefined;
}

const PAYLOAD_BYTES = 1316;
const RECEIVERS: readonly [Endpoint, Endpoint] = [
  { address: '10.0.9.1', port: 44_000 },
  { address: '10.1.9.1', port: 44_002 },
];
/** After a crash nothing more is expected. */
const GIVE_UP_AFTER_MS = 8000;
const MOST_TURNS = 1000;

/** Sends all of it, and waits until nothing happens any more. */
export function runWorld(options: WorldOptions): WorldResult {
  return new World(options).run();
}

interface Run {
  film: Buffer;
  sender: ProtectedSender;
  /** Datagrams that have left, and those that came. */
  left: number;
  came: Set<number>;
}

class World {
  readonly #options: WorldOptions;
  readonly #reception;
  readonly #merge: PathMerge | undefined;
  readonly #there: Cable<Arriving>[];
  readonly #fec: Cable<Arriving>[];
  readonly #rtcp: (Cable<Arriving> | undefined)[];
  /** All of them. */
  readonly #cables: Cable<Arriving>[];
  readonly #back: Cable<{ datagram: Buffer; source: Endpoint; run: number }>[];
  readonly #runs: Run[] = [];
  readonly #repairPackets: Buffer[] = [];
  #startAt = 0;
  #giveUpAt = Infinity;
  #secondSpeaker: string | undefined;
  #now = 0;

  /** Of what comes out. */
  #epoch = -1;
  #first: number | undefined; // of the epoch, by the sender's count
  #next = 0;
  #wrong = 0;
  #expected = 0;
  #lost = 0;
  readonly #missing: WorldResult['missing'] = [];
  readonly #steps: string[] = [];

  constructor(options: WorldOptions) {
    const { seed, paths, latencyMs = 200, multicast: isMulticast = false } = options;
    this.#options = options;
    this.#reception = newReception({ latencyMs, isMulticast, random: randomFrom(seed + 1000) });
    if (paths.length > 1) this.#merge = new PathMerge();
    const cable = <T>(weather: NetworkOptions | undefined, number: number): Cable<T> =>
      new Cable<T>({ seed: seed * 100 + number, ...weather });
    this.#there = paths.map(({ there }, path) => cable(there, path));
    this.#fec = paths.map(({ there, fec }, path) => cable(fec ?? there, 10 + path));
    this.#rtcp = paths.map(({ rtcp }) => rtcp && new Cable<Arriving>(rtcp));
    this.#cables = [...this.#there, ...this.#fec, ...this.#rtcp.flatMap((each) => each ?? [])];
    this.#back = paths.map(({ back }, path) => cable(back, 20 + path));
  }

  run(): WorldResult {
    let turns = 0;
    for (let now = 0; now < Infinity; now = Math.max(now, this.#wakeAt)) {
      turns = now === this.#now ? turns + 1 : 0;
      if (turns > MOST_TURNS) throw new Error(`stuck at ${now}`);
      this.#now = now;
      if (now >= this.#startAt) this.#start();
      this.#send(now);
      for (const cable of this.#cables)
        for (let came = cable.poll(now); came; came = cable.poll(now)) this.#arrive(came, now);
      if (now >= this.#giveUpAt) this.#giveUp(now);
      this.#drain(now);
      for (const cable of this.#back)
        for (let said = cable.poll(now); said; said = cable.poll(now))
          this.#runs[said.run]?.sender.push(said, now);
    }
    return this.#result();
  }

  get #wakeAt(): number {
    const sender = this.#runs.at(-1)?.sender;
    let wakeAt = Math.min(this.#startAt, this.#giveUpAt, this.#reception.wakeAt);
    if (sender) wakeAt = Math.min(wakeAt, sender.wakeAt);
    for (const cable of [...this.#cables, ...this.#back]) wakeAt = Math.min(wakeAt, cable.wakeAt);
    return wakeAt;
  }

  /** The next sender begins. */
  #start(): void {
    const {
      films,
      seed,
      sequence = 65_000,
      crash = false,
      multicast = false,
      fec,
      retransmits,
    } = this.#options;
    const number = this.#runs.length;
    const film = films[number] ?? Buffer.alloc(0);
    const first = { sequence: (sequence + 20_000 * number) & 0xffff, timestamp: 77, ssrc: 100 + number };
    const runs = [Buffer.from(film)];
    const random = randomFrom(seed + number);
    const own = { runs, first, random, saysGoodbye: !crash, multicast, fec, retransmits };
    this.#runs.push({ film, sender: new ProtectedSender(own), left: 0, came: new Set() });
    const calmUntil = this.#startAt + (this.#options.calmMs ?? 0);
    for (const cable of [...this.#cables, ...this.#back]) cable.calmUntil = calmUntil;
    this.#startAt = Infinity;
  }

  #send(now: number): void {
    const run = this.#runs.at(-1);
    if (!run) return;
    const { sender } = run;
    for (let out = sender.poll(now); out; out = sender.poll(now)) this.#depart(out, run, now);
  }

  #depart({ to, datagram }: ProtectedDeparture, run: Run, now: number): void {
    const index = to === 'media' ? run.left++ : -1;
    if (to === 'media' && run.left * PAYLOAD_BYTES >= run.film.length) this.#finished(now);
    if (index >= 0 && this.#options.loses?.(index)) return;
    for (const path of [0, 1] as const) {
      if (!this.#there[path] || !takesPath(to, path)) continue;
      const arriving: Arriving = {
        to: typeof to === 'object' ? 'exchange' : to === 'column' || to === 'row' ? 'repair-packet' : to,
        datagram: Buffer.from(datagram),
        source: sourceOf(to, path),
        path,
        index,
        run: this.#runs.length - 1,
      };
      this.#cableOf(arriving)?.push(arriving, now);
    }
  }

  #cableOf({ to, path }: Arriving): Cable<Arriving> | undefined {
    if (to === 'repair-packet') return this.#fec[path];
    return (to === 'rtcp' ? this.#rtcp[path] : undefined) ?? this.#there[path];
  }

  /** The last datagram of a sender has left. */
  #finished(now: number): void {
    const { films, pauseMs = 1000, crash = false } = this.#options;
    if (this.#runs.length < films.length) this.#startAt = now + pauseMs;
    else if (crash) this.#giveUpAt = now + GIVE_UP_AFTER_MS;
  }

  #arrive(arriving: Arriving, now: number): void {
    const { tamper } = this.#options;
    for (const each of tamper ? tamper(arriving) : [arriving]) this.#take(each, now);
    this.#drain(now);
  }

  #take({ to, datagram, source, path, index, run }: Arriving, now: number): void {
    if (to === 'media') {
      if (index >= 0) this.#runs[run]?.came.add(index);
      this.#takeMedia(datagram, path, source, now);
      return;
    }
    if (to === 'repair-packet' && !this.#options.tamper) this.#repairPackets.push(Buffer.from(datagram));
    const kind = to === 'exchange' ? (isRtcp(datagram) ? 'rtcp' : 'retransmission') : to;
    if (kind === 'rtcp' && path === 1) this.#secondSpeaker = source.address;
    const address = this.#merge?.addressOf(path, source) ?? source.address;
    this.#reception.push({ kind, data: datagram, arrivedAt: now, source, address }, now);
  }

  // oxlint-disable-next-line max-params
  #takeMedia(datagram: Buffer, path: Path, source: Endpoint, now: number): void {
    const from = this.#merge ? this.#merge.take(path, datagram, now, source) : source;
    if (this.#merge) this.#reception.nearest = source.address;
    const passed = from && this.#reception.passMedia(datagram, now, from);
    if (passed) this.#play(passed);
    else if (this.#reception.isPressing) this.#drain(now);
  }

  #giveUp(now: number): void {
    this.#giveUpAt = Infinity;
    this.#reception.push({ kind: 'giveUp' }, now);
    this.#drain(now);
    this.#reception.push({ kind: 'leave' }, now);
  }

  #drain(now: number): void {
    for (let out = this.#reception.poll(now); out; out = this.#reception.poll(now)) this.#route(out, now);
  }

  #route(output: ReceptionOutput, now: number): void {
    if (output.kind === 'payload') this.#play(output);
    else if (output.kind === 'gap') {
      const first = this.#first ?? NaN;
      for (let each = 0; each < output.count; each++)
        this.#missing.push({ run: this.#epoch, index: first + output.first + each });
      this.#next = output.first + output.count;
    } else if (output.kind === 'report') this.#report(output.datagram, output.to, now);
    else if (output.kind === 'recognised') {
      this.#merge?.follow(output.ssrc ?? 0, output.source);
      this.#begin();
    } else if (output.kind === 'end') this.#steps.push(output.proven ? 'end proven' : 'end');
    else this.#steps.push(output.kind);
  }

  #report(datagram: Buffer, to: Endpoint, now: number): void {
    const path = to.address === this.#secondSpeaker && this.#back.length > 1 ? 1 : 0;
    const { address, port } = SOURCES[path];
    if (!sameEndpoint(to, { address, port: port + 1 }))
      throw new Error(`nobody is at ${to.address}:${to.port}`);
    const said = { datagram: Buffer.from(datagram), source: RECEIVERS[path], run: this.#runs.length - 1 };
    this.#back[path]?.push(said, now);
  }

  #begin(): void {
    this.#conclude();
    this.#epoch++;
    this.#first = undefined;
    this.#next = 0;
  }

  #play({ payload, index }: ReleasedPayload): void {
    const film = this.#runs[this.#epoch]?.film ?? Buffer.alloc(0);
    this.#first ??= placeOf(payload, film) - index;
    const at = (this.#first + index) * PAYLOAD_BYTES;
    if (index !== this.#next || !payload.equals(film.subarray(at, at + PAYLOAD_BYTES))) this.#wrong++;
    this.#next = index + 1;
  }

  /** Of a run that is over: what was to come, and what of it did not. */
  #conclude(): void {
    const run = this.#runs[this.#epoch];
    if (!run) return;
    const first = this.#first ?? run.left;
    this.#expected += run.left - first;
    for (let index = first; index < run.left; index++) if (!run.came.has(index)) this.#lost++;
  }

  #result(): WorldResult {
    this.#conclude();
    return {
      sent: this.#runs.reduce((sum, { left }) => sum + left, 0),
      expected: this.#expected,
      lost: this.#lost,
      wrong: this.#wrong,
      missing: this.#missing,
      steps: this.#steps,
      figures: this.#reception.figures(this.#now),
      paths: this.#merge?.figures(this.#now + 2000),
      repairPackets: this.#repairPackets,
      came: this.#runs.at(-1)?.came ?? new Set(),
      answered: this.#runs.at(-1)?.sender.retransmitter?.stats,
    };
  }
}

/** Answers go where the question came from, and FEC on the first path. */
function takesPath(to: ProtectedDeparture['to'], path: Path): boolean {
  if (typeof to === 'object') return to.address === RECEIVERS[path].address;
  return path === 0 || (to !== 'column' && to !== 'row');
}

/** Media, FEC, and what is said leave from ports of their own. */
function sourceOf(to: ProtectedDeparture['to'], path: Path): Endpoint {
  const { address, port } = SOURCES[path];
  if (to === 'media') return { address, port };
  return { address, port: to === 'column' || to === 'row' ? port + 100 : port + 1 };
}

/** Which datagram of a film has these bytes; NaN when none of the first hundred does. */
function placeOf(payload: Buffer, film: Buffer): number {
  for (let index = 0; index < 100; index++) {
    const at = index * PAYLOAD_BYTES;
    if (payload.equals(film.subarray(at, at + PAYLOAD_BYTES))) return index;
  }
  return NaN;
}
