/** A stream on virtual time whose receivers lose and report, and a sender that protects it as they need. */
import { FecAuto, type FecAutoOptions } from '../../sender/fec-auto.ts';
import { fecOverhead, formatFecSetting, type FecSetting } from '../../wire/fec/fec-setting.ts';
import { Trial } from '../../wire/fec/trial.ts';
import { LossPattern } from '../../wire/loss-pattern.ts';
import { type RtcpPacket, writeRtcp } from '../../wire/rtcp.ts';
import { LossReporter } from '../../receiver/loss-reporter.ts';
import { lossModel, randomFrom, type NetworkOptions } from './network.ts';

/** The stream's SSRC. */
export const MEDIA = 9;

/** What a receiver goes through: one network after the other. `burst`: so many are lost at once, `apart`: after
 * so many others at least, and once in `every` on average. */
export type Weather = readonly {
  seconds: number;
  network: NetworkOptions | { burst: number; apart: number; every: number };
}[];

/** A change of the setting, and when. */
export interface Change {
  at: number;
  setting: string;
}

/** What became of a stretch of the stream, at one receiver. */
export interface Stretch {
  lost: number;
  missed: number;
}

interface Receiver {
  pattern: LossPattern;
  reporter: LossReporter;
  isLost: () => boolean;
  random: () => number;
  weather: Weather;
}

export interface AutoStreamOptions extends Pick<FecAutoOptions, 'latencyMs'> {
  weathers: readonly Weather[];
  datagramsPerSecond: number;
  firstSequence?: number;
  seed?: number;
}

/** Runs second by second. */
export class AutoStream {
  readonly auto: FecAuto;
  readonly changes: Change[] = [];
  readonly #departures: { index: number; sequence: number };
  readonly #receivers: Receiver[];
  readonly #firstSequence: number;
  readonly #perSecond: number;
  /** From which index on which setting holds. */
  readonly #settings: { from: number; setting: FecSetting | undefined }[] = [{ from: 0, setting: undefined }];

  constructor({
    weathers,
    datagramsPerSecond,
    firstSequence = 65_000,
    seed = 1,
    ...options
  }: AutoStreamOptions) {
    this.#firstSequence = firstSequence;
    this.#perSecond = datagramsPerSecond;
    this.#departures = { index: 0, sequence: firstSequence };
    const receiverOf = ({ port }: { port: number }): number => port;
    this.auto = new FecAuto({ ssrc: MEDIA, departures: this.#departures, receiverOf, ...options });
    this.#receivers = weathers.map((weather, place) => {
      const pattern = new LossPattern(0, Infinity);
      const random = randomFrom(seed * 1000 + place);
      return { pattern, reporter: new LossReporter(pattern), isLost: () => false, random, weather };
    });
  }

  get seconds(): number {
    return Math.max(
      ...this.#receivers.map(({ weather }) => weather.reduce((sum, { seconds }) => sum + seconds, 0)),
    );
  }

  /** Sends all of it. */
  run(): void {
    for (let second = 0; second < this.seconds; second++) {
      this.#send();
      for (const receiver of this.#receivers) this.#receive(receiver, second);
      const now = (second + 1) * 1000;
      this.#look(now);
      for (const [place, { reporter }] of this.#receivers.entries()) this.#report(reporter, place, now);
    }
  }

  /** What a receiver lost between two seconds, and missed in spite of the settings that held. */
  between(place: number, from: number, to: number): Stretch {
    const stretch = { lost: 0, missed: 0 };
    const pattern = this.#receivers[place]?.pattern ?? new LossPattern();
    for (const [at, { from: begin, setting }] of this.#settings.entries()) {
      const first = Math.max(begin, from * this.#perSecond);
      const end = Math.min(this.#settings[at + 1]?.from ?? Infinity, to * this.#perSecond);
      const part = partOf(pattern, first, end);
      const trial = new Trial(part, { from: first });
      stretch.lost += trial.lost;
      stretch.missed += setting ? trial.missed(setting, begin) : trial.lost;
    }
    return stretch;
  }

  /** The share of the stream that repair packets took between two seconds. */
  overhead(from: number, to: number): number {
    let sum = 0;
    for (const [at, { from: begin, setting }] of this.#settings.entries()) {
      const first = Math.max(begin / this.#perSecond, from);
      const end = Math.min((this.#settings[at + 1]?.from ?? Infinity) / this.#perSecond, to);
      if (setting && end > first) sum += (end - first) * fecOverhead(setting);
    }
    return sum / (to - from);
  }

  #send(): void {
    const departures = this.#departures;
    departures.index += this.#perSecond;
    departures.sequence = (this.#firstSequence + departures.index) & 0xffff;
  }

  #receive(receiver: Receiver, second: number): void {
    let begin = 0;
    for (const { seconds, network } of receiver.weather) {
      if (begin === second) receiver.isLost = modelOf(network, receiver.random);
      begin += seconds;
    }
    const { index } = this.#departures;
    for (let each = index - this.#perSecond; each < index; each++)
      if (receiver.isLost()) receiver.pattern.lost(each, 1);
    receiver.pattern.knownUntil(index);
  }

  #report(reporter: LossReporter, place: number, now: number): void {
    const report = reporter.report({ ssrc: place + 1, mediaSsrc: MEDIA, firstSequence: this.#firstSequence });
    const rr: RtcpPacket = { kind: 'rr', ssrc: place + 1, reports: [] };
    const datagram = writeRtcp(report ? [rr, report] : [rr]);
    this.auto.push({ datagram, source: { address: '10.0.0.1', port: place + 1 } }, now);
  }

  #look(now: number): void {
    for (let at = this.auto.wakeAt; at <= now; at = this.auto.wakeAt) {
      const change = this.auto.poll(now);
      if (!change) continue;
      this.#settings.push({ from: this.#departures.index, setting: change.setting });
      this.changes.push({
        at: now / 1000,
        setting: change.setting ? formatFecSetting(change.setting) : 'off',
      });
    }
  }
}

function modelOf(network: Weather[number]['network'], random: () => number): () => boolean {
  if (!('burst' in network)) return lossModel(network, random);
  const { burst, apart, every } = network;
  let came = 0;
  let left = 0;
  return () => {
    if (left === 0 && came >= apart && random() < 1 / (every - apart)) left = burst;
    if (left === 0) return came++ < 0;
    came = 0;
    return left-- > 0;
  };
}

function partOf(pattern: LossPattern, first: number, end: number): LossPattern {
  const part = new LossPattern(Math.max(0, first), Infinity);
  for (let place = 0; place < pattern.length; place++) {
    const run = pattern.at(place);
    if (run && run.first < end) part.lost(run.first, Math.min(run.count, end - run.first));
  }
  return part;
}
