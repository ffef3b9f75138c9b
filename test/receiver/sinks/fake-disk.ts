/** A disk in memory that can be full, slow or broken. */
import type { DiskHandle } from '../../../receiver/sinks/disk-file.ts';

/** The errors that node:fs makes. */
function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class FakeDisk implements DiskHandle {
  /** The file as it stands. */
  content = Buffer.alloc(0);
  /** Bytes the file may grow to. */
  room = Infinity;
  /** Most bytes one write takes. */
  mostPerWrite = Infinity;
  writeFault: string | undefined;
  syncFault: string | undefined;
  /** Bytes that each write was asked to write. */
  readonly writes: number[] = [];
  /** Times at which an fsync was begun, monotonic milliseconds. */
  readonly syncs: number[] = [];
  /** Awaited by every write. */
  gate: Promise<void> = Promise.resolve();
  /** Awaited by every fsync. */
  syncGate: Promise<void> = Promise.resolve();
  closed = false;

  async writev(pieces: readonly Buffer[], position: number) {
    const bytes = Buffer.concat(pieces);
    this.writes.push(bytes.length);
    await this.gate;
    if (this.writeFault) throw errno(this.writeFault);
    const taken = Math.min(bytes.length, this.mostPerWrite, this.room - position);
    if (taken <= 0) throw errno('ENOSPC');
    this.content = Buffer.concat([this.content.subarray(0, position), bytes.subarray(0, taken)]);
    return taken;
  }

  async truncate(bytes: number) {
    this.content = this.content.subarray(0, bytes);
  }

  async sync() {
    this.syncs.push(performance.now());
    const fault = this.syncFault;
    await this.syncGate;
    if (fault) throw errno(fault);
  }

  async close() {
    this.closed = true;
  }
}
