/** A programme in datagrams that hold packets of one PID each, so that a test can lose exactly what it means to. */
import type { Released } from '../../receiver/sink.ts';
import { NULL_PID, TS_PACKET_BYTES, pidAt, randomAccessAt } from '../../wire/mpeg-ts.ts';
import { pidsOf } from './programme-parts.ts';
import { programme, type ProgrammeOptions } from './programme.ts';

/** What is in a datagram. `key`: it begins a key frame; `later`: video, but no key frame begins in it. */
export type Content = 'key' | 'later' | 'sound' | 'tables' | 'stuffing';

/** One datagram of such a stream. */
export interface Part {
  content: Content;
  payload: Buffer;
  arrivedAt: number;
}

const { video, audio } = pidsOf(0);
const MOST_PACKETS = 7;

/** A programme of 2 Mbit/s, or as told, as such datagrams. */
export function partsOf(options: ProgrammeOptions & { durationMs: number }): Part[] {
  const ts = programme(options);
  const { bitsPerSecond = 2_000_000 } = options;
  const parts: Part[] = [];
  for (let from = 0, at = 0; at < ts.length; from = at) {
    const pid = pidAt(ts, from);
    do at += TS_PACKET_BYTES;
    while (
      at < ts.length &&
      at - from < MOST_PACKETS * TS_PACKET_BYTES &&
      pidAt(ts, at) === pid &&
      !randomAccessAt(ts, at)
    );
    const content = contentOf(pid, randomAccessAt(ts, from));
    parts.push({ content, payload: ts.subarray(from, at), arrivedAt: (from * 8000) / bitsPerSecond });
  }
  return parts;
}

function contentOf(pid: number, key: boolean): Content {
  if (pid === video) return key ? 'key' : 'later';
  if (pid === audio) return 'sound';
  return pid === NULL_PID ? 'stuffing' : 'tables';
}

/** The places of datagrams with such a content. */
export function placesOf(parts: readonly Part[], content: Content): number[] {
  return parts.flatMap((part, place) => (part.content === content ? [place] : []));
}

/**
 * What a receiver releases of them.
 *
 * @param lost places of datagrams that are missing; @param told false: nobody knows, as when they were missing at the source
 */
export function releasedOf(parts: readonly Part[], lost: ReadonlySet<number>, told = true): Released[] {
  const steps: Released[] = [];
  for (const [index, { payload, arrivedAt }] of parts.entries()) {
    const last = steps.at(-1);
    if (!lost.has(index))
      steps.push({
        kind: 'payload',
        payload,
        index,
        timestampTicks: undefined,
        arrivedAt,
        discontinuity: false,
      });
    else if (told && last?.kind === 'gap') last.count++;
    else if (told) steps.push({ kind: 'gap', first: index, count: 1 });
  }
  return steps;
}
