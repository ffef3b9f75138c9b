/** Who this process is on the network. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** The canonical name in reports, RFC 3550 §6.5.1. */
export const cname = `lancast@${hostname()}`.slice(0, 255);

const DRAW_BYTES = 6;
/** Asking the system costs as much for a hundred draws as for one. */
const DRAWS = 100;

let drawn = Buffer.alloc(0);
let used = 0;

/** Uniform in 0 to 1, and not to be guessed by others: numbers of streams are drawn from it. */
export function random(): number {
  if (used === drawn.length) {
    drawn = randomBytes(DRAWS * DRAW_BYTES);
    used = 0;
  }
  used += DRAW_BYTES;
  return drawn.readUIntBE(used - DRAW_BYTES, DRAW_BYTES) / 2 ** (8 * DRAW_BYTES);
}
