/** What every place a recording can go to has in common. */
import type { LancastError } from '../../wire/errors.ts';
import type { Sink } from '../sink.ts';

/** What has been recorded so far; after `close` it is final and true of the file byte for byte. */
export interface RecordingSummary {
  /** The file, or `-` for standard output. */
  path: string;
  /** Bytes in the file, or taken by the pipe. */
  bytes: number;
  /** SHA-256 of exactly these bytes, hexadecimal; `undefined` for a recording that is not hashed. */
  sha256: string | undefined;
  /** Places where something is missing: lost on the way, or dropped here. */
  gaps: number;
  /** Bytes that arrived and were dropped because the disk or the pipe took no more. */
  droppedBytes: number;
}

/** How to record. */
export interface RecordingOptions {
  /** Works out no SHA-256, which costs more than everything else together at high rates. Default false. */
  unhashed?: boolean;
  /** Most bytes that wait for the disk or the reader. Default 64 MiB. */
  spillBytes?: number;
}

/** What a recording tells while it runs. Each is called once per change, never per datagram. */
export interface RecordingEvents {
  /** E401 full, E402 read-only, E403 too slow, E404 failing. The stream goes on, and so does the recording if it can. */
  onTrouble(error: LancastError): void;
  /** The trouble is over and everything held back has been written. */
  onResumed(): void;
  /** The reader of the pipe has gone: nothing more can be written. */
  onReaderGone(): void;
}

/** A sink that knows exactly what it has written. */
export interface Recording extends Sink {
  readonly summary: RecordingSummary;
}
