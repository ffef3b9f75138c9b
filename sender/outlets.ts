/**
 * What a sender sends through: a departure queue for the media on each path, one for each stream of repair packets, and the sockets
 * of reports, requests and retransmissions.
 */
import type { ArrivalSink, DepartureQueue } from '../transport/udp.ts';
import type { Endpoint, Framing } from '../wire/address.ts';
import type { DepartureChunk } from '../wire/departure-chunk.ts';
import { LancastError } from '../wire/errors.ts';
import type { FecDirection } from '../wire/fec/smpte2022.ts';
import { REPAIR_POOL, type RepairRun } from './fec-protection.ts';
import { LentChunks } from './lent-chunks.ts';
import { closePath, openPaths, type OpenPath, sendingOptions } from './paths.ts';
import type { SenderOptions } from './session.ts';

/** Where the other streams of a stream go, counted from its media port. */
export const RETRANSMISSION_PORT = 6;
const REPORT_PORT = 1;
const FEC_PORTS: Readonly<Record<FecDirection, number>> = { column: 2, row: 4 };
export const LAST_PORT = 65_535;

/** What has become of the media. */
export interface OutletFigures {
  /** Datagrams that have left, counted once however many destinations and paths there are. */
  sent: number;
  /** Sends the kernel refused. */
  failed: number;
  /** Most milliseconds a datagram left late. */
  latestMs: number;
}

/** A stream of repair packets. */
interface RepairQueue {
  queue: DepartureQueue;
  lent: LentChunks;
}

/** The sockets of one sender. Reports go out on all paths, repair packets of both kinds on the first. */
export class Outlets {
  readonly framing: Framing;
  /** Resolves with a reason when nothing can be sent at all, on no path. */
  readonly failure: Promise<LancastError>;

  readonly #options: SenderOptions;
  readonly #paths: readonly OpenPath[];
  readonly #repairs = new Map<FecDirection, RepairQueue>();

  /** Opens the sockets; what comes back is given to `hear`. Throws `LancastError` E001 for what does not fit, else as the engine. */
  static async open(options: SenderOptions, hear: ArrivalSink): Promise<Outlets> {
    return new Outlets(options, await openPaths(options, hear));
  }

  private constructor(
    options: SenderOptions,
    { framing, paths }: { framing: Framing; paths: readonly OpenPath[] },
  ) {
    const { notes } = options.source.description;
    this.#options = options;
    this.framing = framing;
    this.#paths = paths;
    const failures = paths.map(({ queue }) => queue.failure);
    this.failure = Promise.all(failures).then(() => Promise.race(failures));
    for (const { queue, name } of paths) {
      notes.push(...(queue.notes ?? []));
      if (paths.length > 1)
        void queue.failure.then(({ message }) => notes.push(`the ${name} path carries nothing: ${message}`));
    }
  }

  /** So many datagrams of the media, counted from the first one pushed, have left or been given up on all paths. */
  get released(): number {
    let released = Infinity;
    for (const { queue } of this.#paths) released = Math.min(released, queue.released);
    return released;
  }

  /** Repair packets of FEC that have yet to leave. */
  get queuedRepairs(): number {
    let queued = 0;
    for (const { queue } of this.#repairs.values()) queued += queue.queued;
    return queued;
  }

  /** @param pushed datagrams of the media so far */
  figures(pushed: number): OutletFigures {
    const figures = { sent: 0, failed: 0, latestMs: 0 };
    for (const { queue } of this.#paths) {
      const { queued, stats } = queue;
      // What the kernel refused has not left, though it is no longer queued.
      figures.sent = Math.max(figures.sent, Math.min(pushed - queued, stats.sent));
      figures.failed += stats.failed;
      figures.latestMs = Math.max(figures.latestMs, stats.latestMs);
    }
    return figures;
  }

  /** Queues datagrams of the media; see `DepartureQueue`. */
  push(chunk: DepartureChunk, first: number, end: number): void {
    for (const { queue } of this.#paths) queue.push(chunk, first, end);
  }

  /** Opens what a stream of repair packets leaves by, if it is not open yet. Throws `LancastError` E001, else as the engine. */
  async openRepairs(stream: FecDirection): Promise<void> {
    if (this.#repairs.has(stream)) return;
    const { engine, addresses } = this.#options;
    const destinations = addresses.map((each) => ({ ...each, port: each.port + FEC_PORTS[stream] }));
    const beyond = destinations.find(({ port }) => port > LAST_PORT);
    if (beyond) {
      const reason = `its repair packets would need port ${beyond.port}, and ports end at ${LAST_PORT}`;
      throw new LancastError('E001', `FEC cannot protect what goes to ${beyond.address}`, {
        reason,
        command: 'send',
      });
    }
    const queue = await engine.openDeparture({ ...sendingOptions(this.#options), destinations });
    this.#repairs.set(stream, { queue, lent: new LentChunks(REPAIR_POOL) });
  }

  /** Queues repair packets of a stream that is open. */
  pushRepairs({ stream, run }: RepairRun): void {
    const repairs = this.#repairs.get(stream);
    if (!repairs) return;
    const { queue, lent } = repairs;
    lent.takeBack(queue.released);
    queue.push(run.chunk.departure, run.first, run.end);
    lent.lend(run);
  }

  /** Sends a report to all receivers, at once. */
  report(report: Buffer): void {
    for (const { addresses, exchange } of this.#paths)
      for (const { address, port } of addresses)
        exchange?.send(report, { address, port: port + REPORT_PORT });
  }

  /** Sends a datagram to one receiver, at once, on the path where it was last heard. */
  answer(datagram: Buffer, to: Endpoint): void {
    const path = this.#paths.find(({ receivers }) => receivers?.has(to)) ?? this.#paths[0];
    path?.exchange?.send(datagram, to);
  }

  /** Sends a retransmission to all groups on all paths, at once: nobody knows which path works. */
  repairGroups(datagram: Buffer): void {
    for (const { addresses, exchange } of this.#paths)
      for (const { address, port, scope } of addresses)
        if (scope !== 'unicast' && port + RETRANSMISSION_PORT <= LAST_PORT)
          exchange?.send(datagram, { address, port: port + RETRANSMISSION_PORT });
  }

  /** `undefined` while the queues of the media have room, else resolves when they have. */
  room(): Promise<unknown> | undefined {
    let waiting: Promise<unknown> | undefined;
    for (const { queue } of this.#paths) {
      const room = queue.room();
      if (room) waiting = waiting ? Promise.all([waiting, room]) : room;
    }
    return waiting;
  }

  /** Resolves when all media that was pushed has left; rejects with a `LancastError` when nothing can be sent at all. */
  drained(): Promise<void> {
    const drained = this.#paths.map(({ queue }) => queue.drained());
    return Promise.allSettled(drained)
      .then(() => Promise.any(drained))
      .catch(() => drained[0]);
  }

  /** Drops what is still queued. */
  async close(): Promise<void> {
    const repairs = [...this.#repairs.values()];
    await Promise.all([...this.#paths.map(closePath), ...repairs.map(({ queue }) => queue.close())]);
  }
}
