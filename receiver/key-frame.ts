/**
 * Where decoding of a video stream can begin: H.264 (ITU-T H.264 table 7-1), H.265 (ITU-T H.265 table 7-1), MPEG-1 and MPEG-2
 * video (ISO/IEC 13818-2 §6.2).
 */
import { TS_PACKET_BYTES, payloadOffsetAt, pidAt, randomAccessAt, unitStartAt } from '../wire/mpeg-ts.ts';
import { parsePes } from '../wire/pes.ts';
import type { ProgrammeTable } from '../wire/programme-table.ts';

/**
 * True when the transport packet at `at` begins a key frame of a video stream that the tables name.
 *
 * It goes by random_access_indicator, else by what the packet shows of the access unit: the parameter sets, the sequence header
 * or the key picture itself.
 */
export function startsKeyFrame(table: ProgrammeTable, bytes: Buffer, at: number): boolean {
  if (!unitStartAt(bytes, at)) return false;
  const stream = table.streamOn(pidAt(bytes, at));
  if (stream?.kind !== 'video') return false;
  if (randomAccessAt(bytes, at)) return true;
  const payload = bytes.subarray(at + payloadOffsetAt(bytes, at), at + TS_PACKET_BYTES);
  const header = parsePes(payload);
  return typeof header !== 'string' && beginsWithKey(stream.codec, payload.subarray(header.headerBytes));
}

/** What a start code says of the picture it stands before: it is one to begin at, it is not, or the next one tells. */
type Verdict = 'key' | 'other' | 'look-on';

/** Judges the byte behind a start code, with the bytes behind that. */
type Judge = (unit: number, data: Buffer, at: number) => Verdict;

const JUDGES: Readonly<Record<string, Judge>> = {
  'H.264': judgeH264,
  'H.265': judgeH265,
  'MPEG-1 video': judgeMpeg2,
  'MPEG-2 video': judgeMpeg2,
};

/** True when an access unit of a codec (as `codec-names` has it) shows in the bytes given that decoding can begin with it. */
export function beginsWithKey(codec: string, data: Buffer): boolean {
  const judge = JUDGES[codec];
  if (!judge) return false;
  for (let at = startCode(data, 0); at !== -1; at = startCode(data, at)) {
    const verdict = judge(data[at] ?? 0, data, at + 1);
    if (verdict !== 'look-on') return verdict === 'key';
  }
  return false;
}

const START_CODE = Buffer.of(0, 0, 1);

/** Offset of the byte behind the next start code, which lies within the data; -1 when there is none. */
export function startCode(data: Buffer, from: number): number {
  const at = data.indexOf(START_CODE, from);
  return at === -1 || at + START_CODE.length >= data.length ? -1 : at + START_CODE.length;
}

function judgeH264(unit: number): Verdict {
  const type = unit & 0x1f;
  // A sequence parameter set leads an IDR picture or a recovery point.
  if (type === 5 || type === 7) return 'key';
  return type >= 1 && type <= 4 ? 'other' : 'look-on';
}

function judgeH265(unit: number): Verdict {
  const type = (unit >> 1) & 0x3f;
  // IRAP pictures (BLA, IDR, CRA); video and sequence parameter sets.
  if ((type >= 16 && type <= 21) || type === 32 || type === 33) return 'key';
  return type <= 31 ? 'other' : 'look-on';
}

function judgeMpeg2(unit: number, data: Buffer, at: number): Verdict {
  if (unit === 0xb3) return 'key';
  if (unit !== 0x00) return 'look-on';
  // temporal_reference:10, picture_coding_type:3; 1 is an I picture.
  return (((data[at + 1] ?? 0) >> 3) & 0x07) === 1 ? 'key' : 'other';
}

/** True when the byte behind a start code is an access unit delimiter of the codec. */
export function isDelimiter(codec: string, unit: number): boolean {
  if (codec === 'H.264') return (unit & 0x1f) === 9;
  return codec === 'H.265' && ((unit >> 1) & 0x3f) === 35;
}
