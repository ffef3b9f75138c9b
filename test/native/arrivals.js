/** Receives by the addon whose file is given, in all the ways that could go wrong in memory. For `check.js`; throws if wrong. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const file = isMainThread ? process.argv[2] : workerData;
const addon = createRequire(import.meta.url)(file);

// As in transport/native/arrival.h.
const CHUNK_SLOTS = 124;
const CHUNK_HEAD_BYTES = 8192;
const SLOT_BYTES = 2048;

const taken = new Map(); // lengths by socket
let held = false;

/** Takes what there is, looks at every byte. */
function take() {
  if (held) return;
  for (let run = addon.nextArrivals(); run >= 0; run = addon.nextArrivals()) {
    const memory = addon.arrivalChunk(run >> 16);
    const word = (column, index) => new Uint32Array(memory, CHUNK_SLOTS * column, CHUNK_SLOTS)[index];
    for (let index = (run >> 8) & 0xff; index < (run & 0xff); index++) {
      const place = word(8, index);
      const from = CHUNK_HEAD_BYTES + (place >>> 16) * SLOT_BYTES;
      const bytes = new Uint8Array(memory, from, place & 0xffff);
      assert.ok(bytes.every((byte) => byte === bytes.length % 251));
      assert.equal(addon.arrivalSource(run >> 16, index)[0], '127.0.0.1');
      const number = word(12, index);
      if (!taken.has(number)) taken.set(number, []);
      taken.get(number).push(bytes.length);
    }
  }
}

const descriptors = () => readdirSync('/proc/self/fd').length;

function open() {
  const descriptor = addon.openSocket({ family: 4, bindAddress: '127.0.0.1', receiveBufferBytes: 4 << 20 });
  const [, port] = addon.localEndpoint(descriptor);
  return { port, number: addon.openArrivals(descriptor, 5) };
}

const datagram = (length) => Buffer.alloc(length, length % 251);
const sender = addon.openSocket({ family: 4, bindAddress: '127.0.0.1' });
const send = (port, length) => addon.sendTo(sender, datagram(length), '127.0.0.1', port);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(done) {
  for (let turns = 0; !done(); turns++) {
    assert.ok(turns < 2000, 'waited in vain');
    await pause(5);
  }
}

async function allLengths() {
  const { port, number } = open();
  const lengths = [0, 1, 1328, 2047, 2048, 2049, 65_507, 65_507, 0, 9000];
  for (let round = 0; round < 40; round++) {
    for (const length of lengths) {
      while (send(port, length) !== '') await pause(1);
    }
    await pause(1);
  }
  await until(() => taken.get(number)?.length === 40 * lengths.length);
  assert.deepEqual(taken.get(number).slice(0, lengths.length), lengths);
  addon.closeArrivals(number);
}

async function openAndClose() {
  let before = 0;
  for (let round = 0; round < 3000; round++) {
    if (round === 100) before = descriptors();
    const { port, number } = open();
    send(port, 1328);
    if (round % 3 === 0) addon.readArrivals();
    if (round % 7 === 0) await pause(0);
    addon.closeArrivals(number);
    send(port, 1328);
  }
  assert.ok(descriptors() < before + 10); // Node and the sanitizers open some of their own
}

/** More than the memory holds comes while nobody takes it. */
async function overrun() {
  const { port, number } = open();
  const before = addon.arrivalOverruns();
  taken.delete(number);
  held = true;
  let sent = 0;
  for (const end = Date.now() + 60_000; addon.arrivalOverruns() === before && Date.now() < end;) {
    for (let index = 0; index < 200; index++) if (send(port, 10) === '') sent++;
    await pause(0);
  }
  assert.equal(addon.arrivalOverruns(), before + 1);
  await pause(20);
  assert.equal(addon.arrivalOverruns(), before + 1);
  held = false;
  take();
  await until(() => (taken.get(number)?.length ?? 0) + addon.arrivalDrops(number) >= sent);
  addon.closeArrivals(number);
}

async function mistakes() {
  assert.throws(() => addon.openArrivals(-1, 5), { code: 'EBADF' });
  assert.throws(() => addon.openArrivals(), TypeError);
  assert.throws(() => addon.startArrivals(take), TypeError);
  assert.throws(() => addon.arrivalChunk(256), TypeError);
  assert.throws(() => addon.arrivalSource(0, 124), TypeError);
  addon.closeArrivals(123_456);
  assert.equal(addon.arrivalDrops(123_456), 0);
}

/** Environments that end while their thread receives. */
async function workers() {
  for (let round = 0; round < 6; round++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: file });
    const port = await new Promise((resolve) => worker.once('message', resolve));
    for (let index = 0; index < 500; index++) send(port, 1328);
    if (round % 2 === 0) await pause(20);
    await worker.terminate();
  }
}

addon.startArrivals(take);
if (isMainThread) {
  await mistakes();
  await allLengths();
  await openAndClose();
  await overrun();
  await workers();
  addon.closeSocket(sender);
  // Nothing keeps the process alive from here on. Some sockets stay open for the end to close.
} else {
  parentPort.postMessage(open().port, []);
}
