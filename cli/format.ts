/** Numbers, times and foreign text as people read them. */

/** `1:42:10`, `12:07`, `0:05`. */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = String(seconds % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** `8.1 Mb/s`, `640 kb/s`. */
export function formatRate(bitsPerSecond: number): string {
  return `${scaled(bitsPerSecond)}b/s`;
}

/** `735 MB`, `1.3 kB`, `188 B`. */
export function formatBytes(bytes: number): string {
  return `${scaled(bytes)}B`;
}

/** `1.2 ms`; `–` when it is not known. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return '–';
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** `556 012`: thousands apart. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** `3 datagrams`, `1 datagram`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Share in percent, `0.52 %`; `0 %` of nothing. */
export function formatShare(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return `${percent < 0.01 ? '< 0.01' : percent.toFixed(percent < 10 ? 2 : 1)} %`;
}

/** Text from outside without what would command a terminal: controls and changes of writing direction. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '·');
}

/** Three digits or fewer before the prefix: `8.1 M`, `12 k`, `640 `. */
function scaled(value: number): string {
  const prefixes = ['', 'k', 'M', 'G', 'T'];
  let [rest, step] = [value, 0];
  while (rest >= 999.5 && step < prefixes.length - 1) [rest, step] = [rest / 1000, step + 1];
  const digits = step > 0 && rest < 99.95 ? rest.toFixed(1) : String(Math.round(rest));
  return `${digits} ${prefixes[step]}`;
}
