/**
 * Files as sources. Transport streams are recognised by what is in them, not by their names, and need no ffmpeg; everything
 * else goes through it.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { SYNC_BYTE, TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import type { Source, SourceDescription } from '../source.ts';
import { openConverted } from './converted.ts';
import { emptyInput, inputFailure, notMedia } from './faults.ts';
import { FileReader, type InputFile, readAt } from './file-reader.ts';
import { LoopedFile } from './looped-file.ts';
import { RawFile } from './raw-file.ts';
import { openPipe } from './stdin.ts';
import { describeTransport, transportLayout } from './transport-file.ts';
import { TransportSource } from './transport-source.ts';

export interface FileOptions {
  /** Begin again at the end, for ever, as one legal stream. Default false. */
  loop?: boolean | undefined;
  /** Send the bytes as they are, whatever they are. Default false. */
  asIs?: boolean | undefined;
  /** Nobody wants it any more: looking into it ends at once, and what is thrown then means nothing. */
  signal?: AbortSignal | undefined;
}

/** Bytes that are looked at first, to tell what it is. */
const HEAD_BYTES = 64 * 1024;

/** Opens a file, or a pipe that has a name. Throws `LancastError` E201 to E208. */
export async function openFile(path: string, options: FileOptions = {}): Promise<Source> {
  const { loop = false, asIs = false, signal } = options;
  const file = await openInput(path);
  if ('pipe' in file) return openPipe(file.pipe, path);
  try {
    const layout = transportLayout(file);
    if (asIs)
      return new RawFile(
        file,
        rawDescription(file, layout === TS_PACKET_BYTES && file.head[0] === SYNC_BYTE),
        loop,
      );
    if (layout !== undefined) {
      const description = await describeTransport(file, layout);
      if (!loop) return new TransportSource(new FileReader(file), description);
      delete description.totalBytes; // endless
      return new LoopedFile(file, description);
    }
  } catch (error) {
    await file.handle.close();
    throw error;
  }
  await file.handle.close();
  return openConverted(path, file.head, { loop, signal });
}

async function openInput(path: string): Promise<InputFile | { pipe: Readable }> {
  try {
    const handle = await open(path);
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) throw notMedia(path, 'it is a folder');
      if (!stat.isFile()) return { pipe: handle.createReadStream() };
      const head = await readAt(handle, 0, Math.min(stat.size, HEAD_BYTES));
      if (head.length === 0) throw emptyInput(path);
      return { handle, path, name: basename(path), bytes: stat.size, head };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw inputFailure(error, path);
  }
}

function rawDescription({ name, bytes }: InputFile, transportStream: boolean): SourceDescription {
  return { name, media: '', totalBytes: bytes, transportStream, live: false, notes: [] };
}
