/** What a file that comes by `copy://` is called here. Its name was chosen by whoever sends it, and is not to be trusted. */
import { Buffer } from 'node:buffer';

/** Behind the name of a file that is not whole yet. */
export const PART_SUFFIX = '.part';

/** What file systems refuse, and what would command a terminal or turn the direction of writing round. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}<>:"|?*]/gu;
/** Devices of Windows, with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;
/** Leaves room in 255 bytes for `-999` and `PART_SUFFIX`. */
const MAX_BYTES = 240;
const MAX_EXTENSION_BYTES = 16;

/** A name that is one in this folder, visible, and of no more than 240 bytes; `undefined` when nothing is left of it. */
export function safeName(typed: string): string | undefined {
  const base = typed.split(/[/\\]/).at(-1) ?? '';
  const plain = base
    .normalize('NFC')
    .replace(UNSAFE, '_')
    .trim()
    .replace(/[. ]+$/, '');
  if (plain === '') return undefined;
  // A hidden file may be read by a program; one that begins with a dash is taken for an option.
  const visible = plain.replace(/^[.-]/, '_');
  const harmless = DEVICE.test(visible) ? `_${visible}` : visible;
  const whole = harmless.toLowerCase().endsWith(PART_SUFFIX) ? `${harmless}_` : harmless;
  return shortened(whole);
}

/** The same name with a number, before the extension: `film-2.mp4`. */
export function numberedName(name: string, number: number): string {
  const { stem, extension } = parts(name);
  return `${stem}-${number}${extension}`;
}

function shortened(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const { stem, extension } = parts(name);
  const kept = Buffer.byteLength(extension) <= MAX_EXTENSION_BYTES ? extension : '';
  const room = MAX_BYTES - Buffer.byteLength(kept);
  let cut = '';
  let bytes = 0;
  for (const character of kept === '' ? name : stem) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    cut += character;
  }
  return cut + kept;
}

function parts(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? { stem: name, extension: '' } : { stem: name.slice(0, dot), extension: name.slice(dot) };
}
