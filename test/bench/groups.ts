/** The groups of benchmarks, in the order in which they run. */
import { readFileSync } from 'node:fs';
import type { Bench, Findings } from './bench.ts';
import { benchFec } from './fec.ts';
import { benchFlatOut } from './flat-out.ts';
import { benchMany } from './many.ts';
import { benchReceiving } from './receiving.ts';
import { benchReceivingLimits } from './receiving-limits.ts';
import { benchSending } from './sending.ts';
import { benchStages } from './stages.ts';
import { benchStall } from './stall.ts';
import { benchStartUp } from './start-up.ts';
import { benchViewers } from './viewers.ts';

/** One group: its word on the command line, its title, and what it does. */
export interface Group {
  name: string;
  title: string;
  run(bench: Bench): Promise<Findings>;
}

export const GROUPS: readonly Group[] = [
  { name: 'sending', title: 'Send one programme of 20 Mbit/s', run: benchSending },
  { name: 'start-up', title: 'Start-up', run: benchStartUp },
  { name: 'many', title: 'Send many programmes of 8 Mbit/s', run: benchMany },
  { name: 'flat-out', title: 'Send as fast as possible', run: benchFlatOut },
  { name: 'receiving', title: 'Receive to files', run: benchReceiving },
  { name: 'receiving-limits', title: 'Receive with little: buffer, memory', run: benchReceivingLimits },
  { name: 'stall', title: 'Stall of the event loop', run: benchStall },
  { name: 'viewers', title: 'Serve web clients', run: benchViewers },
  {
    name: 'stages',
    title: 'The stages in memory, without sockets',
    run: async ({ film }) => ({ rows: await benchStages(readFileSync(film)) }),
  },
  {
    name: 'fec',
    title: 'Repair packets, in memory',
    run: async () => ({ rows: benchFec() }),
  },
];
