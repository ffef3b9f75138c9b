/**
 * Many clients of one programme in one process, for `viewers.ts`: they take what comes, as a page or a player does, and count it.
 *
 *     node viewer-clients.js feed http://127.0.0.1:1316/ 100                pages of the viewer
 *     node viewer-clients.js http http://127.0.0.1:4022/udp/GROUP:PORT 100  players at an HTTP relay
 *
 * Prints `{"joined":100}` when all are there, and on SIGINT what each has got: `{"bytes":[…]}`.
 */
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { CREDIT_STEP_BYTES, parseFeedFrame, parseServerMessage, writeFeedMessage } from '../../wire/feed.ts';

/** What all clients have got. */
export interface Haul {
  bytes: number[];
}

const READ_BYTES = 256 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

const [kind, url = '', count = '1'] = process.argv.slice(2);
const haul: Haul = { bytes: Array.from({ length: Number(count) }, () => 0) };
let joined = 0;

for (const client of haul.bytes.keys()) (kind === 'feed' ? watch : load)(new URL(url), client);
process.once('SIGINT', () => {
  console.log(JSON.stringify(haul));
  process.exit();
});

function join(): void {
  if (++joined === haul.bytes.length) console.log(JSON.stringify({ joined }));
}

function take(client: number, bytes: number): void {
  haul.bytes[client] = (haul.bytes[client] ?? 0) + bytes;
}

/** A page that watches the first stream of the viewer. */
function watch({ host, origin }: URL, client: number): void {
  const socket = new WebSocket(`ws://${host}/api/v1/feed`, { origin, perMessageDeflate: false });
  let asked = false;
  let unspokenBytes = 0;
  socket.on('message', (data, isBinary) => {
    if (!Buffer.isBuffer(data)) return;
    if (isBinary) receive(data);
    else hear(data.toString());
  });
  function hear(text: string): void {
    const message = parseServerMessage(text);
    if (typeof message === 'string') return;
    if (message.type === 'subscribed') join();
    if (message.type !== 'streams' || asked) return;
    const stream = message.streams[0]?.id ?? '';
    socket.send(writeFeedMessage({ type: 'subscribe', channel: 1, stream, mode: 'ts' }));
    asked = true;
  }
  function receive(data: Buffer): void {
    const frame = parseFeedFrame(data);
    if (typeof frame === 'string') return;
    take(client, frame.body.length);
    unspokenBytes += frame.body.length;
    if (unspokenBytes < CREDIT_STEP_BYTES) return;
    socket.send(writeFeedMessage({ type: 'credit', channel: 1, bytes: unspokenBytes }));
    unspokenBytes = 0;
  }
}

/** A player that loads an endless file: one request, and what follows the head of the answer. */
function load({ hostname, port, pathname, host }: URL, client: number): void {
  let begun = false;
  const onread = {
    buffer: Buffer.allocUnsafe(READ_BYTES),
    callback: (length: number, buffer: Uint8Array): boolean => {
      const head = begun ? 0 : Buffer.from(buffer.subarray(0, length)).indexOf(HEAD_END) + HEAD_END.length;
      begun = true;
      take(client, length - head);
      return true;
    },
  };
  const socket = connect({ host: hostname, port: Number(port), onread }, () => {
    socket.write(`GET ${pathname} HTTP/1.0\r\nHost: ${host}\r\n\r\n`, () => join());
  });
}
