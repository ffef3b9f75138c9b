/** Which files are transport streams, and what is in them. */
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import { type TsLayout, TsSync } from '../../wire/ts-sync.ts';
import { durationOf, mediaOf } from '../overview.ts';
import type { SourceDescription } from '../source.ts';
import { type InputFile, readAt } from './file-reader.ts';

/** Bytes at both ends of a file that are looked at for its tables and clock stamps; more where these do not tell. */
const LOOKS_BYTES = [256 * 1024, 1024 * 1024];
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
  const { name, bytes } = file;
  const totalBytes = Math.floor(bytes / layout) * TS_PACKET_BYTES;
  const description: SourceDescription = {
    name,
    media: '',
    totalBytes,
    transportStream: true,
    live: false,
    notes: [],
  };
  for (const lookBytes of LOOKS_BYTES) {
    const { media, durationMs } = await lookAt(file, Math.min(lookBytes, bytes), totalBytes);
    description.media = media;
    if (durationMs !== undefined) description.durationMs = durationMs;
    if (durationMs !== undefined && media !== '') break;
  }
  return description;
}

async function lookAt(
  { handle, bytes }: InputFile,
  lookBytes: number,
  totalBytes: number,
): Promise<{ media: string; durationMs: number | undefined }> {
  const head = packetsOf(await readAt(handle, 0, lookBytes));
  const tail = packetsOf(await readAt(handle, bytes - lookBytes, lookBytes));
  return { media: mediaOf(head), durationMs: durationOf(head, tail, totalBytes) };
}

function packetsOf(bytes: Buffer): Buffer {
  const sync = new TsSync();
  const run = sync.push(bytes);
  const rest = sync.finish();
  return rest.length === 0 ? run : Buffer.concat([run, rest]);
}
