/** Texts of DVB tables, EN 300 468 annex A: the first byte may name the character set. */

/** Character sets by first byte; without one it is ISO/IEC 6937. */
const SETS: Readonly<Record<number, string>> = {
  0x01: 'iso-8859-5',
  0x02: 'iso-8859-6',
  0x03: 'iso-8859-7',
  0x04: 'iso-8859-8',
  0x05: 'iso-8859-9',
  0x06: 'iso-8859-10',
  0x07: 'iso-8859-11',
  0x09: 'iso-8859-13',
  0x0a: 'iso-8859-14',
  0x0b: 'iso-8859-15',
  0x11: 'utf-16be',
  0x12: 'euc-kr',
  0x13: 'gb18030',
  0x14: 'big5',
  0x15: 'utf-8',
};
/** First byte of the three that name an ISO 8859 part by its number. */
const BY_NUMBER = 0x10;

/** ISO/IEC 6937 from 0xa0 on, with the euro sign; `\0` where there is no character. */
const LATIN =
  '\u00a0¡¢£€¥\0§¤‘“«←↑→↓°±²³×µ¶·÷’”»¼½¾¿' +
  '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0―¹®©™♪¬¦\0\0\0\0⅛⅜⅝⅞' +
  'ΩÆĐªĦ\0ĲĿŁØŒºÞŦŊŉĸæđðħıĳŀłøœßþŧŋ\u00ad';
/** Accents 0xc1 to 0xcf as combining characters; in ISO/IEC 6937 they stand before their letter. */
const ACCENTS = '\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\0\u030a\u0327\0\u030b\u0328\u030c';

/** The text for people: decoded, without control, formatting and unassigned characters, trimmed. Never throws. */
export function dvbText(bytes: Buffer): string {
  return decode(bytes)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .trim();
}

/** Writes a text, cut to at most `mostBytes`: as it is when it is ASCII, else as UTF-8. */
export function writeDvbText(text: string, mostBytes = 120): Buffer {
  const utf8 = /^[ -~]*$/.test(text)
    ? Buffer.from(text)
    : Buffer.concat([Buffer.of(0x15), Buffer.from(text)]);
  let end = Math.min(utf8.length, mostBytes);
  // Not in the middle of a character.
  while (end < utf8.length && ((utf8[end] ?? 0) & 0xc0) === 0x80) end--;
  return utf8.subarray(0, end);
}

function decode(bytes: Buffer): string {
  const first = bytes[0] ?? 0;
  if (first >= 0x20) return decodeLatin(bytes);
  const set = first === BY_NUMBER ? `iso-8859-${bytes[2] ?? 0}` : (SETS[first] ?? '');
  try {
    return new TextDecoder(set).decode(bytes.subarray(first === BY_NUMBER ? 3 : 1));
  } catch {
    return ''; // a character set nobody knows: better no name than a wrong one
  }
}

function decodeLatin(bytes: Buffer): string {
  let text = '';
  let accent = '';
  for (const byte of bytes) {
    if (byte >= 0xc1 && byte <= 0xcf) {
      accent = ACCENTS[byte - 0xc1] ?? '';
      continue;
    }
    text += (byte < 0xa0 ? String.fromCharCode(byte) : (LATIN[byte - 0xa0] ?? '')) + accent;
    accent = '';
  }
  return text.normalize('NFC');
}
