/** Two paths of which one is pulled for half a minute, at a moment that a seed chooses. */
import { randomFrom } from './network.ts';
import type { WorldOptions } from './repair-world.ts';
import { THIN_RATE, thinFilm } from './thin-film.ts';

const PULLED_MS = 30_000;
const SECONDS = 45;
const FILM = thinFilm(SECONDS);
/** Datagrams that only the other path could bring. */
export const LEAST_LOST = (PULLED_MS / 1000) * THIN_RATE - 1;

/** `whole`: the other path loses nothing and nobody asks. `asking`: it loses as much, and what is missing is asked for. */
export type OtherPath = 'whole' | 'asking';

/** A sender, 45 s of its stream, and a receiver. Both paths lose 5 % and differ by up to 450 ms, or when asked over by 40. */
export function pulledPath(seed: number, other: OtherPath): WorldOptions {
  const random = randomFrom(seed);
  const from = random() * (SECONDS * 1000 - PULLED_MS - 500);
  const skewMs = other === 'whole' ? 450 : 40;
  const way = () => ({ delayMs: 5 + random() * skewMs, jitterMs: 10 });
  const [first, second] = [way(), way()];
  return {
    seed,
    films: [FILM],
    sequence: Math.floor(random() * 65_536),
    retransmits: other === 'asking',
    multicast: seed % 2 === 0,
    latencyMs: 1000,
    paths: [
      { there: { ...first, loss: 0.05, cuts: [{ from, to: from + PULLED_MS }] }, back: { delayMs: 10 } },
      { there: { ...second, loss: other === 'asking' ? 0.05 : 0 }, back: { delayMs: 10 } },
    ],
  };
}
