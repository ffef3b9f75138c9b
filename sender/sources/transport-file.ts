/** Which files are transport streams, and what is in them. */
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import { type TsLayout, TsSync } from '../../wire/ts-sync.ts';
import { durationOf, mediaOf } from '../overview.ts';
import type { SourceDescription } from '../source.ts';
import { type InputFile, readAt } from './file-reader.ts';

/** Bytes at the end of a file that are looked at for its last clock stamp. */
const TAIL_BYTES = 1024 * 1024;
/** Bytes before the first packet that are put up with. More of them, and it is something else. */
export const MOST_LEADING_BYTES = 4096;

/** The distance of the packets when a file is a transport stream, by what is in it. */
export function transportLayout({ head, bytes }: InputFile): TsLayout | undefined {
  const sync = new TsSync();
  sync.push(head);
  if (head.length === bytes) sync.finish();
  return sync.stats.skippedBytes <= MOST_LEADING_BYTES ? sync.layout : undefined;
}

/** What a transport stream file is. */
export async function describeTransport(file: InputFile, layout: TsLayout): Promise<SourceDescription> {
  const { handle, name, bytes } = file;
  const tail = await readAt(handle, Math.max(0, bytes - TAIL_BYTES), Math.min(bytes, TAIL_BYTES));
  const [first, last] = [packetsOf(file.head), packetsOf(tail)];
  const totalBytes = Math.floor(bytes / layout) * TS_PACKET_BYTES;
  const description = {
    name,
    media: mediaOf(first),
    totalBytes,
    transportStream: true,
    live: false,
    notes: [],
  };
  const durationMs = durationOf(first, last, totalBytes);
  return durationMs === undefined ? description : { ...description, durationMs };
}

function packetsOf(bytes: Buffer): Buffer {
  const sync = new TsSync();
  const run = sync.push(bytes);
  const rest = sync.finish();
  return rest.length === 0 ? run : Buffer.concat([run, rest]);
}
