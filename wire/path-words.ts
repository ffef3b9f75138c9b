/** What each of two paths saved, in words: the same in the program and on the page. Pure. */
import type { PathsSnapshot } from './metrics.ts';

/** `5 only on the first path, 3 only on the second`, or that one brought nothing at all. */
export function pathWords({ paths: [first, second] }: PathsSnapshot): string {
  if (first.received === 0) return 'nothing came on the first path';
  if (second.received === 0) return 'nothing came on the second path';
  return `${first.saved} only on the first path, ${second.saved} only on the second`;
}
