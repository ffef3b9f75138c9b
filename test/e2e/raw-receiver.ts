/** A receiver of one's own: bare sockets on the ports of a stream, for what lancast's receivers would not do or show. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../wire/address.ts';
import { isRtcp } from '../../wire/rtcp.ts';
import { cookieOf, receiverCompound, type ReceiverCompound } from '../helpers/feedback.ts';

/** What came to one port, in its order. */
export interface Came {
  datagram: Buffer;
  from: Endpoint;
}

/** The ports of a stream that something may come to, counted from its own. */
const OFFSETS = [0, 1, 2, 3, 4, 5, 6, 7];
const PATIENCE_MS = 10_000;
const RECEIVE_BUFFER_BYTES = 4 << 20;

/** Has everything of a stream that comes to 127.0.0.1, or to a group on loopback. */
export class RawReceiver implements AsyncDisposable {
  /** By port, counted from that of the stream. */
  readonly came = new Map<number, Came[]>(OFFSETS.map((offset) => [offset, []]));
  /** What came to the socket that asks. */
  readonly answers: Came[] = [];
  readonly #ssrc: number;
  readonly #sockets: Socket[] = [];
  #asking: Socket | undefined;

  private constructor(ssrc: number) {
    this.#ssrc = ssrc;
  }

  /** @param group to join; without it what comes to `host` is received, which is 127.0.0.1 */
  static async open(
    port: number,
    { group, host = '127.0.0.1', ssrc = 9 }: { group?: string; host?: string; ssrc?: number } = {},
  ): Promise<RawReceiver> {
    const receiver = new RawReceiver(ssrc);
    for (const [offset, came] of receiver.came) {
      const socket = await receiver.#bind(group ?? host, port + offset, came);
      if (group !== undefined) socket.addMembership(group, '127.0.0.1');
    }
    receiver.#asking = await receiver.#bind('127.0.0.1', 0, receiver.answers);
    return receiver;
  }

  /** What came to a port, counted from that of the stream. */
  at(offset: number): Buffer[] {
    return (this.came.get(offset) ?? []).map(({ datagram }) => datagram);
  }

  /** Where the sender's reports come from, and the SSRC of its stream; waits for the first. */
  async sender(): Promise<{ reportsFrom: Endpoint; mediaSsrc: number }> {
    await this.until(() => this.at(1).length > 0, 'report');
    const [report] = this.came.get(1) ?? [];
    if (!report) throw new Error('until has seen it');
    return { reportsFrom: report.from, mediaSsrc: report.datagram.readUInt32BE(4) };
  }

  /** Sends a compound to where the reports come from. */
  async say(compound: Omit<ReceiverCompound, 'mediaSsrc' | 'ssrc'>): Promise<number> {
    const { reportsFrom, mediaSsrc } = await this.sender();
    const datagram = receiverCompound({ ...compound, ssrc: this.#ssrc, mediaSsrc });
    this.#asking?.send(datagram, reportsFrom.port, reportsFrom.address);
    return datagram.length;
  }

  /** Proves to the sender where it is; what it has to echo from now on. */
  async prove(): Promise<Buffer> {
    await this.say({});
    await this.until(() => this.answers.length > 0, 'challenge');
    return cookieOf(this.answers[0]?.datagram ?? Buffer.alloc(0));
  }

  /** Answers to the socket that asks which are no RTCP. */
  get repairs(): Came[] {
    return this.answers.filter(({ datagram }) => !isRtcp(datagram));
  }

  /** Fails when it has not become true within ten seconds. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    for (const deadline = Date.now() + PATIENCE_MS; !isTrue(); await sleep(5))
      if (Date.now() > deadline) throw new Error(`no ${what} came`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#sockets.map(async (socket) => {
        socket.close();
        await once(socket, 'close');
      }),
    );
  }

  async #bind(address: string, port: number, came: Came[]): Promise<Socket> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: RECEIVE_BUFFER_BYTES });
    socket.on('message', (datagram: Buffer, { address: from, port: at }: RemoteInfo) =>
      came.push({ datagram, from: { address: from, port: at } }),
    );
    socket.bind(port, address);
    await once(socket, 'listening');
    this.#sockets.push(socket);
    return socket;
  }
}
