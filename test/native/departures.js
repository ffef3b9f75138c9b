/** Sends by the addon whose file is given, in all the ways that could go wrong in memory. For `check.js`; throws if wrong. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const file = isMainThread ? process.argv[2] : workerData;
const addon = createRequire(import.meta.url)(file);

const now = () => Number(process.hrtime.bigint()) / 1e6;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const descriptors = () => readdirSync('/proc/self/fd').length;

const COLUMN_BYTES = 12;
/** Chunks by queue: they must be there until what lies in them has departed. */
const lent = new Map();
const counters = new Float64Array(6);

function open(port, { quantumMs = 1, destinations = 1 } = {}) {
  const sockets = Array.from({ length: destinations }, () =>
    addon.openSocket({ family: 4, connectAddress: '127.0.0.1', connectPort: port, ttl: 1 }),
  );
  return addon.openDepartures(sockets, quantumMs);
}

/** Pushes datagrams of these lengths, in two runs of one chunk (see departure-chunk.ts). */
function push(queue, all, dueAt) {
  const slots = all.length;
  const slotBytes = Math.max(...all);
  const chunk = new ArrayBuffer(slots * (COLUMN_BYTES + slotBytes));
  new Float64Array(chunk, 0, slots).set(all.map((_, index) => dueAt(index)));
  new Uint32Array(chunk, 8 * slots, slots).set(all);
  const bytes = new Uint8Array(chunk, COLUMN_BYTES * slots);
  all.forEach((length, slot) => bytes.fill(length % 251, slot * slotBytes, slot * slotBytes + length));
  if (!lent.has(queue)) lent.set(queue, []);
  lent.get(queue).push(chunk);
  const half = Math.floor(slots / 2);
  if (half > 0) addon.pushDepartures(queue, chunk, slots, 0, half);
  addon.pushDepartures(queue, chunk, slots, half, slots);
}

function close(queue) {
  addon.closeDepartures(queue);
  lent.delete(queue);
}

/** Sent, failed and departed. */
function count(queue) {
  addon.departureCounters(queue, counters);
  return { sent: counters[0], failed: counters[2], departed: counters[4] };
}

async function departed(queue, most) {
  for (let turns = 0; count(queue).departed < most; turns++) {
    assert.ok(turns < 4000, 'waited in vain');
    await pause(5);
  }
}

async function listening() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let received = 0;
  socket.on('message', (data) => {
    received++;
    assert.ok(data.every((byte) => byte === data.length % 251));
  });
  return { socket, port: socket.address().port, received: () => received };
}

/** All lengths, over the ends of blocks, to one and to three destinations. */
async function allLengths() {
  const { socket, port, received } = await listening();
  const lengths = [0, 1, 1328, 1328, 1328, 400, 9000, 65_507, 70_000, 0, 1472, 1472];
  for (const [quantumMs, destinations] of [
    [0, 1],
    [1, 3],
  ]) {
    const queue = open(port, { quantumMs, destinations });
    for (let round = 0; round < 60; round++) {
      const start = now();
      push(queue, lengths, (index) => start + index / 20);
      await pause(2);
    }
    await departed(queue, 60 * lengths.length);
    const { sent, failed } = count(queue);
    assert.equal(sent + failed, 60 * lengths.length * destinations);
    assert.equal(failed, 60 * destinations);
    close(queue);
  }
  assert.ok(received() > 1000);
  socket.close();
}

/** Many queues at once, each closed while it is sending. */
async function manyAtOnce() {
  const { socket, port } = await listening();
  for (let round = 0; round < 20; round++) {
    const queues = Array.from({ length: 30 }, (_, index) => open(port, { quantumMs: index % 3 }));
    for (let turn = 0; turn < 5; turn++) {
      const start = now();
      for (const queue of queues) push(queue, Array(40).fill(1328), (index) => start + index / 4);
      await pause(round % 4);
    }
    for (const queue of queues) {
      addon.exchangeSockets(queue, [
        addon.openSocket({ family: 4, connectAddress: '127.0.0.1', connectPort: port }),
      ]);
      push(queue, [1328, 1328], now);
    }
    for (const queue of queues) close(queue);
    for (const queue of queues) close(queue);
    count(queues[0]);
    push(queues[0], [1328], now);
  }
  socket.close();
}

async function openAndClose() {
  let before = 0;
  for (let round = 0; round < 1000; round++) {
    if (round === 100) before = descriptors();
    const queue = open(9);
    push(queue, [1328, 1328, 0], (index) => (index === 2 ? now() + 1e6 : 0));
    if (round % 7 === 0) await pause(0);
    close(queue);
  }
  assert.ok(descriptors() < before + 50); // those of workers, and a sanitizer's log
}

/** What a program does that has mistaken something: an error, and nothing worse. */
function mistakes() {
  assert.throws(() => addon.openDepartures([], 1));
  assert.throws(() => addon.openDepartures());
  const chunk = new ArrayBuffer(4 * (COLUMN_BYTES + 100));
  assert.throws(() => addon.pushDepartures({}, chunk, 4, 0, 1));
  const queue = open(9);
  for (const [slots, first, end] of [
    [0, 0, 0],
    [4, 0, 5],
    [4, 2, 2],
    [4, -1, 1],
    [1000, 0, 1],
  ])
    assert.throws(() => addon.pushDepartures(queue, chunk, slots, first, end));
  assert.throws(() => addon.pushDepartures(queue, new Uint8Array(chunk), 4, 0, 1));
  new Uint32Array(chunk, 32, 4).fill(101);
  assert.throws(() => addon.pushDepartures(queue, chunk, 4, 0, 1));
  close(queue);
  assert.throws(() => addon.closeDepartures(1));
}

/** Workers, and the process itself, may end while queues are open, and share the thread with others until then. */
async function endWhileOpen() {
  for (let round = 0; round < 3; round++) {
    const workers = Array.from(
      { length: 3 },
      () => new Worker(fileURLToPath(import.meta.url), { workerData: file }),
    );
    const ends = Promise.all(workers.map((worker) => once(worker, 'exit')));
    await openAndClose();
    await ends;
  }
}

if (isMainThread) {
  mistakes();
  await allLengths();
  await manyAtOnce();
  await endWhileOpen();
  process.stdout.write('sent\n');
}
// The end of a process, or of a worker, with a queue open that has much to send.
const last = open(9);
for (let turn = 0; turn < 20; turn++) push(last, Array(50).fill(1328), (index) => now() + index / 2);
