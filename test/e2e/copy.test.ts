/** Files sent whole by `copy://`, through real sockets and a seeded bad network on loopback. */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openLossyProxy, type LossyProxy, type LossyProxyOptions } from '../helpers/lossy-proxy.ts';
import { fileOf, freshPort, lancast, MAIN, Program, sha256, temporaryFolder } from './program.ts';

const HOST = '127.0.0.1';
const MEGABYTE = 1_000_000;
const film = randomBytes(3 * MEGABYTE + 77);

const open: LossyProxy[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function receiver(port: number, folder: string, ...more: string[]): Promise<Program> {
  const program = lancast('record', `copy://${HOST}:${port}`, folder, '--json', ...more);
  await program.event('recording');
  return program;
}

function sender(port: number, file: string, ...more: string[]): Program {
  return lancast('send', file, '--to', `copy://${HOST}:${port}`, '--json', ...more);
}

/** A port behind which a bad network leads to `target`. */
async function badNetwork(
  target: number,
  options: Omit<LossyProxyOptions, 'ports'>,
): Promise<{ listen: number; proxy: LossyProxy }> {
  const listen = freshPort();
  const proxy = await openLossyProxy({ ports: [{ listen, target }], ...options });
  open.push(proxy);
  return { listen, proxy };
}

function summaryOf(program: Program): Record<string, unknown> {
  return program.events.find(({ event }) => event === 'summary') ?? {};
}

describe('a file that is sent whole', () => {
  it('arrives, and both ends say the same of it', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    const record = await receiver(port, folder);
    const send = sender(port, fileOf('film.mp4', film));
    expect((await send.ended).code).toBe(0);
    const facts = { complete: true, bytes: film.length, sha256: sha256(film) };
    expect(summaryOf(send)).toMatchObject({ ...facts, writtenBytes: film.length, foundBytes: 0 });
    expect(await record.event('received')).toMatchObject({ ...facts, name: 'film.mp4', why: 'done' });
    expect(readFileSync(path.join(folder, 'film.mp4')).equals(film)).toBe(true);
    expect(readdirSync(folder)).toEqual(['film.mp4']);
    record.kill('SIGINT');
    expect((await record.ended).code).toBe(130);
    expect(summaryOf(record)).toMatchObject({ files: 1, bytes: film.length, failed: 0 });
  });

  it('arrives through 10 % loss both ways, disorder and duplicates', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    await receiver(port, folder);
    const cable = { loss: 0.1, delayMs: 2, jitterMs: 10, duplicates: 0.05 };
    const { listen, proxy } = await badNetwork(port, { seed: 4, there: cable, back: cable });
    const send = sender(listen, fileOf('film.mp4', film));
    expect((await send.ended).code).toBe(0);
    expect(readFileSync(path.join(folder, 'film.mp4')).equals(film)).toBe(true);
    expect(proxy.there.lost).toBeGreaterThan(100);
  });

  it('goes on where it stopped when the receiver is killed and started again', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    const first = await receiver(port, folder);
    const cable = { loss: 0.02, delayMs: 2 };
    const { listen, proxy } = await badNetwork(port, { seed: 5, there: cable, back: cable });
    const send = sender(listen, fileOf('film.mp4', film), '--bitrate', '8M');
    const part = path.join(folder, 'film.mp4.part');
    await first.until(() => existsSync(part) && statSync(part).size > MEGABYTE, 'a megabyte');
    first.kill('SIGKILL');
    await first.ended;
    const kept = statSync(part).size;
    const before = proxy.there.takenBytes;
    const second = await receiver(port, folder);
    expect(await second.event('receiving')).toMatchObject({ foundBytes: kept - (kept % 1316) });
    expect((await send.ended).code).toBe(0);
    expect(readFileSync(path.join(folder, 'film.mp4')).equals(film)).toBe(true);
    expect(summaryOf(send)).toMatchObject({ complete: true, reconnected: 1 });
    // What was there was not sent again: 2 % are lost, and a datagram has 2 % of header.
    const left = film.length - kept;
    expect(proxy.there.takenBytes - before).toBeGreaterThan(left);
    expect(proxy.there.takenBytes - before).toBeLessThan(1.15 * left + 100_000);
  });
});

describe('a copy', () => {
  it('goes on where it stopped when the sender is killed and started again', async () => {
    const [port, folder, file] = [freshPort(), temporaryFolder(), fileOf('film.mp4', film)];
    const record = await receiver(port, folder);
    const first = sender(port, file, '--bitrate', '8M');
    const part = path.join(folder, 'film.mp4.part');
    await first.until(() => existsSync(part) && statSync(part).size > MEGABYTE, 'a megabyte');
    first.kill('SIGKILL');
    await first.ended;
    const kept = statSync(part).size; // what is under way may still be added
    const second = sender(port, file);
    expect((await second.ended).code).toBe(0);
    expect(readFileSync(path.join(folder, 'film.mp4')).equals(film)).toBe(true);
    const found = Number(summaryOf(second).foundBytes);
    expect(found).toBeGreaterThanOrEqual(kept - (kept % 1316));
    expect(found).toBeLessThan(kept + MEGABYTE / 10);
    expect(record.events.find(({ event }) => event === 'received')).toMatchObject({ why: 'replaced' });
  });

  it('names what is missing when it is stopped at either end', async () => {
    const [port, folder, file] = [freshPort(), temporaryFolder(), fileOf('film.mp4', film)];
    const part = path.join(folder, 'film.mp4.part');
    const record = await receiver(port, folder);
    const first = sender(port, file, '--bitrate', '8M');
    await first.until(() => existsSync(part) && statSync(part).size > MEGABYTE, 'a megabyte');
    first.kill('SIGINT');
    const stopped = await first.ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/stopped +bytes [\d ]+ to 3 000 076 of 3 000 077 are missing/);
    expect(await record.event('received')).toMatchObject({ complete: false, why: 'stopped' });

    const second = sender(port, file, '--bitrate', '4M');
    await second.event('progress');
    record.kill('SIGINT');
    const refused = await second.ended;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/E118[\s\S]*bytes [\d ]+ to 3 000 076[\s\S]*it was stopped/);
    expect(statSync(part).size).toBeGreaterThan(MEGABYTE);
  });

  it('to nobody is given up, with words', async () => {
    const send = sender(freshPort(), fileOf('film.mp4', film));
    const { code, stderr } = await send.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/E119 "[^"]*film\.mp4" did not arrive whole: nothing of it is there\./);
    expect(stderr).toContain('nobody answered');
  });

  it('is taken from several senders side by side', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    await receiver(port, folder);
    const files = Array.from({ length: 5 }, (_, number) => randomBytes(MEGABYTE + number));
    const sends = files.map((bytes, number) => sender(port, fileOf(`film-${number}.mp4`, bytes)));
    for (const send of sends) expect((await send.ended).code).toBe(0);
    for (const [number, bytes] of files.entries())
      expect(readFileSync(path.join(folder, `film-${number}.mp4`)).equals(bytes)).toBe(true);
  });

  it('writes nothing over: another file of the same name gets a number, the same file stays', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    await receiver(port, folder);
    const other = randomBytes(film.length);
    for (const bytes of [film, other, film]) {
      const send = sender(port, fileOf('film.mp4', bytes));
      expect((await send.ended).code).toBe(0);
    }
    expect(readdirSync(folder).sort()).toEqual(['film-2.mp4', 'film.mp4']);
    expect(readFileSync(path.join(folder, 'film.mp4')).equals(film)).toBe(true);
    expect(readFileSync(path.join(folder, 'film-2.mp4')).equals(other)).toBe(true);
  });

  it('never leaves the folder and follows no link', async () => {
    const [port, parent] = [freshPort(), temporaryFolder()];
    const folder = path.join(parent, 'in');
    mkdirSync(folder);
    const victim = path.join(parent, 'victim');
    writeFileSync(victim, 'mine');
    symlinkSync(victim, path.join(folder, 'link.bin.part'));
    linkSync(victim, path.join(folder, 'hard.bin.part'));
    symlinkSync(victim, path.join(folder, 'final.bin'));
    const record = await receiver(port, folder);
    const small = randomBytes(5000);
    const cases: [name: string, code: number][] = [
      ['../escaped', 0],
      ['/tmp/../absolute', 0],
      ['link.bin', 1],
      ['hard.bin', 1],
      ['final.bin', 0],
    ];
    for (const [name, code] of cases) {
      const send = sender(port, fileOf('any.bin', small), '--name', name);
      expect((await send.ended).code, name).toBe(code);
    }
    expect(readFileSync(victim, 'utf8')).toBe('mine');
    expect(readdirSync(parent).sort()).toEqual(['in', 'victim']);
    expect(readdirSync(folder).sort()).toEqual(
      ['absolute', 'escaped', 'final-2.bin', 'final.bin', 'hard.bin.part', 'link.bin.part'].sort(),
    );
    expect(record.events.filter(({ event }) => event === 'warning')).toHaveLength(2);
  });

  it('of a file that grows meanwhile is not called whole', async () => {
    const [port, folder] = [freshPort(), temporaryFolder()];
    await receiver(port, folder);
    const file = fileOf('film.mp4', randomBytes(10 * MEGABYTE));
    const send = sender(port, file, '--bitrate', '20M');
    await send.event('progress');
    writeFileSync(file, 'more', { flag: 'a' });
    const { code, stderr } = await send.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/E119[\s\S]*changed while it was sent/);
    expect(readdirSync(folder)).toEqual(['film.mp4.part']);
  });

  /** A receiver whose disk holds 2 MB, in a mount namespace of its own. */
  async function onSmallDisk(port: number, meanwhile = ''): Promise<Program> {
    const script = `mount -t tmpfs -o size=2m none "$DISK"; ${meanwhile} exec "$NODE" "$MAIN" record "$URL" "$DISK/in" --json`;
    const env = { DISK: temporaryFolder(), NODE: process.execPath, MAIN, URL: `copy://${HOST}:${port}` };
    const program = new Program('unshare', ['-rm', 'sh', '-ec', script], { ...process.env, ...env });
    await program.event('recording');
    return program;
  }

  it('is refused by a disk that has no room for it, with words at both ends', async () => {
    const port = freshPort();
    const record = await onSmallDisk(port);
    const { code, stderr } = await sender(port, fileOf('film.mp4', film)).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /E118[\s\S]*nothing of it is there[\s\S]*not enough room on its disk: 2\.1 MB are free/,
    );
    expect(await record.event('warning')).toMatchObject({ code: 'E401' });
    // Others are taken all the same.
    expect((await sender(port, fileOf('small.mp4', randomBytes(100_000))).ended).code).toBe(0);
  });

  it('ends when the disk becomes full under way, with words at both ends', async () => {
    const port = freshPort();
    const record = await onSmallDisk(port, '(sleep 2; head -c 1900000 /dev/zero > "$DISK/other" || true) &');
    const { code, stderr } = await sender(port, fileOf('film.mp4', randomBytes(1_900_000)), '--bitrate', '4M')
      .ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/E118[\s\S]*bytes [\d ]+ to 1 899 999 [\s\S]*not enough room on its disk/);
    expect(await record.event('warning')).toMatchObject({ code: 'E401' });
    expect(await record.event('received')).toMatchObject({ complete: false, why: 'no-space' });
  });

  it('of a sender that is not named by --from is not heard', async () => {
    const port = freshPort();
    const record = await receiver(port, temporaryFolder(), '--from', '127.0.0.2', '--timeout', '2s');
    sender(port, fileOf('film.mp4', film));
    expect((await record.ended).code).toBe(0);
    expect(summaryOf(record)).toMatchObject({ files: 0, failed: 0 });
    expect(record.events.map(({ event }) => event)).not.toContain('receiving');
  });

  it('is received until --timeout', async () => {
    const record = lancast(
      'record',
      `copy://${HOST}:${freshPort()}`,
      temporaryFolder(),
      '--timeout',
      '500ms',
    );
    expect((await record.ended).code).toBe(0);
  });

  const refused: [name: string, words: string[], what: RegExp][] = [
    ['a folder', ['send', '/tmp', '--to', 'copy://127.0.0.1:5004'], /copy:\/\/ takes one file/],
    ['standard input', ['send', '-', '--to', 'copy://127.0.0.1:5004'], /copy:\/\/ takes one file/],
    ['a loop', ['send', 'x', '--loop', '--to', 'copy://127.0.0.1:5004'], /--loop does not go with copy/],
    ['FEC', ['send', 'x', '--fec', '2022:5x5', '--to', 'copy://127.0.0.1:5004'], /--fec and --path2 do not/],
    ['two paths', ['record', 'copy://127.0.0.1:5004', 'x', '--path2', '@lo'], /--path2 does not go/],
    ['nobody', ['send', 'x', '--to', 'copy://:5004'], /names no PC/],
    ['a group', ['send', 'x', '--to', 'copy://239.1.1.1:5004'], /not to a group/],
    ['two', ['send', 'x', '--to', 'copy://127.0.0.1', '--to', 'copy://127.0.0.2'], /no other address/],
    ['a pipe', ['record', 'copy://127.0.0.1:5004', '-'], /needs a folder/],
    ['no hash', ['record', 'copy://127.0.0.1:5004', 'x', '--unhashed'], /--unhashed does not go/],
    ['a stream beside', ['record', 'copy://127.0.0.1:5004', '239.1.1.1', 'x'], /no other address/],
  ];
  for (const [name, words, what] of refused)
    it(`is not for ${name}`, async () => {
      const { code, stderr } = await lancast(...words).ended;
      expect(code).toBe(2);
      expect(stderr).toMatch(what);
    });
  it('of a file that is not there is refused as any', async () => {
    const { code, stderr } = await sender(freshPort(), '/nowhere/film.mp4').ended;
    expect(code).toBe(6);
    expect(stderr).toContain('E201');
  });
});
