/** Where this installation keeps its files: the same whether it runs built (`dist/cli/`) or from its sources (`cli/`). */
import { fileURLToPath } from 'node:url';

/** The path of a file of the checkout, such as `fixtures/clip.ts`. */
export function installationFile(path: string): string {
  const built = import.meta.url.endsWith('.js');
  return fileURLToPath(new URL(`${built ? '../../' : '../'}${path}`, import.meta.url));
}
