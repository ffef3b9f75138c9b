/** Receives files by `copy://` into a folder: the socket and the disk of `receiver/copy-receiver.ts`. */
import { mkdir } from 'node:fs/promises';
import { Driver } from '../../transport/driver.ts';
import {
  RECEIVE_BUFFER_BYTES,
  type ChosenInterface,
  type Exchange,
  type UdpEngine,
} from '../../transport/udp.ts';
import type { Endpoint } from '../../wire/address.ts';
import type { LancastError } from '../../wire/errors.ts';
import {
  CopyReceiver,
  type CopyOver,
  type CopyReceiverInput,
  type CopyReceiverOutput,
} from '../copy-receiver.ts';
import type { CopyReceptionProgress, CopyTask } from '../copy-reception.ts';
import { diskError } from '../sinks/recording-file.ts';
import { CopyFailure, CopyFile } from './copy-file.ts';

export interface CopyReceiverSessionOptions {
  /** Made when it is not there. */
  folder: string;
  /** Where to listen: an address of this machine, or `0.0.0.0` or `::` for all of them. */
  address: Endpoint;
  via: ChosenInterface;
  engine: UdpEngine;
  /** Hops of what is answered. */
  ttl: number;
  /** Senders that are listened to; empty: all. */
  sources: readonly string[];
  /** At least 16 random bytes. */
  key: Buffer;
  events: CopyEvents;
}

/** What is told as it happens. */
export interface CopyEvents {
  /** A sender was accepted; `foundBytes` of the file were there. */
  onBegun(copy: CopyReceptionProgress): void;
  /** A copy is over; `error` says more where the disk is why. */
  onOver(
    copy: CopyReceptionProgress,
    over: { why: CopyOver; sha256: string | undefined; error: LancastError | undefined },
  ): void;
}

/** Acknowledgements gather for no longer than this. */
const GATHER_MS = 2;

export interface CopyReceiverSession {
  /** Copies that are being received. */
  readonly progress: CopyReceptionProgress[];
  /** Where it listens. */
  readonly local: Endpoint;
  /** Tells all senders that it stops, and closes; what there is of files stays. */
  close(): Promise<void>;
}

/** Begins to listen. Throws E102, E103, E111; E402 or E404 for the folder. */
export async function startCopyReceiver(options: CopyReceiverSessionOptions): Promise<CopyReceiverSession> {
  const { folder, engine, via, address, ttl } = options;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw diskError(folder, error);
  });
  const heard: { by?: Session } = {};
  const exchange = await engine.openExchange(
    {
      via: { ...via, address: address.address },
      ttl,
      port: address.port,
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      gatherMs: GATHER_MS,
    },
    (datagram, arrivedAt, source) => heard.by?.hear(datagram, arrivedAt, source),
  );
  return (heard.by = new Session(options, exchange));
}

/** A copy as far as the disk knows it. */
interface OpenCopy {
  readonly name: string;
  readonly file: CopyFile;
  /** Of the sender's file, hexadecimal, once it was told. */
  sha256: string | undefined;
  error: LancastError | undefined;
}

class Session implements CopyReceiverSession {
  readonly #options: CopyReceiverSessionOptions;
  readonly #exchange: Exchange;
  readonly #sources: ReadonlySet<string> | undefined;
  readonly #receiver: CopyReceiver;
  readonly #driver: Driver<CopyReceiverInput, CopyReceiverOutput>;
  readonly #files = new Map<number, OpenCopy>();
  /** By name: what is done with one file is done one after the other, also by the copies that follow each other. */
  readonly #work = new Map<string, Promise<void>>();

  constructor(options: CopyReceiverSessionOptions, exchange: Exchange) {
    this.#options = options;
    this.#exchange = exchange;
    this.#sources = options.sources.length > 0 ? new Set(options.sources) : undefined;
    this.#receiver = new CopyReceiver({ key: options.key });
    this.#driver = new Driver(this.#receiver, (output) => this.#emit(output));
  }

  get progress(): CopyReceptionProgress[] {
    return this.#receiver.progress;
  }

  get local(): Endpoint {
    return this.#exchange.local;
  }

  hear(datagram: Buffer, arrivedAt: number, source: Endpoint): void {
    if (this.#sources && !this.#sources.has(source.address.split('%', 1)[0] ?? '')) return;
    this.#driver.push({ kind: 'datagram', datagram, source, arrivedAt });
  }

  async close(): Promise<void> {
    this.#driver.push({ kind: 'stop' });
    this.#driver.close();
    await Promise.all(this.#work.values());
    await this.#exchange.close();
  }

  #emit(output: CopyReceiverOutput): void {
    switch (output.kind) {
      case 'send':
        this.#exchange.send(output.datagram, output.to);
        break;
      case 'task':
        this.#begin(output.transfer, output.task);
        break;
      case 'over':
        this.#end(output);
        break;
    }
  }

  #begin(transfer: number, task: CopyTask): void {
    if (task.kind === 'prepare' && !this.#files.has(transfer)) {
      const file = new CopyFile(this.#options.folder, task.name);
      this.#files.set(transfer, { name: task.name, file, sha256: undefined, error: undefined });
    }
    const copy = this.#files.get(transfer);
    if (!copy) return;
    if (task.kind === 'complete') copy.sha256 = task.sha256.toString('hex');
    this.#queue(copy.name, async () => {
      const answer = await perform(copy, transfer, task);
      this.#driver.push(answer);
      const begun = answer.kind === 'prepared' ? this.#receiver.progressOf(transfer) : undefined;
      if (begun) this.#options.events.onBegun(begun);
    });
  }

  #end({ transfer, progress, why }: CopyReceiverOutput & { kind: 'over' }): void {
    const copy = this.#files.get(transfer);
    if (!copy) return;
    this.#files.delete(transfer);
    this.#queue(copy.name, () => copy.file.close());
    this.#options.events.onOver(progress, { why, sha256: copy.sha256, error: copy.error });
  }

  /** Does it when everything before that concerns this name is done. Rejects never but for bugs. */
  #queue(name: string, work: () => Promise<void>): void {
    const key = name.toLowerCase();
    const done: Promise<void> = (this.#work.get(key) ?? Promise.resolve()).then(work).finally(() => {
      if (this.#work.get(key) === done) this.#work.delete(key);
    });
    this.#work.set(key, done);
  }
}

/** Does what is asked of the disk. What it cannot do is an answer as well. */
async function perform(copy: OpenCopy, transfer: number, task: CopyTask): Promise<CopyReceiverInput> {
  const { file } = copy;
  try {
    if (task.kind === 'prepare')
      return { kind: 'prepared', transfer, ...(await file.prepare(task.bytes, task.anew)) };
    if (task.kind === 'complete')
      return { kind: 'completed', transfer, name: await file.complete(task.sha256) };
    await file.write(task.pieces, task.position);
    return { kind: 'written', transfer };
  } catch (error) {
    if (!(error instanceof CopyFailure)) throw error;
    copy.error = error.error;
    return { kind: 'failed', transfer, reason: error.reason, detail: error.detail };
  }
}
