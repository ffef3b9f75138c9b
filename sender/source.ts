/** What every source of a programme offers to the sender. Implementations live in `sources/`. */

/** What is known of a source before its first byte. */
export interface SourceDescription {
  /** What people call it: the file's name, `test pattern`, `standard input`. */
  name: string;
  /** One line for people: `1080p25 H.264 + AAC`; empty when not known. */
  media: string;
  /** Bytes of the whole programme as it will be sent, when known. */
  totalBytes?: number;
  /** Media time of one pass in milliseconds, when known. */
  durationMs?: number;
  /** True when the bytes are whole 188-byte transport packets from the first on; false for `--as-is` of anything else. */
  transportStream: boolean;
  /** True when bytes come as they are made (camera, pipe): nothing lies ahead of now. */
  live: boolean;
  /** What a careful user should be told, a sentence each: `the last packet is cut (148 bytes) and is not sent`. */
  notes: string[];
}

/** Takes a run of bytes. It is valid during the call only, to write into too: whoever keeps it copies it. */
export type RunSink = (run: Buffer) => void;

/** A programme as runs of bytes. A shell: it may read files and run children. */
export interface Source extends AsyncDisposable {
  /** Grows while the source is read: `notes` gets what shows up on the way. */
  readonly description: SourceDescription;
  /**
   * Hands the next run of bytes to `take` and resolves with true; with false at the end and once closed. For TS sources whole
   * 188-byte packets (but with `--as-is` the last may be cut), the first byte 0x47. Rejects with a `LancastError` (E201–E208)
   * when the source fails.
   *
   * @param wantedBytes about so many are wanted at a time; a source that has no choice gives what there is. Default: a few
   */
  read(take: RunSink, wantedBytes?: number): Promise<boolean>;
  /** Lets go of files and children. A `read` that is waiting resolves with false. */
  close(): Promise<void>;
}
