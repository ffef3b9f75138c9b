/** What can be wrong with an input, as the errors that people get. */
import type { ProbeFault } from '../../codecs/media-info.ts';
import { LancastError } from '../../wire/errors.ts';

/** E201 or E208 for what the system says of a file; anything else as it is. */
export function inputFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const cause = { cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new LancastError('E201', `no such file: ${path}`, { path }, cause);
  if (code === 'EACCES' || code === 'EPERM')
    return new LancastError('E208', `no permission to read ${path}`, { path }, cause);
  if (code === 'EIO')
    return new LancastError(
      'E208',
      `reading ${path} failed`,
      { path, reason: 'the disk reports an error (EIO)' },
      cause,
    );
  return error;
}

/** E207. */
export function emptyInput(path: string): LancastError {
  return new LancastError('E207', `empty: ${path}`, { path });
}

/** E202: `reason` says what it is instead. */
export function notMedia(path: string, reason: string): LancastError {
  return new LancastError('E202', `not media: ${path}: ${reason}`, { path, reason });
}

/** E202 or E206 for what was not found in a file that begins with `head`. */
export function probeFailure(fault: ProbeFault, path: string, head: Buffer): LancastError {
  if (fault === 'not-media') return notMedia(path, `it starts with ${firstBytes(head)}`);
  return new LancastError('E206', `truncated: ${path} has no index (moov)`, { path });
}

/** E203. */
export function unknownCodec(path: string, codec: string, reason: string): LancastError {
  return new LancastError('E203', `codec that MPEG-TS cannot carry in ${path}: ${codec}`, {
    path,
    codec,
    reason,
  });
}

const SHOWN_BYTES = 16;

/** The first bytes of a file as text when they are, else in hexadecimal: safe to print either way. */
function firstBytes(head: Buffer): string {
  const shown = head.subarray(0, SHOWN_BYTES);
  const more = head.length > SHOWN_BYTES ? '…' : '';
  const text = shown.toString('latin1').replace(/[\t\n\r]+/g, ' ');
  if (/^[ -~]*$/.test(text)) return `"${text}${more}"`;
  return `bytes ${shown.toString('hex').replace(/..\B/g, '$& ')}${more}`;
}
