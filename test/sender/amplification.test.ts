/** What anybody can make a retransmitter send, to himself or to somebody whose address he writes on his datagrams. */
import { expect, it } from 'vitest';
import { FeedbackGuard } from '../../sender/feedback-guard.ts';
import {
  HISTORY_BYTES,
  HISTORY_MS,
  REPAIR_BUDGET,
  Retransmitter,
  type RetransmitterOutput,
} from '../../sender/retransmitter.ts';
import type { Endpoint } from '../../wire/address.ts';
import { writeLanc } from '../../wire/lanc.ts';
import { writeRtcp, type RtcpPacket } from '../../wire/rtcp.ts';
import { writeNack } from '../../wire/rtcp-feedback.ts';
import { DepartedStream } from '../helpers/departed-stream.ts';
import { cookieOf, receiverCompound } from '../helpers/feedback.ts';
import { randomFrom } from '../helpers/network.ts';

const SSRC = 7;
const HEADERS_BYTES = 28;
const VICTIM = { address: '10.9.9.9', port: 40_000 };
const COMPOUNDS = 8000;
/** 1 kbit a millisecond: 8 Mbit/s of payload. */
const SPACING_MS = 1.316;

/** A sender in mid-stream, which goes on as time does. */
class Target {
  readonly stage: Retransmitter;
  readonly #stream = new DepartedStream({ ssrc: SSRC, spacingMs: SPACING_MS });
  #departed = 0;

  constructor(toGroup = true) {
    this.stage = new Retransmitter({
      ssrc: SSRC,
      cname: 'sender@test',
      guard: new FeedbackGuard({ key: Buffer.alloc(32, 1) }),
      receivers: new Map(),
      toGroup,
      destinations: 1,
      repairPortOf: () => 5010,
      rtxSequence: 0,
      repairBudget: REPAIR_BUDGET,
      historyMs: HISTORY_MS,
      historyBytes: HISTORY_BYTES,
    });
  }

  /** The sequence number of the datagram that left last. */
  newest(now: number): number {
    while (this.#stream.dueAt(this.#departed) <= now) {
      const run = this.#stream.next();
      this.stage.push({ kind: 'departed', run }, now);
      this.#departed = run.chunk.firstIndex + run.end;
    }
    return Math.floor(now / SPACING_MS) & 0xffff;
  }
}

/** Compounds as attackers may make them: with echoes that are made up, lists as long as they can be, and damage. */
function hostile(random: () => number, newest: number): Buffer {
  const whole = (below: number): number => Math.floor(random() * below);
  const packets: RtcpPacket[] = [
    { kind: random() < 0.9 ? 'rr' : 'sr', ssrc: whole(2 ** 32), ...emptyReport() },
  ];
  const more = whole(6);
  for (let each = 0; each < more; each++) {
    const choice = random();
    const lost = Array.from({ length: 1 + whole(128) }, () => (newest - whole(200)) & 0xffff);
    if (choice < 0.6) packets.push(writeNack({ ssrc: 1, mediaSsrc: random() < 0.9 ? SSRC : 8, lost }));
    else if (choice < 0.72) packets.push(writeLanc({ kind: 'echo', cookie: Buffer.alloc(8, whole(256)) }, 1));
    else if (choice < 0.8) packets.push(writeLanc({ kind: 'challenge', cookie: Buffer.alloc(8, 1) }, 1));
    else packets.push({ kind: 'sdes', chunks: [{ ssrc: 1, cname: 'x'.repeat(whole(40)) }] });
  }
  const datagram = writeRtcp(packets);
  for (let damage = random() < 0.3 ? whole(4) : 0; damage > 0; damage--)
    datagram.writeUInt8(whole(256), whole(datagram.length));
  return random() < 0.1 ? datagram.subarray(0, whole(datagram.length)) : datagram;
}

function emptyReport() {
  return { ntp: { seconds: 0, fraction: 0 }, rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] };
}

/** Bytes by address: as payloads, and with headers. */
class Ledger {
  readonly #bytes = new Map<string, { payload: number; all: number }>();

  add(address: string, bytes: number): void {
    const sum = this.#bytes.get(address) ?? { payload: 0, all: 0 };
    sum.payload += bytes;
    sum.all += bytes + HEADERS_BYTES;
    this.#bytes.set(address, sum);
  }

  of(address: string): { payload: number; all: number } {
    return this.#bytes.get(address) ?? { payload: 0, all: 0 };
  }

  get addresses(): string[] {
    return [...this.#bytes.keys()];
  }
}

for (const [name, addresses, perMs] of [
  ['one address', 1, 0.5],
  ['20 addresses', 20, 0.5],
  ['5000 addresses, more than are remembered', 5000, 0.9],
  ['20 addresses, in a flood', 20, 20],
] as const)
  it(`whoever sends from ${name} without an echo is sent at most three times as much`, () => {
    const seed = 4000 + addresses;
    const random = randomFrom(seed);
    const target = new Target();
    const [came, went] = [new Ledger(), new Ledger()];
    for (let each = 0; each < COMPOUNDS; each++) {
      const now = 1000 + each / perMs;
      const number = Math.floor(random() * addresses);
      const source: Endpoint = {
        address: `10.1.${number >> 8}.${number & 255}`,
        port: 1 + Math.floor(random() * 9),
      };
      const datagram = hostile(random, target.newest(now));
      came.add(source.address, datagram.length);
      target.stage.push({ kind: 'rtcp', datagram, source }, now);
      for (let sent = target.stage.poll(now); sent; sent = target.stage.poll(now)) {
        if (sent.destination === 'group') throw new Error('the group was served');
        went.add(sent.destination.address, sent.datagram.length);
      }
    }
    const gains = came.addresses.flatMap((address) => {
      if (came.of(address).payload === 0) return [];
      const [incoming, outgoing] = [came.of(address), went.of(address)];
      return [outgoing.payload / incoming.payload, outgoing.all / incoming.all];
    });
    console.log(`seed ${seed}: at most ${Math.max(...gains).toFixed(3)} times`);
    expect(Math.max(...gains)).toBeLessThanOrEqual(3);
    expect(went.addresses.every((address) => came.addresses.includes(address))).toBe(true);
  });

it('a NACK of 300 entries in the name of a receiver that echoed, but without its echo, gets nothing for it', () => {
  const target = new Target(false);
  target.newest(500);
  target.stage.push({ kind: 'rtcp', datagram: receiverCompound({ mediaSsrc: SSRC }), source: VICTIM }, 500);
  const cookie = cookieOf(target.stage.poll(500)?.datagram ?? Buffer.alloc(0));
  const honest = receiverCompound({ mediaSsrc: SSRC, echo: cookie, lost: [100] });
  target.stage.push({ kind: 'rtcp', datagram: honest, source: VICTIM }, 600);
  expect(target.stage.poll(600)?.kind).toBe('repair');
  let [came, went] = [0, 0];
  for (let now = 700; now < 2700; now++) {
    const newest = target.newest(now);
    const lost = Array.from({ length: 128 }, (_, each) => (newest - 128 + each) & 0xffff);
    const datagram = receiverCompound({ mediaSsrc: SSRC, echo: Buffer.alloc(8, now), lost });
    came += datagram.length;
    target.stage.push({ kind: 'rtcp', datagram, source: VICTIM }, now);
    for (let sent = target.stage.poll(now); sent; sent = target.stage.poll(now)) went += sent.datagram.length;
  }
  expect(went).toBeLessThanOrEqual(3 * came);
});

it('a flood of requests of a receiver that echoed stays within the budget, and keeps no other from being served', () => {
  const target = new Target(false);
  const other = { address: '10.0.0.2', port: 40_000 };
  const cookies = [VICTIM, other].map((source) => {
    target.newest(500);
    target.stage.push({ kind: 'rtcp', datagram: receiverCompound({ mediaSsrc: SSRC }), source }, 500);
    return cookieOf(target.stage.poll(500)?.datagram ?? Buffer.alloc(0));
  });
  const sent: RetransmitterOutput[] = [];
  let cpuMs = 0;
  const [seconds, perMs] = [5, 20];
  for (let start = 1000; start < 1000 * (seconds + 1); start += 50) {
    const newest = target.newest(start);
    const lost = Array.from({ length: 128 }, (_, back) => (newest - back) & 0xffff);
    const flood = receiverCompound({ mediaSsrc: SSRC, echo: cookies[0], lost });
    const honest = receiverCompound({ mediaSsrc: SSRC, echo: cookies[1], lost: [newest] });
    const before = process.cpuUsage();
    for (let each = 0; each < 50 * perMs; each++) {
      const isHonest = each % 1000 === 999;
      const [datagram, source] = isHonest ? [honest, other] : [flood, VICTIM];
      const now = start + each / perMs;
      target.stage.push({ kind: 'rtcp', datagram, source }, now);
      for (let out = target.stage.poll(now); out; out = target.stage.poll(now)) sent.push(out);
    }
    const { user, system } = process.cpuUsage(before);
    cpuMs += (user + system) / 1000;
  }
  const repairedBytes = sent.reduce((sum, { datagram }) => sum + datagram.length, 0);
  const servedOthers = sent.filter(
    ({ destination }) => destination !== 'group' && destination.address === other.address,
  );
  const { stats } = target.stage;
  console.log(`${perMs * 1000} requests a second for ${seconds} s: ${cpuMs.toFixed(0)} ms of CPU`, stats);
  expect(cpuMs).toBeLessThan(100 * seconds);
  expect(repairedBytes).toBeLessThan(REPAIR_BUDGET * (1330 / SPACING_MS) * 1000 * (seconds + 1.1));
  expect(stats.heard).toBeLessThan(1000 * seconds + 300);
  expect(stats.flooded).toBeGreaterThan(1000 * seconds * (perMs - 1) - 300);
  expect(servedOthers.length).toBeGreaterThan(0);
});

it('requests for what was never sent cost nothing but looking', () => {
  const target = new Target(false);
  target.newest(500);
  target.stage.push({ kind: 'rtcp', datagram: receiverCompound({ mediaSsrc: SSRC }), source: VICTIM }, 500);
  const echo = cookieOf(target.stage.poll(500)?.datagram ?? Buffer.alloc(0));
  for (let each = 0; each < 1000; each++) {
    const now = 600 + 2 * each;
    const newest = target.newest(now);
    const lost = Array.from({ length: 128 }, (_, ahead) => (newest + 10 + 37 * ahead) & 0xffff);
    target.stage.push(
      { kind: 'rtcp', datagram: receiverCompound({ mediaSsrc: SSRC, echo, lost }), source: VICTIM },
      now,
    );
    expect(target.stage.poll(now)).toBeUndefined();
  }
  expect(target.stage.stats).toMatchObject({ asked: 128_000, unavailable: 128_000, repaired: 0 });
});
