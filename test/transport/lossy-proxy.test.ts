import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { openLossyProxy, type LossyProxy, type LossyProxyOptions } from '../helpers/lossy-proxy.ts';

const HOST = '127.0.0.1';
const SETTLED_MS = 150;

interface Peer {
  socket: Socket;
  port: number;
  heard: { text: string; from: number }[];
  say(text: string, port: number): void;
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function peer(): Promise<Peer> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
  const { port } = socket.address();
  const heard: Peer['heard'] = [];
  socket.on('message', (data, from) => heard.push({ text: data.toString(), from: from.port }));
  open.push(socket);
  return { socket, port, heard, say: (text, to) => socket.send(text, to, HOST) };
}

async function freePort(): Promise<number> {
  const { socket, port } = await peer();
  open.splice(open.indexOf(socket), 1);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function proxyTo(
  target: number,
  options: Omit<LossyProxyOptions, 'ports'> = {},
): Promise<{ proxy: LossyProxy; listen: number }> {
  const listen = await freePort();
  const proxy = await openLossyProxy({ ports: [{ listen, target }], ...options });
  open.push(proxy);
  return { proxy, listen };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLED_MS));

/** Sends a hundred; which of them arrived, in order of arrival. */
async function hundred(options: Omit<LossyProxyOptions, 'ports'>): Promise<string[]> {
  const [sender, target] = [await peer(), await peer()];
  const { listen } = await proxyTo(target.port, options);
  for (let number = 0; number < 100; number++) sender.say(String(number), listen);
  await settled();
  return target.heard.map(({ text }) => text);
}

describe('the lossy relay', () => {
  it('carries datagrams there and answers back', async () => {
    const [sender, target] = [await peer(), await peer()];
    const { proxy, listen } = await proxyTo(target.port);
    sender.say('hello', listen);
    await settled();
    target.say('and you', target.heard[0]?.from ?? 0);
    await settled();
    expect(target.heard.map(({ text }) => text)).toEqual(['hello']);
    expect(sender.heard).toEqual([{ text: 'and you', from: listen }]);
    expect([proxy.there.taken, proxy.back.taken]).toEqual([1, 1]);
  });
  it('lets an answer from another port be answered there', async () => {
    const [sender, target, other] = [await peer(), await peer(), await peer()];
    const { listen } = await proxyTo(target.port);
    sender.say('report', listen);
    await settled();
    other.say('request', target.heard[0]?.from ?? 0);
    await settled();
    expect(sender.heard[0]?.from).not.toBe(listen);
    sender.say('repair', sender.heard[0]?.from ?? 0);
    await settled();
    expect(other.heard.map(({ text }) => text)).toEqual(['repair']);
    expect(target.heard).toHaveLength(1);
  });
  it('loses the same ones by the same seed, and others by another', async () => {
    const first = await hundred({ seed: 7, there: { loss: 0.3 } });
    expect(first.length).toBeGreaterThan(50);
    expect(first.length).toBeLessThan(90);
    expect(await hundred({ seed: 7, there: { loss: 0.3 } })).toEqual(first);
    expect(await hundred({ seed: 8, there: { loss: 0.3 } })).not.toEqual(first);
  });
  it('disorders by jitter, and doubles', async () => {
    const arrived = await hundred({ there: { delayMs: 5, jitterMs: 40, duplicates: 0.2 } });
    const inOrder = [...arrived].sort((a, b) => Number(a) - Number(b));
    expect(arrived).not.toEqual(inOrder);
    expect(new Set(arrived).size).toBe(100);
    expect(arrived.length).toBeGreaterThan(105);
  });
  it('loses everything while it is cut, and what it is told to lose', async () => {
    const [sender, target] = [await peer(), await peer()];
    const { proxy, listen } = await proxyTo(target.port, {
      there: { loses: (datagram) => datagram.toString() === 'bad' },
    });
    proxy.cut = true;
    sender.say('cut', listen);
    await settled();
    proxy.cut = false;
    sender.say('bad', listen);
    sender.say('good', listen);
    await settled();
    expect(target.heard.map(({ text }) => text)).toEqual(['good']);
    expect(proxy.there).toMatchObject({ taken: 3, lost: 2 });
  });
});
