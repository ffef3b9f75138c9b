/** What a system may refuse: sending, by a firewall or for the size of a datagram, and joining another group. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programme } from '../helpers/programme.ts';
import { MAIN, Program, fileOf, freshGroup, lancastIn, temporaryFolder } from './program.ts';

const film = programme({ durationMs: 1000, bitsPerSecond: 2_000_000 });

/** Every send fails with the errno of the environment, as a firewall (nft, drop in the output hook) makes it. Needs a C compiler. */
const REFUSING_SENDS = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <stdlib.h>
  #include <sys/socket.h>
  static ssize_t refuse(void) { errno = atoi(getenv("REFUSED_WITH")); return -1; }
  ssize_t send(int s, const void *b, size_t n, int f) { return refuse(); }
  ssize_t sendto(int s, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l) { return refuse(); }
  ssize_t sendmsg(int s, const struct msghdr *m, int f) { return refuse(); }
  int sendmmsg(int s, struct mmsghdr *m, unsigned n, int f) { return refuse(); }`;

const folder = mkdtempSync(path.join(tmpdir(), 'lancast-refusing-'));
const refusing = path.join(folder, 'refusing.so');
beforeAll(() => {
  const source = path.join(folder, 'refusing.c');
  writeFileSync(source, REFUSING_SENDS);
  execFileSync('cc', ['-shared', '-fPIC', '-w', '-o', refusing, source], { stdio: 'inherit' });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a send that the system refuses', () => {
  const refusals: [name: string, errno: number, said: RegExp][] = [
    [
      'by its firewall',
      1,
      /✗ E109 A firewall on this PC blocked sending to 239\..*\n {4}why: .*EPERM.*\n {4}fix: .*ufw/,
    ],
    [
      'for its size',
      90,
      /✗ E113 Datagrams of \d+ bytes do not fit the path to 239\..*\n {4}why: .+\n {4}fix: .*MTU/,
    ],
    ['for want of a route', 101, /✗ E103 This PC has no route to 239\..*\n {4}why: .+\n {4}fix: .*--iface/],
  ];
  for (const engine of ['native', 'JavaScript']) {
    for (const [name, errno, said] of refusals) {
      it(`${name} is explained, with exit status 4 (${engine})`, async () => {
        const env = {
          ...process.env,
          ...(engine === 'JavaScript' && { LANCAST_NO_NATIVE: '1' }),
          LD_PRELOAD: refusing,
          REFUSED_WITH: String(errno),
        };
        const words = ['send', fileOf('film.ts', film), '--to', `rtp://${freshGroup()}`, '--iface', 'lo'];
        const { stderr, code } = await lancastIn(env, ...words).ended;
        expect(stderr).toMatch(said);
        expect(stderr).toMatch(/! nothing left this PC: the system refused \d+ datagrams?/);
        expect(code).toBe(4);
      });
    }
  }
});

describe('a group that the system does not let join', () => {
  it('is explained, with exit status 4', async () => {
    const out = path.join(temporaryFolder(), 'out.ts');
    const script = 'ip link set lo up && echo 0 > /proc/sys/net/ipv4/igmp_max_memberships && exec "$0" "$@"';
    const words = ['record', freshGroup(), out, '--iface', 'lo', '--timeout', '1s'];
    const { stderr, code } = await new Program('unshare', [
      '-rn',
      'sh',
      '-c',
      script,
      process.execPath,
      MAIN,
      ...words,
    ]).ended;
    expect(stderr).toMatch(
      /✗ E107 The system refused to join another group\.\n {4}why: .+\n {4}fix: .*igmp_max_memberships/,
    );
    expect(code).toBe(4);
  });
});
