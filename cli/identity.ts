/** Who this process is on the network. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** The canonical name in reports, RFC 3550 §6.5.1. */
export const cname = `lancast@${hostname()}`.slice(0, 255);

/** Uniform in 0 to 1, and not to be guessed by others: numbers of streams are drawn from it. */
export function random(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}
