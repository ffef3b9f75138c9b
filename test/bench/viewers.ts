/** A hundred web clients of one programme, served by `lancast watch` and by udpxy in turn: what each client costs. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FILM_SECONDS, PAYLOAD_BYTES, absence, type Bench, type Findings } from './bench.ts';
import { Measured } from './processes.ts';
import { median, ratioRow, type Figure } from './table.ts';
import type { Haul } from './viewer-clients.ts';

const CLIENTS = 100;
const ROUNDS = 3;
const GROUP = '239.255.13.79';
const FIRST_PORT = 5504;
const UDPXY_PORT = 4022;
const CLIENT_PROGRAM = fileURLToPath(new URL('viewer-clients.js', import.meta.url));
const STEADY_AFTER_MS = 2500;
const WINDOW_MS = 9000;
const LIMIT_MS = 20_000;
/** For udpxy to listen, and for the last datagrams to reach everybody. */
const SETTLE_MS = 500;

/** What one server came to. */
interface Figures {
  /** Percent of a core per client, a figure a round. */
  cpu: number[];
  /** Every client got the whole film each time. */
  whole: boolean;
}

/** A server that is running, and where its clients find the group. */
interface Relay {
  server: Measured;
  port: number;
  /** What its clients are to `viewer-clients`. */
  kind: 'feed' | 'http';
  url: string;
}

/** The row on fan-out. */
export async function benchViewers(bench: Bench): Promise<Findings> {
  const ours: Figures = { cpu: [], whole: true };
  const udpxy: Figures = { cpu: [], whole: true };
  const missing = absence(bench, 'udpxy');
  for (let round = 0; round < ROUNDS; round++) {
    const port = FIRST_PORT + 20 * round;
    await serveWithLancast(bench, port, ours);
    if (missing === undefined) await serveWithUdpxy(bench, port + 10, udpxy);
  }
  const row = ratioRow({
    work: `${CLIENTS} web clients of one 8 Mbit/s programme: CPU per client`,
    unit: '% of a core',
    ours: median(ours.cpu),
    peer: { name: 'udpxy', figure: missing ?? figureOf(udpxy) },
    most: 0.2,
    note: ours.whole ? 'all got every byte' : 'bytes are missing',
  });
  return { rows: [ours.whole ? row : { ...row, met: false }] };
}

/** A server whose clients miss bytes is not compared with. */
function figureOf({ cpu, whole }: Figures): Figure {
  return whole ? median(cpu) : 'udpxy: bytes are missing';
}

async function serveWithLancast(bench: Bench, port: number, into: Figures): Promise<void> {
  const args = ['watch', addressOf(port), '--iface', 'lo', '--http', '127.0.0.1:0', '--json'];
  await using server = new Measured(process.execPath, [bench.lancast, ...args]);
  await server.says('"listening"', LIMIT_MS);
  const url = /"url":"([^"]+)"/.exec(server.output)?.[1] ?? '';
  await measure(bench, { server, port, kind: 'feed', url }, into);
}

async function serveWithUdpxy(bench: Bench, port: number, into: Figures): Promise<void> {
  const args = ['-T', '-a', '127.0.0.1', '-p', String(UDPXY_PORT), '-m', '127.0.0.1', '-c', String(CLIENTS)];
  await using server = new Measured('udpxy', args);
  await sleep(SETTLE_MS);
  const url = `http://127.0.0.1:${UDPXY_PORT}/udp/${GROUP}:${port}`;
  await measure(bench, { server, port, kind: 'http', url }, into);
}

async function measure(bench: Bench, { server, port, kind, url }: Relay, into: Figures): Promise<void> {
  const film = bench.films.channel(FILM_SECONDS);
  await using clients = new Measured(process.execPath, [CLIENT_PROGRAM, kind, url, String(CLIENTS)]);
  await clients.says('"joined"', LIMIT_MS);
  const send = [bench.lancast, 'send', film, '--to', addressOf(port), '--iface', 'lo'];
  await using sender = new Measured(process.execPath, send);
  await sleep(STEADY_AFTER_MS);
  into.cpu.push((await server.cpuPercent(WINDOW_MS)) / CLIENTS);
  await sender.end(LIMIT_MS);
  await sleep(SETTLE_MS);
  await clients.stop();
  into.whole &&= isWhole(clients.output, statSync(film).size);
}

/** Bare TS: every relay knows it. */
function addressOf(port: number): string {
  return `udp://${GROUP}:${port}`;
}

/** A page gets everything from the first key frame on, behind tables of its own: that is less than a datagram off. */
function isWhole(output: string, filmBytes: number): boolean {
  const { bytes, flawed }: Haul = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
  return flawed === 0 && bytes.every((each) => Math.abs(each - filmBytes) < PAYLOAD_BYTES);
}
