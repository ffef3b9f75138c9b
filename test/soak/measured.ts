/** A lancast that is watched from outside (memory, open files) and from within (its event loop, `meter.js`). Linux. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { MAIN, Program, temporaryFolder } from '../e2e/program.ts';

const METER = path.resolve('test/soak/meter.js');

/** How late a timer came that was due every 10 ms, after warming up. */
export interface Lateness {
  p999Ms: number;
  maxMs: number;
}

export class Measured extends Program {
  /** Bytes of resident memory at each look. */
  readonly memory: { atMs: number; rssBytes: number }[] = [];
  /** Numbers of open files that were seen. */
  readonly openFiles = new Set<number>();
  readonly #meter: string;

  /** Starts lancast with these words. */
  constructor(words: readonly string[], warmUpMs: number) {
    const meter = path.join(temporaryFolder(), 'meter.json');
    const env = { ...process.env, LANCAST_METER: meter, LANCAST_METER_WARM_UP_MS: String(warmUpMs) };
    super(process.execPath, ['--import', METER, MAIN, ...words], env);
    this.#meter = meter;
  }

  /** Looks at it. Throws when it is not running any more. */
  look(): void {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const rssBytes = 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
    this.memory.push({ atMs: performance.now(), rssBytes });
    this.openFiles.add(readdirSync(`/proc/${this.pid}/fd`).length);
  }

  /** By how many bytes its memory grew over all looks, by the line of least squares. */
  get growthBytes(): number {
    const mean = (numbers: number[]): number => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
    const [first, last] = [this.memory[0]?.atMs ?? 0, this.memory.at(-1)?.atMs ?? 0];
    const atMs = mean(this.memory.map((look) => look.atMs));
    const rssBytes = mean(this.memory.map((look) => look.rssBytes));
    const spread = mean(this.memory.map((look) => (look.atMs - atMs) ** 2));
    const together = mean(this.memory.map((look) => (look.atMs - atMs) * (look.rssBytes - rssBytes)));
    return (together / spread) * (last - first);
  }

  /** Once it has ended. */
  get lateness(): Lateness {
    const [p999Ms = NaN, maxMs = NaN] = readFileSync(this.#meter, 'utf8').split(' ').map(Number);
    return { p999Ms, maxMs };
  }
}
