/** The groups of benchmarks, in the order in which they run. */
import { readFileSync } from 'node:fs';
import type { Bench, Findings } from './bench.ts';
import { benchSending } from './sending.ts';
import { benchStages } from './stages.ts';
import { benchStartUp } from './start-up.ts';

/** One group: its word on the command line, its title, and what it does. */
export interface Group {
  name: string;
  title: string;
  run(bench: Bench): Promise<Findings>;
}

export const GROUPS: readonly Group[] = [
  { name: 'sending', title: 'Send one programme of 20 Mbit/s', run: benchSending },
  { name: 'start-up', title: 'Start-up', run: benchStartUp },
  {
    name: 'stages',
    title: 'The stages in memory, without sockets',
    run: async ({ film }) => ({ rows: await benchStages(readFileSync(film)) }),
  },
];
