/**
 * The file of a recording: its bytes, their SHA-256, and how much of it is safe on the disk.
 *
 * Whatever the disk does, `bytes` and `sha256` describe the file as it stands: a failed write is trimmed to a whole
 * packet, a failed fsync to what the fsync before it had made safe.
 */
import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LancastError, type ErrorCode } from '../../wire/errors.ts';
import { openDiskFile, type DiskHandle } from './disk-file.ts';

/** A length of the file and the hash of just that much. */
interface Mark {
  readonly bytes: number;
  readonly hash: Hash | undefined;
}

/** Opens `path` for a new recording; what was in it is overwritten. Throws E401, E402 or E404. */
export async function openRecordingFile(path: string, unhashed = false): Promise<RecordingFile> {
  try {
    const handle = await openDiskFile(path);
    await syncDirectory(dirname(path));
    return new RecordingFile(path, handle, unhashed);
  } catch (cause) {
    throw diskError(path, cause);
  }
}

/** A file that grows at its end. One call at a time, but for `sync`, which may run beside `append`. */
export class RecordingFile {
  readonly path: string;
  readonly #handle: DiskHandle;
  #hash: Hash | undefined;
  #bytes = 0;
  #safe: Mark;
  #unsafe = false;

  /** @param unhashed works out no SHA-256 */
  constructor(path: string, handle: DiskHandle, unhashed = false) {
    this.path = path;
    this.#handle = handle;
    this.#hash = unhashed ? undefined : createHash('sha256');
    this.#safe = this.#mark();
  }

  /** Bytes in the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 of the file so far, hexadecimal; `undefined` when it is not worked out. */
  get sha256(): string | undefined {
    return this.#hash?.copy().digest('hex');
  }

  /** An fsync failed: what was written since the last good one may be lost. `revert` before writing on. */
  get unsafe(): boolean {
    return this.#unsafe;
  }

  /**
   * Writes `pieces` at the end. Throws E401, E402 or E404 when the disk takes no more; the file then ends with the last
   * multiple of `unit` bytes that fitted, and `bytes` has grown by just that.
   */
  async append(pieces: readonly Buffer[], unit: number): Promise<void> {
    const before = this.#bytes;
    const all = totalOf(pieces);
    let written = 0;
    try {
      while (written < all) {
        const rest = written === 0 ? pieces : behind(pieces, written);
        written += await this.#handle.writev(rest, before + written);
      }
      this.#grow(pieces, written);
    } catch (cause) {
      const whole = before + written - ((before + written) % unit);
      this.#grow(pieces, Math.max(0, whole - before));
      await this.#trim();
      throw diskError(this.path, cause);
    }
  }

  /**
   * Makes everything appended so far safe against a power cut; false when it was safe already. Throws E401, E402 or E404.
   */
  async sync(): Promise<boolean> {
    if (this.#bytes === this.#safe.bytes) return false;
    const mark = this.#mark();
    try {
      await this.#handle.sync();
      if (!this.#unsafe) this.#safe = mark;
      return true;
    } catch (cause) {
      if (reasonOf(cause) === 'EINVAL') return true; // a device: there is nothing to make safe
      this.#unsafe = true;
      throw diskError(this.path, cause);
    }
  }

  /** After a failed fsync: cuts the file back to what is safe and returns how many bytes that cost. */
  async revert(): Promise<number> {
    const lost = this.#bytes - this.#safe.bytes;
    this.#bytes = this.#safe.bytes;
    this.#hash = this.#safe.hash?.copy();
    this.#unsafe = false;
    await this.#trim();
    return lost;
  }

  async close(): Promise<void> {
    await this.#trim();
    await this.#handle.close().catch(() => undefined);
  }

  #mark(): Mark {
    return { bytes: this.#bytes, hash: this.#hash?.copy() };
  }

  /** The first `bytes` of `pieces` are in the file. */
  #grow(pieces: readonly Buffer[], bytes: number): void {
    this.#bytes += bytes;
    let left = bytes;
    for (const piece of pieces) {
      if (left <= 0) break;
      this.#hash?.update(left < piece.length ? piece.subarray(0, left) : piece);
      left -= piece.length;
    }
  }

  /** Cuts off what does not count. A device has nothing to cut, and on a read-only disk `close` tries again. */
  async #trim(): Promise<void> {
    await this.#handle.truncate(this.#bytes).catch(() => undefined);
  }
}

function totalOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const { length } of pieces) bytes += length;
  return bytes;
}

/** What lies behind the first `bytes` of `pieces`. */
function behind(pieces: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = bytes;
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}

/** Makes the name of a new file as durable as its bytes; not every file system offers it. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r');
    await directory.sync().finally(() => directory.close());
  } catch {
    return;
  }
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'E401',
  EDQUOT: 'E401',
  EFBIG: 'E401',
  EACCES: 'E402',
  EPERM: 'E402',
  EROFS: 'E402',
  ENOENT: 'E402',
  ENOTDIR: 'E402',
  EISDIR: 'E402',
  EEXIST: 'E402',
  ETXTBSY: 'E402',
};

/** An error of the file system in our words: E401 full, E402 not allowed here, else E404. */
export function diskError(path: string, cause: unknown): LancastError {
  const reason = reasonOf(cause);
  return new LancastError(
    CODES[reason] ?? 'E404',
    `cannot write ${path}: ${reason}`,
    { path, reason },
    { cause },
  );
}

/** The errno's name, such as `ENOSPC`. */
function reasonOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
}
