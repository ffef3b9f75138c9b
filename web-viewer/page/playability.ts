/**
 * What of a stream this browser can play. Pure: the browser is asked through `canPlay`.
 *
 * No browser decodes MPEG-2 video, MPEG layer 2 sound or (nearly everywhere) AC-3; HEVC and AV1 depend on the machine.
 */
import type { ElementaryStream, Programme, StreamSnapshot } from '../../wire/metrics.ts';

/** What can be done with the streams of the programme that is played. */
export interface Playability {
  /** The browser has Media Source Extensions at all. */
  browser: boolean;
  /** Pictures and sounds that will be played. */
  playable: ElementaryStream[];
  /** Pictures and sounds that this browser cannot decode. */
  refused: ElementaryStream[];
}

/** `MediaSource.isTypeSupported`, or `undefined` in browsers without it. */
export type CanPlay = ((type: string) => boolean) | undefined;

/** What to ask the browser for, by `stream_type` (ISO 13818-1 table 2-34) or by the name for private types. */
const TYPES: readonly [match: RegExp | number, type: string][] = [
  [0x1b, 'video/mp4; codecs="avc1.4d401f"'],
  [0x24, 'video/mp4; codecs="hvc1.1.6.L93.B0"'],
  [0x0f, 'audio/mp4; codecs="mp4a.40.2"'],
  [0x11, 'audio/mp4; codecs="mp4a.40.2"'],
  [/^AV1/i, 'video/mp4; codecs="av01.0.04M.08"'],
  [/^Opus/i, 'audio/mp4; codecs="opus"'],
  [/^MP3/i, 'audio/mpeg'],
  [/^(E-AC-3|EAC-?3)/i, 'audio/mp4; codecs="ec-3"'],
  [/^AC-?3/i, 'audio/mp4; codecs="ac-3"'],
];

/** Judges the first programme that has pictures or sound: it is the one that is played. */
export function playability(stream: StreamSnapshot, canPlay: CanPlay): Playability {
  const media = programmeStreams(stream).filter(({ kind }) => kind === 'video' || kind === 'audio');
  const playable = media.filter((each) => isPlayable(each, canPlay));
  return {
    browser: canPlay !== undefined,
    playable,
    refused: media.filter((each) => !playable.includes(each)),
  };
}

/** The programme that is played; `undefined` while the tables have not come yet. */
export function playedProgramme({ programmes }: StreamSnapshot): Programme | undefined {
  return programmes.find(({ streams }) => streams.some(({ kind }) => kind === 'video' || kind === 'audio'));
}

/** The elementary streams of the programme that is played. */
export function programmeStreams(stream: StreamSnapshot): ElementaryStream[] {
  return playedProgramme(stream)?.streams ?? [];
}

/** What people call the stream: a name it was given here, else the one its programme carries, else its address. */
export function titleOf(stream: StreamSnapshot): string {
  const { name, address } = stream;
  return name === address ? (playedProgramme(stream)?.name ?? address) : name;
}

function isPlayable({ streamType, codec }: ElementaryStream, canPlay: CanPlay): boolean {
  const entry = TYPES.find(([match]) =>
    typeof match === 'number' ? match === streamType : match.test(codec),
  );
  return entry !== undefined && canPlay !== undefined && canPlay(entry[1]);
}
