/**
 * The file behind a recording: writes by the callbacks of node:fs, which cost the event loop less than writes by its promises,
 * and many recordings write twelve times a second each.
 */
import { write, writev } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** What a recording needs of its file. */
export interface DiskHandle {
  /** Writes what it can of `pieces` at `position`; gives the number of bytes. */
  writev(pieces: readonly Buffer[], position: number): Promise<number>;
  truncate(bytes: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens `path` for writing; what was in it is overwritten. Rejects with the error of the system. */
export async function openDiskFile(path: string): Promise<DiskHandle> {
  return new DiskFile(await open(path, 'w'));
}

class DiskFile implements DiskHandle {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  writev(pieces: readonly Buffer[], position: number): Promise<number> {
    const { fd } = this.#handle;
    return new Promise((resolve, reject) => {
      const written = (error: Error | null, bytes: number): void => (error ? reject(error) : resolve(bytes));
      const [only, ...others] = pieces;
      if (only && others.length === 0) write(fd, only, 0, only.length, position, written);
      else writev(fd, pieces, position, written);
    });
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes);
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
