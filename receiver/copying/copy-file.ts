/**
 * The file of one copy: `NAME.part` while it grows, its own name only when it is whole, compared and safe on the disk.
 *
 * Nothing that is there is ever written over, and no link is followed: the name came from outside.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, rename, statfs, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { PIECE_BYTES, type CopyEnd } from '../../wire/copy.ts';
import type { LancastError } from '../../wire/errors.ts';
import { numberedName, PART_SUFFIX } from '../copy-name.ts';
import { diskError, syncDirectory } from '../sinks/recording-file.ts';

/** Why the disk could not do what was asked, for the sender; `error` is for the person here, where there is more to say. */
export class CopyFailure extends Error {
  readonly reason: CopyEnd;
  /** See `CopyEnd`. */
  readonly detail: number;
  readonly error: LancastError | undefined;

  constructor(reason: CopyEnd, { detail = 0, error }: { detail?: number; error?: LancastError } = {}) {
    super(reason, { cause: error });
    this.reason = reason;
    this.detail = detail;
    this.error = error;
  }
}

const READ_BYTES = 1024 * 1024;
const MOST_NAMES = 999;
const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants;
/** 0 on Windows, which has no such flag. */
const NO_LINKS = O_NOFOLLOW ?? 0;

export class CopyFile {
  readonly #folder: string;
  readonly #name: string;
  #handle: FileHandle | undefined;
  #hash: Hash = createHash('sha256');
  /** The whole file was there already, under its name. */
  #isThere = false;

  /** @param name a safe base name */
  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /**
   * Opens what there is of the file, or makes it new. Throws `CopyFailure`.
   *
   * @param bytes of the whole file
   * @returns how many bytes there are, and their SHA-256
   */
  async prepare(bytes: number, anew: boolean): Promise<{ bytes: number; sha256: Buffer }> {
    await this.close();
    this.#hash = createHash('sha256');
    try {
      this.#isThere = !anew && (await this.#hasWhole(bytes));
      if (this.#isThere) return { bytes, sha256: this.#digest() };
      const found = await this.#openPart(anew ? 0 : bytes);
      const { bavail, bsize } = await statfs(this.#folder);
      const free = bavail * bsize;
      if (bytes - found > free) throw new CopyFailure('no-space', { detail: free, error: this.#full() });
      return { bytes: found, sha256: this.#digest() };
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Writes at `position`, the end of what is there. Throws `CopyFailure`; what is there is then still its beginning. */
  async write(pieces: readonly Buffer[], position: number): Promise<void> {
    try {
      let at = position;
      for (const piece of pieces) {
        for (let written = 0; written < piece.length;) {
          const { bytesWritten } = await this.#opened.write(piece, written, piece.length - written, at);
          written += bytesWritten;
          at += bytesWritten;
        }
        this.#hash.update(piece);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Gives the file its name if it has this SHA-256, else throws it away. Its name, or throws `CopyFailure`. */
  async complete(sha256: Buffer): Promise<string> {
    try {
      if (!this.#digest().equals(sha256)) {
        if (!this.#isThere) await unlink(this.#part);
        throw new CopyFailure('differs');
      }
      if (this.#isThere) return this.#name;
      await this.#opened.sync();
      const name = await this.#claimName();
      await rename(this.#part, path.join(this.#folder, name));
      await syncDirectory(this.#folder);
      return name;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close().catch(() => undefined); // all that counts was synced before
    this.#handle = undefined;
  }

  get #part(): string {
    return path.join(this.#folder, this.#name + PART_SUFFIX);
  }

  get #opened(): FileHandle {
    if (!this.#handle) throw new Error('the file is not open');
    return this.#handle;
  }

  /** Has the file come before? Its hash is then worked out. */
  async #hasWhole(bytes: number): Promise<boolean> {
    const whole = path.join(this.#folder, this.#name);
    const found = await lstat(whole).catch(() => undefined);
    if (!found?.isFile() || found.size !== bytes) return false;
    const handle = await open(whole, O_RDONLY | NO_LINKS);
    try {
      await this.#hashFirst(handle, bytes);
    } finally {
      await handle.close();
    }
    return true;
  }

  /** Opens the part, of which at most the whole pieces up to `most` bytes are kept; how many bytes that are. */
  async #openPart(most: number): Promise<number> {
    const handle = await open(this.#part, O_RDWR | O_CREAT | NO_LINKS, 0o666);
    this.#handle = handle;
    const { size, nlink } = await handle.stat();
    // Another name of the same file belongs to somebody else.
    if (nlink > 1) throw new CopyFailure('not-writable', { error: diskError(this.#part, undefined) });
    const usable = size > most ? 0 : size;
    const kept = usable === most ? usable : usable - (usable % PIECE_BYTES);
    await handle.truncate(kept);
    await this.#hashFirst(handle, kept);
    return kept;
  }

  async #hashFirst(handle: FileHandle, bytes: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes));
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
      if (bytesRead === 0) throw new CopyFailure('disk-failed'); // somebody cuts it off meanwhile
      this.#hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }

  /** Makes an empty file of the first name that is free, which the part may then replace. */
  async #claimName(): Promise<string> {
    for (let number = 1; number <= MOST_NAMES; number++) {
      const name = number === 1 ? this.#name : numberedName(this.#name, number);
      const claimed = await open(path.join(this.#folder, name), 'wx').catch((error: unknown) => {
        if (errnoOf(error) === 'EEXIST') return undefined;
        throw error;
      });
      if (!claimed) continue;
      await claimed.close();
      return name;
    }
    throw new CopyFailure('not-writable', {
      error: diskError(path.join(this.#folder, this.#name), undefined),
    });
  }

  #digest(): Buffer {
    return this.#hash.copy().digest();
  }

  #full(): LancastError {
    return diskError(this.#part, Object.assign(new Error('too large'), { code: 'ENOSPC' }));
  }

  #failure(error: unknown): CopyFailure {
    if (error instanceof CopyFailure) return error;
    const trouble = diskError(this.#part, error);
    if (trouble.code === 'E401') return new CopyFailure('no-space', { error: trouble });
    const refused = trouble.code === 'E402' || errnoOf(error) === 'ELOOP';
    return new CopyFailure(refused ? 'not-writable' : 'disk-failed', { error: trouble });
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
