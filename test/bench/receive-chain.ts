/** The receiver as it runs, with an engine that is handed the datagrams, and a recorder whose file takes everything and keeps nothing. */
import { startReceiver } from '../../receiver/index.ts';
import { Recorder } from '../../receiver/sinks/recorder.ts';
import type { DiskHandle } from '../../receiver/sinks/disk-file.ts';
import { RecordingFile } from '../../receiver/sinks/recording-file.ts';
import { monotonicNow } from '../../transport/clock.ts';
import type { ArrivalOptions, ArrivalSink, ChosenInterface, UdpEngine } from '../../transport/udp.ts';

const LOOPBACK: ChosenInterface = { name: 'lo', address: '127.0.0.1', family: 4, reason: '' };
const SOURCE = { address: '127.0.0.1', port: 40_000 };

/** Time stamps are the engine's job, and here one for so many datagrams. */
const CLOCK_EVERY = 64;

/** The two ends that an engine sees. */
export interface ReceiveChain extends AsyncDisposable {
  /** A datagram that has arrived. */
  readonly take: (datagram: Buffer) => void;
  readonly afterBatch: () => void;
}

/** Opens the chain. Closing it throws when not every datagram has come out. */
export async function openReceiveChain(): Promise<ReceiveChain> {
  const engine = new HandEngine();
  const session = await startReceiver({
    address: { framing: 'rtp', address: '239.255.13.79', port: 5004, family: 4, scope: 'multicast' },
    engine,
    via: LOOPBACK,
    latencyMs: 200,
    random: () => 0.5,
    cname: 'bench',
  });
  const file = new RecordingFile('nowhere', new Nowhere(), true);
  const recorder = new Recorder(file, {
    onTrouble: (error) => console.error(`bench: ${error.message}`),
    onResumed: () => undefined,
    onReaderGone: () => undefined,
  });
  session.addSink(recorder);
  let taken = 0;
  let arrivedAt = 0;
  return {
    take(datagram) {
      if (taken++ % CLOCK_EVERY === 0) arrivedAt = monotonicNow();
      engine.sink?.(datagram, arrivedAt, SOURCE);
    },
    afterBatch: () => engine.afterBatch?.(),
    async [Symbol.asyncDispose]() {
      await session.close();
      await recorder.close();
      const { packets, bytes } = session.snapshot();
      if (packets === taken && bytes === recorder.summary.bytes) return;
      throw new Error(`${taken} datagrams were taken, ${packets} came out`);
    },
  };
}

/** A file that takes everything at once. */
class Nowhere implements DiskHandle {
  writev(pieces: readonly Buffer[]): Promise<number> {
    let bytes = 0;
    for (const { length } of pieces) bytes += length;
    return Promise.resolve(bytes);
  }
  async truncate(): Promise<void> {}
  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}

/** An engine without sockets: what arrives is handed to the sink of the media port. */
class HandEngine implements UdpEngine {
  readonly kind = 'native';
  sink: ArrivalSink | undefined;
  afterBatch: (() => void) | undefined;

  async openArrival(options: ArrivalOptions, sink: ArrivalSink) {
    this.sink ??= sink;
    this.afterBatch ??= options.afterBatch;
    const stats = {
      received: 0,
      receivedBytes: 0,
      kernelDrops: 0,
      receiveBufferBytes: 4 << 20,
      rejoined: 0,
      overruns: 0,
    };
    return { local: options.address, stats, ...closing };
  }

  async openExchange() {
    return { local: SOURCE, failed: 0, send: () => undefined, ...closing };
  }

  openDeparture(): Promise<never> {
    return Promise.reject(new Error('nothing is sent here'));
  }
}

const close = (): Promise<void> => Promise.resolve();
const closing = { close, [Symbol.asyncDispose]: close };
