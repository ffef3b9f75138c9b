/** Reading what the system has of a file in its memory: the native addon does it without waking another thread. */
import { loadAddon } from './native-addon.ts';

/** What `native/file.c` offers. */
export interface FileAddon {
  readCached(file: number, memory: Buffer, position: number): number;
}

let addon: FileAddon | string | undefined;

/**
 * Reads into `memory` what is at hand of an open file and never waits. Gives the bytes read; 0 at the end of the file; -1 when
 * nothing is at hand, when it cannot be read, or without the addon: ask the system in the ordinary way then.
 */
export function readCached(file: number, memory: Buffer, position: number): number {
  addon ??= loadAddon();
  return typeof addon === 'string' ? -1 : addon.readCached(file, memory, position);
}
