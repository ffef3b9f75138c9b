/** The house rules that a machine can check: import direction, purity, file size. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Folders from the outside in. A file may import from its own folder and from those to its right. */
const ORDER = [
  'cli',
  'web-viewer',
  'call',
  'sender',
  'receiver',
  'transport',
  'codecs',
  'jitter-buffer',
  'wire',
];
/** Pairs that must not know of each other although ORDER would let them. */
const STRANGERS = new Set([
  'sender receiver',
  'transport codecs',
  'transport jitter-buffer',
  'codecs jitter-buffer',
]);
/** Files that do no I/O and read no clock; a folder's `index.ts` is its composition and may. */
const PURE = /^(wire|jitter-buffer)\/|^(sender|receiver)\/(?!index\.ts)[^/]+\.ts$/;
const IMPURE =
  /from 'node:(?!buffer'|crypto')|import\('node:|Date\.now|new Date\(\)|performance\.now|process\.|Math\.random|randomBytes|randomInt|randomUUID|setTimeout|setInterval|setImmediate/;
const IMPORT = /(?:from|import\()\s*'(?:\.\.\/)+([\w-]+)\//g;

const files = ORDER.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => `${folder}/${name}`),
);

/** What a file breaks, in words; empty when it keeps the rules. */
function breaches(file: string, text: string): string[] {
  const found: string[] = [];
  const [folder = ''] = file.split('/');
  const targets = new Set([...text.matchAll(IMPORT)].map(([, target = '']) => target));
  for (const target of targets) {
    if (target === 'test') found.push('imports test');
    if (!ORDER.includes(target)) continue;
    const left = ORDER.indexOf(target) < ORDER.indexOf(folder);
    if (left || STRANGERS.has(`${folder} ${target}`)) found.push(`${folder} may not import ${target}`);
  }
  if (PURE.test(file) && IMPURE.test(text))
    found.push(`does I/O or reads a clock: ${IMPURE.exec(text)?.[0]}`);
  if (text.split('\n').length > 401) found.push('longer than 400 lines');
  return found;
}

it('finds the files of the house', () => expect(files).toContain('wire/stage.ts'));

for (const file of files) {
  it(`${file} keeps to the architecture`, () => {
    expect(breaches(file, readFileSync(file, 'utf8'))).toEqual([]);
  });
}

const planted: [name: string, file: string, text: string, breach: RegExp][] = [
  ['an import to the left', 'wire/a.ts', `import { x } from '../sender/b.ts';`, /may not import sender/],
  ['an import between strangers', 'sender/a.ts', `import { x } from '../receiver/b.ts';`, /may not import/],
  ['a dynamic import to the left', 'wire/a.ts', `await import('../cli/b.ts')`, /may not import cli/],
  ['a socket in a pure folder', 'jitter-buffer/a.ts', `import d from 'node:dgram';`, /does I\/O/],
  ['a clock in a stage', 'receiver/a.ts', `const t = performance.now();`, /reads a clock/],
  ['a timer in a stage', 'sender/a.ts', `setTimeout(f, 1);`, /reads a clock/],
  ['an import of test', 'cli/a.ts', `import { d } from '../test/helpers/drive.ts';`, /imports test/],
  ['a file of 500 lines', 'cli/a.ts', '\n'.repeat(500), /400 lines/],
];
for (const [name, file, text, breach] of planted) {
  it(`notices ${name}`, () => expect(breaches(file, text).join()).toMatch(breach));
}
