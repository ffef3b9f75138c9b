/** The pages of prose name no file or folder that is not there. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const SKIPPED = new Set(['node_modules', '.git', 'dist']);
/** Names of files and folders; others' films have other endings. */
const NAMED = /^[\w.-]+(?:\/[\w.-]+)*(?:\.(?:ts|tsx|js|c|h|md|json)|\/)$/;
const FENCED = /^```[\s\S]*?^```/gm;
const IN_BACKTICKS = /`([^`\n]+)`/g;

/** All files and folders of the repository, by their path; folders end with a slash. */
const present = listOf('.');

function listOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const name = path.posix.join(folder, entry.name);
    return entry.isDirectory() ? [`${name}/`, ...listOf(name)] : [name];
  });
}

/** `a-{b,c}` as `a-b` and `a-c`. */
function spelledOut(name: string): string[] {
  const [, before = '', choices, after = ''] = /^(.*)\{(.+)\}(.*)$/.exec(name) ?? [];
  return choices === undefined ? [name] : choices.split(',').map((choice) => before + choice + after);
}

function quoted(text: string): string[] {
  return [...text.matchAll(IN_BACKTICKS)].flatMap(([, name = '']) => spelledOut(name));
}

/** What a page names: with its ending anywhere, without it in the first column of a table of files. */
function namesIn(text: string): string[] {
  const prose = text.replaceAll(FENCED, '');
  const rows = prose.split('\n').filter((line) => line.startsWith('|'));
  const isOfFiles = rows[0]?.split('|')[1]?.trim() === 'file';
  const first = isOfFiles ? rows.flatMap((row) => quoted(row.split('|')[1] ?? '')) : [];
  const files = first.filter((name) => /^[\w-]+$/.test(name)).map((name) => `${name}.ts`);
  return [...quoted(prose).filter((name) => NAMED.test(name)), ...files];
}

/** True when the name is that of something in the page's folder or below it, or counts from the root. */
function isThere(name: string, page: string): boolean {
  const folder = page.includes('/') ? `${path.posix.dirname(page)}/` : '';
  return present.some((each) => each === name || (each.startsWith(folder) && each.endsWith(`/${name}`)));
}

function missingIn(text: string, page: string): string[] {
  return namesIn(text).filter((name) => !isThere(name, page));
}

const pages = present.filter((name) => name.endsWith('.md'));
it('finds the pages', () => expect(pages).toEqual(expect.arrayContaining(['README.md', 'wire/README.md'])));
for (const page of pages) {
  it(`${page} names what is there`, () => expect(missingIn(readFileSync(page, 'utf8'), page)).toEqual([]));
}

const planted: [name: string, text: string, missing: string[]][] = [
  ['a file that is gone', 'see `stage.ts` and `stages.ts`', ['stages.ts']],
  ['a folder that is gone', 'see `../x`, `wire/` and `wires/`', ['wires/']],
  ['a file of a table', '| file | job |\n| -- | -- |\n| `rtp`, `rtq` | `push` |', ['rtq.ts']],
  ['one of several', '| file | job |\n| -- | -- |\n| `rt{p,q,cp}` | |', ['rtq.ts']],
];
for (const [name, text, missing] of planted) {
  it(`notices ${name}`, () => expect(missingIn(text, 'wire/README.md')).toEqual(missing));
}
