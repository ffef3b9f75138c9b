/** This installation: its files, its version, and how it is called. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a file of the checkout, such as `fixtures/clip.ts`; the same whether it runs built or from its sources. */
export function installationFile(path: string): string {
  const built = import.meta.url.endsWith('.js'); // dist/cli/installation.js
  return fileURLToPath(new URL(`${built ? '../../' : '../'}${path}`, import.meta.url));
}

/** The version in package.json. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(installationFile('package.json'), 'utf8'));
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) return 'unknown';
  return String(manifest.version);
}

/** What people type to run lancast here: by npm when it was started so, for then `lancast` may not be on the PATH. */
export function commandName(): string {
  const script = process.env.npm_lifecycle_event;
  return script === 'start' || script === 'lancast' ? 'npm run -s lancast --' : 'lancast';
}
