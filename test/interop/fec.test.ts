/**
 * SMPTE 2022-1 with other people's programs, both ways: FFmpeg's prompeg sender is repaired by us, GStreamer's decoder repairs
 * what we protect. Run by `npm run interop`, in a network namespace of its own.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FecDecoder } from '../../receiver/fec-decoder.ts';
import { FecEncoder, type ProtectedRun } from '../../sender/fec-encoder.ts';
import { Framer } from '../../sender/framer.ts';
import { ChunkPool, DATAGRAM_PAYLOAD_BYTES } from '../../sender/media-chunk.ts';
import { Packetizer } from '../../sender/packetizer.ts';
import { REPAIR_HEADER_BYTES, parseRepair, type FecMatrix } from '../../wire/fec/smpte2022.ts';
import { RTP_HEADER_BYTES, RTP_MP2T } from '../../wire/rtp.ts';
import { wrapDistance } from '../../wire/sequence.ts';
import { Program, freshPort, lancast, temporaryFolder } from '../e2e/program.ts';
import { peel } from '../helpers/fec.ts';
import { openLossyProxy } from '../helpers/lossy-proxy.ts';
import { randomFrom } from '../helpers/network.ts';

const CLIP = path.resolve('fixtures/clip.ts');
const HOST = '127.0.0.1';
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

/** Everything that comes to a port, copied. */
async function listen(port: number, into: (datagram: Buffer) => void): Promise<void> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  socket.on('message', (datagram) => into(Buffer.from(datagram)));
  socket.bind(port, HOST);
  await once(socket, 'listening');
}

/** A run of eight ports. */
function ports(): number {
  return [freshPort(), freshPort(), freshPort(), freshPort()][0] ?? 0;
}

describe('FFmpeg', () => {
  for (const [columns, rows] of [
    [5, 5],
    [10, 10],
    [20, 4],
  ] as const) {
    it(`sends prompeg ${columns}×${rows} that is repaired`, async () => {
      const port = ports();
      const arrivals: { isMedia: boolean; datagram: Buffer }[] = [];
      await listen(port, (datagram) => arrivals.push({ isMedia: true, datagram }));
      for (const at of [port + 2, port + 4])
        await listen(at, (datagram) => arrivals.push({ isMedia: false, datagram }));
      const words = [
        '-v',
        'error',
        '-nostdin',
        '-readrate',
        '4',
        '-i',
        CLIP,
        '-c',
        'copy',
        '-f',
        'rtp_mpegts',
      ];
      const fec = ['-fec', `prompeg=l=${columns}:d=${rows}`];
      await new Program('ffmpeg', [...words, ...fec, `rtp://${HOST}:${port}?pkt_size=1328`]).ended;
      await sleep(200);

      const sources = arrivals.filter(({ isMedia }) => isMedia).map(({ datagram }) => datagram);
      const first = sources[0]?.readUInt16BE(2) ?? 0;
      const random = randomFrom(columns);
      const kept = arrivals.filter(() => random() >= 0.08);
      const there = new Map<number, Buffer>();
      const decoder = new FecDecoder(
        {
          has: (index) => there.has(index),
          datagramAt: (index) => there.get(index),
          recover: (index, datagram) => {
            expect(datagram).toEqual(sources[index]);
            there.set(index, Buffer.from(datagram));
            return true;
          },
        },
        first,
      );
      const lines: number[][] = [];
      for (const { isMedia, datagram } of kept) {
        if (isMedia) {
          const index = wrapDistance(first, datagram.readUInt16BE(2), 16);
          there.set(index, datagram);
          decoder.arrived(index);
        } else {
          decoder.repair(datagram);
          const repair = parseRepair(datagram);
          if (typeof repair === 'string') throw new Error(repair);
          const base = wrapDistance(first, repair.snBase, 16);
          lines.push(Array.from({ length: repair.na }, (_, place) => base + place * repair.offset));
        }
      }
      decoder.sentUntil(sources.length);
      const came = kept.filter(({ isMedia }) => isMedia).length;
      expect(sources.length).toBeGreaterThan(400);
      expect(decoder.refused.size).toBe(0);
      expect(decoder.setting).toMatchObject({ kind: '2022', matrix: { columns, rows } });
      const indexes = kept
        .filter(({ isMedia }) => isMedia)
        .map(({ datagram }) => wrapDistance(first, datagram.readUInt16BE(2), 16));
      expect(new Set(there.keys())).toEqual(peel(indexes, lines));
      expect(there.size).toBeGreaterThan(came);
    });
  }
});

describe('FFmpeg and the program', () => {
  it('record what FFmpeg sends with prompeg as it was sent, though some of it is lost', async () => {
    const [listen, target] = [ports(), ports()];
    const sent = new Map<number, Buffer>();
    let lost = 0;
    // One of each 25 of the media, behind the first second: columns repair it.
    const loses = (datagram: Buffer): boolean => {
      if (((datagram[1] ?? 0) & 0x7f) !== RTP_MP2T) return false;
      const sequence = datagram.readUInt16BE(2);
      sent.set(sequence, Buffer.from(datagram.subarray(RTP_HEADER_BYTES)));
      const isLost = sent.size > 50 && sent.size < 400 && sequence % 25 === 3;
      if (isLost) lost++;
      return isLost;
    };
    const offsets = [0, 1, 2, 4].map((offset) => ({ listen: listen + offset, target: target + offset }));
    await using _relay = await openLossyProxy({ ports: offsets, there: { loses } });
    const out = path.join(temporaryFolder(), 'out.ts');
    const url = `rtp://${HOST}:${target}`;
    const recorder = lancast('record', url, out, '--json', '--latency', '5s', '--timeout', '6s');
    await recorder.event('recording');
    const input = ['-v', 'error', '-nostdin', '-re', '-i', CLIP, '-c', 'copy', '-f', 'rtp_mpegts'];
    const fec = ['-fec', 'prompeg=l=5:d=5', `rtp://${HOST}:${listen}?pkt_size=1328`];
    await new Program('ffmpeg', [...input, ...fec]).ended;
    expect((await recorder.ended).code).toBe(0);
    expect(recorder.events.at(-1)).toMatchObject({ lost, recovered: lost, unrecovered: 0 });
    expect(lost).toBeGreaterThan(10);
    expect(readFileSync(out).equals(Buffer.concat([...sent.values()]))).toBe(true);
  });
});

/** The clip as lancast sends it, protected. */
function protectedClip(matrix: FecMatrix): ProtectedRun[] {
  const clip = readFileSync(CLIP);
  const packetizer = new Packetizer({
    transportStream: true,
    holdMs: Infinity,
    pool: new ChunkPool(RTP_HEADER_BYTES),
  });
  const framer = new Framer({ framing: 'rtp', sequence: 65_000, timestamp: 7, ssrc: 0x1234_5678 });
  const pool = new ChunkPool(REPAIR_HEADER_BYTES);
  const fecEncoder = new FecEncoder({ matrix, sequences: { column: 65_500, row: 3 }, pool });
  const out: ProtectedRun[] = [];
  const step = 100 * DATAGRAM_PAYLOAD_BYTES;
  const inputs = Array.from({ length: Math.ceil(clip.length / step) }, (_, at) =>
    clip.subarray(at * step, (at + 1) * step),
  );
  for (const input of [...inputs, undefined]) {
    packetizer.push(input, 0);
    for (let run = packetizer.poll(); run; run = packetizer.poll()) {
      framer.push(run);
      fecEncoder.push(framer.poll());
      for (let made = fecEncoder.poll(); made; made = fecEncoder.poll()) out.push(made);
    }
  }
  fecEncoder.push(undefined);
  for (let made = fecEncoder.poll(); made; made = fecEncoder.poll()) out.push(made);
  return out;
}

describe('GStreamer', () => {
  const MEDIA = 'application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T,payload=33';
  const REPAIR = 'application/x-rtp,clock-rate=90000,payload=96';
  const START_MS = 2000;

  it('repairs what the program sends, though some of it is lost', async () => {
    const [listen, target] = [ports(), ports()];
    let count = 0;
    const loses = (datagram: Buffer): boolean => {
      if (((datagram[1] ?? 0) & 0x7f) !== RTP_MP2T) return false;
      count++;
      return count > 50 && count < 400 && datagram.readUInt16BE(2) % 40 < 5;
    };
    const offsets = [0, 2].map((offset) => ({ listen: listen + offset, target: target + offset }));
    await using relay = await openLossyProxy({ ports: offsets, there: { loses } });
    const out = path.join(temporaryFolder(), 'out.ts');
    const pipeline = [
      'rtpst2022-1-fecdec name=fec size-time=5000000000 ! rtpjitterbuffer latency=2000 do-lost=true',
      `! rtpmp2tdepay ! filesink location=${out}`,
      `udpsrc address=${HOST} port=${target} caps=${MEDIA} ! fec.sink`,
      `udpsrc address=${HOST} port=${target + 2} caps=${REPAIR} ! fec.fec_0`,
    ];
    const receiver = new Program('gst-launch-1.0', ['-q', '-e', ...pipeline.join(' ').split(' ')]);
    await sleep(START_MS);
    const sender = lancast('send', CLIP, '--to', `rtp://${HOST}:${listen}`, '--fec', '2022:5x8');
    expect((await sender.ended).code).toBe(0);
    await sleep(3000);
    receiver.kill('SIGINT');
    await receiver.ended;
    expect(relay.there.lost).toBeGreaterThan(20);
    expect(readFileSync(out).equals(readFileSync(CLIP))).toBe(true);
  });

  for (const rowPackets of [false, true]) {
    it(`repairs ${rowPackets ? 'columns and rows' : 'columns'} of ours`, async () => {
      const matrix: FecMatrix = { columns: 5, rows: 8, rowPackets };
      const port = ports();
      const out = path.join(temporaryFolder(), 'out.ts');
      const udp = (at: number, caps: string, pad: string): string =>
        `udpsrc address=${HOST} port=${at} caps=${caps} ! fec.${pad}`;
      const pipeline = [
        'rtpst2022-1-fecdec name=fec size-time=5000000000 ! rtpjitterbuffer latency=1000 do-lost=true',
        `! rtpmp2tdepay ! filesink location=${out}`,
        udp(port, MEDIA, 'sink'),
        udp(port + 2, REPAIR, 'fec_0'),
        ...(rowPackets ? [udp(port + 4, REPAIR, 'fec_1')] : []),
      ];
      const receiver = new Program('gst-launch-1.0', ['-q', '-e', ...pipeline.join(' ').split(' ')]);
      await sleep(START_MS);

      const socket = createSocket('udp4');
      sockets.push(socket);
      const at = { media: port, column: port + 2, row: port + 4 };
      let count = 0;
      let lost = 0;
      const runs = protectedClip(matrix);
      const sent = runs.filter(({ stream }) => stream === 'media');
      const total = sent.reduce((sum, { run }) => sum + run.end - run.first, 0);
      for (const { stream, run } of runs) {
        for (let slot = run.first; slot < run.end; slot++) {
          const isMedia = stream === 'media';
          // A burst as long as a row in each second matrix: columns alone repair it.
          const isLost = isMedia && count % 80 >= 3 && count % 80 < 8 && count < total - 80;
          if (isMedia) count++;
          if (isLost) lost++;
          else socket.send(run.chunk.departure.datagram(slot), at[stream], HOST);
        }
        await sleep(20);
      }
      expect(lost).toBeGreaterThan(20);
      await sleep(2000);
      receiver.kill('SIGINT');
      await receiver.ended;
      expect(readFileSync(out).equals(readFileSync(CLIP))).toBe(true);
    });
  }
});
