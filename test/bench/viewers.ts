/** A hundred web clients of one programme, served by `lancast watch` and by udpxy in turn: what each client costs. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PAYLOAD_BYTES, absence, type Bench, type Findings, STEADY_AFTER_MS } from './bench.ts';
import { Measured } from './processes.ts';
import { median, ratioRow } from './table.ts';
import type { Haul } from './viewer-clients.ts';

const CLIENTS = 100;
const ROUNDS = 3;
const GROUP = '239.255.13.79';
const FIRST_PORT = 5504;
const UDPXY_PORT = 4022;
const CLIENT_PROGRAM = fileURLToPath(new URL('viewer-clients.js', import.meta.url));
const FILM_SECONDS = 24;
const WINDOW_MS = 11_000;
const LIMIT_MS = 20_000;
/** For udpxy to listen, and for the last datagrams to reach everybody. */
const SETTLE_MS = 1500;

/** What one server came to. */
interface Figures {
  /** Percent of a core per client, a figure a round. */
  cpu: number[];
  /** How many clients, in all rounds, did not get the whole film. */
  short: number;
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
  const ours: Figures = { cpu: [], short: 0 };
  const udpxy: Figures = { cpu: [], short: 0 };
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
    peer: { name: 'udpxy', figure: missing ?? median(udpxy.cpu) },
    most: 0.2,
    note: [wholeness(ours), ...(udpxy.short > 0 ? [`udpxy: ${wholeness(udpxy)}`] : [])].join('; '),
  });
  return { rows: [ours.short === 0 ? row : { ...row, met: false }] };
}

function wholeness({ short }: Figures): string {
  return short === 0 ? 'all got every byte' : `${short} of ${CLIENTS * ROUNDS} did not get every byte`;
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
  // Evenly spaced, as encoders send: bursts would spare a relay that wakes for each datagram.
  const send = ['send', film, '--to', addressOf(port), '--iface', 'lo', '--pace-quantum', '0'];
  await using sender = new Measured(process.execPath, [bench.lancast, ...send]);
  await sleep(STEADY_AFTER_MS);
  into.cpu.push((await server.cpuPercent(WINDOW_MS)) / CLIENTS);
  await sender.end(LIMIT_MS);
  await sleep(SETTLE_MS);
  await clients.stop();
  into.short += shortOf(clients.output, statSync(film).size);
}

/** Bare TS: every relay knows it. */
function addressOf(port: number): string {
  return `udp://${GROUP}:${port}`;
}

/** A page gets everything from the first key frame on, behind tables of its own: that is less than a datagram off. */
function shortOf(output: string, filmBytes: number): number {
  const { bytes }: Haul = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
  return bytes.filter((each) => Math.abs(each - filmBytes) >= PAYLOAD_BYTES).length;
}
