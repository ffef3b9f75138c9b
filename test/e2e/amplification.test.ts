/**
 * What the ports of the real programs answer to somebody who has not proved where he is: never more than three times what he sent.
 * And whatever he sends, the stream beside it stays what it is.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { writeLanc } from '../../wire/lanc.ts';
import { writeNack } from '../../wire/rtcp-feedback.ts';
import { writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { RTP_RTX, writeRtx } from '../../wire/rtx.ts';
import { randomFrom } from '../helpers/network.ts';
import { payloadOf, rtpDatagram, senderCompound, sequenceDatagram } from '../helpers/packets.ts';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshPort, lancast, sha256, temporaryFolder, type Program } from './program.ts';

const FILM = programme({ durationMs: 5000, bitsPerSecond: 3_000_000 });
/** Nobody else's on this machine, so that accounts by address are his alone. */
const STRANGER = '127.66.6.6';
const REQUESTS = 400;
const FLOOD_MS = 3000;
/** Of a core, on a machine that does other things as well. */
const MOST_SHARE = 0.25;
/** A thousand compounds a second, of which each asks for 128 datagrams. */
const FLOOD_STEP_MS = 5;
const FLOOD_PER_STEP = 5;

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

function closeAfter(...opened: Socket[]): void {
  sockets.push(...opened);
}

/** An even port with seven free ones behind it. */
function eightPorts(): number {
  const [first] = [freshPort(), freshPort(), freshPort(), freshPort()];
  return first;
}

/** The UDP ports that a program has open, by its open files. Linux. */
function portsOf({ pid }: Program): number[] {
  const inodes = new Set<string>();
  for (const file of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${file}`))?.[1];
      if (inode) inodes.add(inode);
    } catch {
      // closed in this moment
    }
  }
  const lines = readFileSync(`/proc/${pid}/net/udp`, 'utf8').trim().split('\n').slice(1);
  const ports = lines.flatMap((line) => {
    const words = line.trim().split(/\s+/);
    return inodes.has(words[9] ?? '') ? [Number.parseInt(words[1]?.split(':')[1] ?? '', 16)] : [];
  });
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Milliseconds of CPU that a program has taken. Linux. */
function cpuMs({ pid }: Program): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const words = rest.split(' ');
  return 10 * (Number(words[11]) + Number(words[12]));
}

/** Requests of all kinds, whole, damaged and cut, some about the stream `ssrc`. */
function corpus(seed: number, ssrc: number): Buffer[] {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const rr = (): RtcpPacket => ({ kind: 'rr', ssrc: below(2 ** 32), reports: [] });
  const lost = (): number[] => Array.from({ length: 1 + below(128) }, () => below(65_536));
  const nack = (): RtcpPacket => writeNack({ ssrc: 1, mediaSsrc: ssrc, lost: lost() });
  const cookie = (): Buffer => Buffer.alloc(8, below(256));
  const media = (): Buffer =>
    rtpDatagram({ ssrc, sequence: below(65_536) }, payloadOf(below(1000), 1 + below(7)));
  const makers: (() => Buffer)[] = [
    () => writeRtcp([rr()]),
    () => writeRtcp([rr(), nack()]),
    () => writeRtcp([rr(), { kind: 'sdes', chunks: [{ ssrc: 1, cname: 'x' }] }, nack(), nack()]),
    () => writeRtcp([rr(), writeLanc({ kind: 'echo', cookie: cookie() }, 1), nack()]),
    () => writeRtcp([rr(), writeLanc({ kind: 'challenge', cookie: cookie() }, 1)]),
    () =>
      senderCompound({ ssrc, lanc: { index: below(1000), sequence: below(65_536), reportIntervalMs: 0 } }),
    () => senderCompound({ ssrc, bye: true }),
    media,
    () => writeRtx(media(), { payloadType: RTP_RTX, sequence: below(65_536) }),
    () =>
      Buffer.concat([
        rtpDatagram({ ssrc, payloadType: 96 }, Buffer.alloc(0)),
        Buffer.alloc(16 + below(400), 1),
      ]),
    () =>
      Buffer.concat([
        rtpDatagram({ ssrc, payloadType: 127 }, Buffer.alloc(0)),
        Buffer.alloc(12 + below(400), 1),
      ]),
    () => sequenceDatagram(below(2 ** 32)),
    () =>
      Buffer.concat([Buffer.from('LCF1'), Buffer.from(Array.from({ length: below(60) }, () => below(256)))]),
    () => Buffer.from(Array.from({ length: below(80) }, () => below(256))),
    () => Buffer.alloc(0),
  ];
  return Array.from({ length: REQUESTS }, (_, number) => {
    const datagram = (makers[number % makers.length] ?? media)();
    for (let damage = below(3); damage > 0 && datagram.length > 0 && random() < 0.4; damage--)
      datagram.writeUInt8(below(256), below(datagram.length));
    return random() < 0.1 ? datagram.subarray(0, below(datagram.length + 1)) : datagram;
  });
}

async function stranger(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, STRANGER);
  await once(socket, 'listening');
  socket.on('error', () => undefined); // nobody listens there any more
  return socket;
}

/** Sends the corpus to a port and listens for as long as answers may take. The bytes that came back for each that was sent. */
async function gainOf(port: number, seed: number, ssrc: number): Promise<number> {
  const socket = await stranger();
  let [came, went] = [0, 0];
  socket.on('message', ({ length }) => (came += length));
  for (const datagram of corpus(seed, ssrc)) {
    went += datagram.length;
    socket.send(datagram, port, '127.0.0.1', () => undefined);
    await sleep(2);
  }
  await sleep(1500);
  socket.close();
  return came / went;
}

/** A film that is cast to a recorder, and to somebody who overhears it: its SSRC, its newest sequence number, where it is told of losses. */
interface Overheard {
  sender: Program;
  recorder: Program;
  out: string;
  ssrc: number;
  newest: () => number;
  feedbackPort: number;
}

async function listening(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function overhear(...send: string[]): Promise<Overheard> {
  const [port, theirs] = [eightPorts(), eightPorts()];
  const out = path.join(temporaryFolder(), 'out.ts');
  const url = `rtp://127.0.0.1:${port}`;
  const recorder = lancast('record', url, out, '--json', '--latency', '1s');
  await recorder.event('recording');
  const [media, rtcp] = await Promise.all([listening(theirs), listening(theirs + 1)]);
  const header = Buffer.alloc(12);
  media.on('message', (datagram: Buffer) => datagram.copy(header));
  const told = once(rtcp, 'message');
  const words = ['send', fileOf('film.ts', FILM), '--to', url, '--to', `rtp://127.0.0.1:${theirs}`];
  const sender = lancast(...words, '--json', ...send);
  const [, source]: unknown[] = await told;
  const feedbackPort = typeof source === 'object' && source && 'port' in source ? Number(source.port) : 0;
  await sleep(300);
  closeAfter(media, rtcp);
  return {
    sender,
    recorder,
    out,
    ssrc: header.readUInt32BE(8),
    newest: () => header.readUInt16BE(2),
    feedbackPort,
  };
}

describe('every port', () => {
  async function waiting(...words: string[]): Promise<Program> {
    const program = lancast(...words, '--json');
    await program.until(() => program.events.length > 0, 'anything');
    return program;
  }

  it('sends whoever has not proved where he is at most three times what he sent', async () => {
    const fec = ['--loop', '--fec', '2022:5x5+rows'];
    const { sender, recorder, ssrc } = await overhear(...fec);
    const out = path.join(temporaryFolder(), 'o.ts');
    const programs: [name: string, program: Program][] = [
      ['send', sender],
      ['record', recorder],
      ['a recorder that waits', await waiting('record', `rtp://127.0.0.1:${eightPorts()}`, out)],
      [
        'a recorder of copies',
        await waiting('record', `copy://127.0.0.1:${eightPorts()}`, temporaryFolder()),
      ],
      ['a viewer that waits', await waiting('watch', `127.0.0.1:${eightPorts()}`, '--http', '127.0.0.1:0')],
    ];
    await sleep(500);
    const measured = await Promise.all(
      programs.flatMap(([name, program], place) =>
        portsOf(program).map(async (port, number) => {
          const seed = 100 * place + number;
          return { name, port, seed, gain: await gainOf(port, seed, ssrc) };
        }),
      ),
    );
    for (const { name, port, seed, gain } of measured)
      console.log(`${name}, port ${port}, seed ${seed}: ${gain.toFixed(3)} times`);
    for (const [name] of programs) expect(measured.some((each) => each.name === name)).toBe(true);
    for (const { gain } of measured) expect(gain).toBeLessThanOrEqual(3);
    expect(Math.max(...measured.map(({ gain }) => gain))).toBeGreaterThan(0);
  });
});

describe('a flood of requests in the name of others', () => {
  /** Asks for as much as there can be, from where no receiver is. */
  async function flood({ feedbackPort, ssrc, newest }: Overheard): Promise<number> {
    const socket = await stranger();
    let came = 0;
    socket.on('message', ({ length }) => (came += length));
    let went = 0;
    for (const until = performance.now() + FLOOD_MS; performance.now() < until; await sleep(FLOOD_STEP_MS)) {
      const lost = Array.from({ length: 128 }, (_, back) => (newest() - back) & 0xffff);
      const datagram = writeRtcp([
        { kind: 'rr', ssrc: 1, reports: [] },
        writeNack({ ssrc: 1, mediaSsrc: ssrc, lost }),
      ]);
      for (let each = 0; each < FLOOD_PER_STEP; each++) {
        socket.send(datagram, feedbackPort, '127.0.0.1', () => undefined);
        went += datagram.length;
      }
    }
    socket.close();
    return came / went;
  }

  it('leaves the stream as it is, and the sender at ease', async () => {
    const [calm, flooded] = await Promise.all([overhear(), overhear()]);
    const before = [calm, flooded].map(({ sender }) => cpuMs(sender));
    const gain = await flood(flooded);
    const [alone = 0, more = 0] = [calm, flooded].map(
      ({ sender }, each) => cpuMs(sender) - (before[each] ?? 0),
    );
    const share = (more - alone) / FLOOD_MS;
    console.log(
      `a flood answered by ${gain.toFixed(3)} times as much takes ${(100 * share).toFixed(1)} % of a core`,
    );
    expect(gain).toBeLessThanOrEqual(3);
    expect(share).toBeLessThanOrEqual(MOST_SHARE);
    for (const { sender, recorder, out } of [calm, flooded]) {
      expect((await sender.ended).code).toBe(0);
      expect((await recorder.ended).code).toBe(0);
      expect(recorder.events.at(-1)).toMatchObject({ lost: 0, missingBefore: 0 });
      expect(sha256(readFileSync(out))).toBe(sha256(FILM));
    }
  });
});
