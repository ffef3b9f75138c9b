/** A FEC decoder over a window that keeps everything, and knows what was sent. */
import { FecDecoder, type RepairedWindow } from '../../receiver/fec-decoder.ts';
import type { NaivePacket } from './fec.ts';

/** Keeps all, and refuses to be given something wrong. */
export class PlainWindow implements RepairedWindow {
  readonly recovered: number[] = [];
  readonly #sources: readonly Buffer[];
  readonly #there = new Map<number, Buffer>();

  constructor(sources: readonly Buffer[]) {
    this.#sources = sources;
  }

  put(index: number): void {
    const source = this.#sources[index];
    if (source) this.#there.set(index, source);
  }

  forget(index: number): void {
    this.#there.delete(index);
  }

  has(index: number): boolean {
    return this.#there.has(index);
  }

  datagramAt(index: number): Buffer | undefined {
    return this.#there.get(index);
  }

  recover(index: number, datagram: Buffer): boolean {
    if (this.#there.has(index)) throw new Error(`${index} was not missing`);
    if (!this.#sources[index]?.equals(datagram)) throw new Error(`${index} came out wrong`);
    this.recovered.push(index);
    this.#there.set(index, Buffer.from(datagram));
    return true;
  }

  get there(): Set<number> {
    return new Set(this.#there.keys());
  }
}

/** One thing that arrives: a source packet by its index, or a repair packet. */
export type Arrival = number | NaivePacket;

export interface Scene {
  sources: Buffer[];
  window: PlainWindow;
  decoder: FecDecoder;
}

export function scene(sources: Buffer[]): Scene {
  const window = new PlainWindow(sources);
  return { sources, window, decoder: new FecDecoder(window, sources[0]?.readUInt16BE(2) ?? 0) };
}

export function play({ window, decoder }: Scene, arrivals: readonly Arrival[]): void {
  const scratch = Buffer.alloc(2048); // what arrived is good during the call only
  for (const arrival of arrivals) {
    if (typeof arrival === 'number') {
      window.put(arrival);
      decoder.arrived(arrival);
    } else {
      arrival.datagram.copy(scratch);
      decoder.repair(scratch.subarray(0, arrival.datagram.length));
      scratch.fill(0xee);
    }
  }
}

/** Everything of a stream in the order in which it leaves. */
export function departures(sources: readonly Buffer[], protection: readonly NaivePacket[]): Arrival[] {
  const rest = [...protection];
  const all: Arrival[] = [];
  for (let index = 0; index < sources.length; index++) {
    all.push(index);
    while ((rest[0]?.leavesWith ?? Infinity) <= index) all.push(...rest.splice(0, 1));
  }
  return [...all, ...rest];
}
