/** The thin stream as one piece, for worlds that send it again and again. */
import { thinStream } from './thin-stream.ts';

/** Datagrams of the thin stream a second. */
export const THIN_RATE = 20;

/** So many seconds of `thinStream`. */
export function thinFilm(seconds: number): Buffer {
  const datagramOf = thinStream();
  return Buffer.concat(
    Array.from({ length: seconds * THIN_RATE }, (_, index) => Buffer.from(datagramOf(index))),
  );
}
