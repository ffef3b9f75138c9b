/** `lancast doctor`: what of this machine helps or hinders, and the remedies. */
import { readFileSync } from 'node:fs';
import { LancastError } from '../wire/errors.ts';
import { CHECKS, type Finding, type MachineFacts } from './checkup.ts';
import { command, flag, type Context } from './command.ts';
import { compilerHint, installHint } from './install-hint.ts';
import { installationFile } from './installation.ts';

const MARKS = { well: '✓', warning: '!', wrong: '✗' } as const;
/** What every receiver asks for. */
const ASKED_BYTES = 4 * 1024 * 1024;
const LOOPBACK = { name: 'lo', address: '127.0.0.1', family: 4, reason: 'the checkup' } as const;

export const doctor = command({
  name: 'doctor',
  summary: 'look at this PC, and name what is missing or slow, with the remedy',
  examples: [['lancast doctor', 'a report for people, with a remedy for each finding']],
  arguments: {},
  options: { json: flag('events for programs, a line of JSON each, on standard output') },
  run: examine,
});

async function examine(_values: unknown, { output }: Context): Promise<number> {
  const facts = await gatherFacts();
  const findings = CHECKS.map((judge) => judge(facts));
  for (const finding of findings) {
    output.event({ event: 'check', ...finding });
    output.print(wordsOf(finding));
  }
  const count = (state: Finding['state']): number => findings.filter((each) => each.state === state).length;
  const wrong = count('wrong');
  output.event({ event: 'summary', healthy: wrong === 0, wrong, warnings: count('warning') });
  return wrong === 0 ? 0 : 1;
}

function wordsOf({ check, state, words, fix }: Finding): string {
  const line = `  ${MARKS[state]} ${check.padEnd(8)} ${words}`;
  return fix === undefined ? line : `${line}\n    fix: ${fix}`;
}

async function gatherFacts(): Promise<MachineFacts> {
  const [{ chooseEngine }, { findFfmpeg }] = await Promise.all([
    import('../transport/engine.ts'),
    import('../codecs/ffmpeg.ts'),
  ]);
  const { engine, reason } = await chooseEngine();
  const ffmpeg = await findFfmpeg().catch((error: unknown) => {
    if (error instanceof LancastError) return undefined;
    throw error;
  });
  const arrival = await engine.openArrival(
    { address: { address: LOOPBACK.address, port: 0 }, via: LOOPBACK, receiveBufferBytes: ASKED_BYTES },
    () => undefined,
  );
  const granted = arrival.stats.receiveBufferBytes;
  await arrival.close();
  return {
    node: { version: process.versions.node, oldest: oldestNode() },
    engine: { kind: engine.kind, reason },
    platform: process.platform,
    withoutNative: process.env['LANCAST_NO_NATIVE'] === '1',
    ffmpeg,
    receiveBuffer: { asked: ASKED_BYTES, granted },
    install: { compiler: compilerHint(), ffmpeg: installHint('ffmpeg') },
  };
}

/** The version that package.json asks for. */
function oldestNode(): string {
  const manifest: { engines: { node: string } } = JSON.parse(
    readFileSync(installationFile('package.json'), 'utf8'),
  );
  return manifest.engines.node.replace('>=', '');
}
