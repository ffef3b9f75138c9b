/** What is wrong with a stream, worst first, in words. Pure: decides which messages, `strings.ts` has the words. */
import type { ElementaryStream, StreamSnapshot } from '../../wire/metrics.ts';
import { clockTime } from './format.ts';
import type { Playability } from './playability.ts';
import { strings, type TroubleWords } from './strings.ts';

/** How bad it is: nothing plays, something is missing, worth knowing. */
export type TroubleLevel = 'bad' | 'warn' | 'note';

/** One message. */
export interface Trouble extends TroubleWords {
  id: Exclude<keyof typeof strings.trouble, 'region' | 'copy' | 'copied'>;
  level: TroubleLevel;
}

/** What the page itself knows beside the snapshot. */
export interface PageFacts {
  /** When the snapshot came, milliseconds since 1970. */
  wallMs: number;
  playability: Playability;
  /** Milliseconds that data has come without a picture or sound having started; `undefined` once it has. */
  startingMs?: number | undefined;
  /** How often the server skipped ahead for this page. */
  skips: number;
  /** What the browser said when the player last failed, until it plays again. */
  playerError?: string | undefined;
  /** What the address bar asks for, when no stream is called that. */
  unknownId?: string | undefined;
}

/** A key frame may take this long; broadcasters use up to five seconds between two. */
const PATIENCE_MS = 6000;

/** The messages for `stream`. */
export function troubles(stream: StreamSnapshot, page: PageFacts): Trouble[] {
  return [...absent(stream, page), ...unplayable(stream, page), ...noteworthy(stream, page)];
}

/** The command that plays the stream in VLC; `undefined` for the framing that only lancast speaks. */
export function vlcLine({ address, framing }: StreamSnapshot): string | undefined {
  const [scheme = '', rest = ''] = address.split('://');
  const spoken = framing ?? scheme;
  if (spoken === 'seq') return undefined;
  return `vlc ${spoken}://@${rest.replace(/^@/, '')}`;
}

function absent(stream: StreamSnapshot, { wallMs }: PageFacts): Trouble[] {
  const { address, state, silentMs = 0 } = stream;
  const words = strings.trouble;
  const card = stream.interface.name;
  const loopback = /^(127\.|::1$)/.test(stream.interface.address);
  if (state === 'playing') return [];
  if (state === 'ended') return [{ id: 'ended', level: 'note', ...words.ended() }];
  if (state === 'silent') {
    const said = words.silent(clockTime(wallMs - silentMs), silentMs, { card, loopback });
    return [{ id: 'silent', level: 'bad', ...said }];
  }
  const faults = Object.entries(stream.refused).filter(([, datagrams]) => datagrams > 0);
  if (faults.length === 0)
    return [{ id: 'waiting', level: 'warn', ...words.waiting(address, card, loopback) }];
  const reasons = faults.map(([fault]) => fault).join(', ');
  return [{ id: 'refused', level: 'bad', ...words.refused(sumOf(faults), reasons) }];
}

function unplayable(stream: StreamSnapshot, page: PageFacts): Trouble[] {
  const words = strings.trouble;
  const vlc = vlcLine(stream);
  const { browser, playable, refused } = page.playability;
  if (!browser) return [{ id: 'noMediaSource', level: 'bad', ...words.noMediaSource(vlc) }];
  const pictures = refused.filter(({ kind }) => kind === 'video');
  if (pictures.length > 0 && !playable.some(({ kind }) => kind === 'video'))
    return [{ id: 'noBrowserVideo', level: 'bad', ...words.noBrowserVideo(names(refused), vlc) }];
  const found: Trouble[] = [];
  if (refused.some(({ kind }) => kind === 'audio') && !playable.some(({ kind }) => kind === 'audio'))
    found.push({ id: 'noBrowserSound', level: 'warn', ...words.noBrowserSound(names(refused), vlc) });
  if (page.playerError !== undefined)
    found.push({ id: 'player', level: 'bad', ...words.player(page.playerError) });
  else if (stream.state === 'playing' && page.startingMs !== undefined && page.startingMs > PATIENCE_MS)
    found.push(
      playable.length + refused.length === 0
        ? { id: 'noMedia', level: 'bad', ...words.noMedia() }
        : { id: 'noKeyFrame', level: 'warn', ...words.noKeyFrame(page.startingMs) },
    );
  return found;
}

function noteworthy(
  { secondSender, kernelDrops, lossMayBeUnderstated }: StreamSnapshot,
  page: PageFacts,
): Trouble[] {
  const words = strings.trouble;
  const found: Trouble[] = [];
  if (page.unknownId !== undefined)
    found.push({ id: 'unknownStream', level: 'note', ...words.unknownStream(page.unknownId) });
  if (secondSender !== undefined)
    found.push({ id: 'secondSender', level: 'warn', ...words.secondSender(secondSender) });
  if (kernelDrops !== undefined && kernelDrops > 0)
    found.push({ id: 'kernelDrops', level: 'warn', ...words.kernelDrops(kernelDrops) });
  if (page.skips > 0) found.push({ id: 'tooSlow', level: 'warn', ...words.tooSlow(page.skips) });
  if (lossMayBeUnderstated) found.push({ id: 'understated', level: 'note', ...words.understated() });
  return found;
}

function names(streams: readonly ElementaryStream[]): string {
  return [...new Set(streams.map(({ codec }) => codec))].join(' and ');
}

function sumOf(faults: readonly [string, number][]): number {
  return faults.reduce((sum, [, datagrams]) => sum + datagrams, 0);
}
