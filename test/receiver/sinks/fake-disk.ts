/** A disk in memory that can be full, slow or broken. */
import type { DiskHandle } from '../../../receiver/sinks/recording-file.ts';

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

  async write(bytes: Buffer, offset: number, length: number, position: number | null) {
    this.writes.push(length);
    await this.gate;
    if (this.writeFault) throw errno(this.writeFault);
    const at = position ?? this.content.length;
    const taken = Math.min(length, this.mostPerWrite, this.room - at);
    if (taken <= 0) throw errno('ENOSPC');
    const piece = bytes.subarray(offset, offset + taken);
    this.content = Buffer.concat([this.content.subarray(0, at), piece]);
    return { bytesWritten: taken };
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
