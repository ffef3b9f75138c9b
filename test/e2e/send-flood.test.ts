/** What strangers can do to a running `lancast send`: floods of requests from an address that proves nothing. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { receiverCompound } from '../helpers/feedback.ts';
import { randomFrom } from '../helpers/network.ts';
import { programme } from '../helpers/programme.ts';
import { fileOf, freshPort, lancast } from './program.ts';
import { RawReceiver } from './raw-receiver.ts';

const SEED = 20;
const CALM_MS = 1500;
const FLOOD_MS = 2500;
/** Requests in a burst, one burst a millisecond. */
const BURST = 10;
const HEADERS_BYTES = 28;

/** Processor time of all threads of a process so far, milliseconds; 0 where the system does not tell. */
function cpuMs(pid: number): number {
  if (process.platform !== 'linux') return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

it('a flood of requests without proof gets at most three times its bytes, and the stream stays whole', async () => {
  const film = programme({ durationMs: 6000, bitsPerSecond: 3_000_000 });
  const port = freshPort();
  await using receiver = await RawReceiver.open(port);
  const sender = lancast(
    'send',
    fileOf('film.ts', film),
    '--to',
    `rtp://127.0.0.1:${port}`,
    '--iface',
    'lo',
    '--json',
  );
  const { reportsFrom, mediaSsrc } = await receiver.sender();
  await receiver.until(() => receiver.at(0).length > 100, 'stream');

  const calmFrom = cpuMs(sender.pid);
  await sleep(CALM_MS);
  const calmShare = (cpuMs(sender.pid) - calmFrom) / CALM_MS;

  const stranger = createSocket('udp4');
  let bytesOut = 0;
  stranger.on('message', (datagram: Buffer) => (bytesOut += datagram.length + HEADERS_BYTES));
  stranger.bind(0, '127.0.0.1');
  await once(stranger, 'listening');
  const random = randomFrom(SEED);
  const floodFrom = cpuMs(sender.pid);
  const began = Date.now();
  let bytesIn = 0;
  let requests = 0;
  for (; Date.now() < began + FLOOD_MS; await sleep(1)) {
    const newest = receiver.at(0).at(-1)?.readUInt16BE(2) ?? 0;
    for (let each = 0; each < BURST; each++, requests++) {
      const first = newest - Math.floor(random() * 400);
      const lost = Array.from({ length: 1 + Math.floor(random() * 128) }, (_, at) => (first + at) & 0xffff);
      const echo = random() < 0.5 ? undefined : Buffer.from('guessed!');
      const datagram = receiverCompound({ ssrc: requests, mediaSsrc, echo, lost });
      bytesIn += datagram.length + HEADERS_BYTES;
      stranger.send(datagram, reportsFrom.port, reportsFrom.address);
    }
  }
  const floodMs = Date.now() - began;
  const floodShare = (cpuMs(sender.pid) - floodFrom) / floodMs;
  await sleep(300); // for what is on its way
  stranger.close();
  const elsewhere = [2, 3, 4, 5, 6, 7].flatMap((offset) => receiver.at(offset));
  for (const datagram of elsewhere) bytesOut += datagram.length + HEADERS_BYTES;

  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  console.log(
    `seed ${SEED}: ${requests} requests in ${floodMs} ms, bytes out / in ${(bytesOut / bytesIn).toFixed(3)}; ` +
      `a processor's share ${percent(calmShare)} before, ${percent(floodShare)} meanwhile`,
  );
  expect(bytesOut).toBeGreaterThan(0);
  expect(bytesOut / bytesIn).toBeLessThanOrEqual(3);
  expect(floodShare - calmShare).toBeLessThan(0.5); // the figure is the one that is printed: others use this machine

  expect((await sender.ended).code).toBe(0);
  const media = receiver.at(0);
  expect(Buffer.concat(media.map((datagram) => datagram.subarray(12))).equals(film)).toBe(true);
});
