/**
 * What loopback cannot show: IPv6 multicast, and cards that go away and come back.
 *
 * The file runs itself again inside a network namespace of its own, joined by a veth pair to a second one, `far`. The
 * machine's own network is not touched.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { monotonicNow } from '../../transport/clock.ts';
import { chooseInterface } from '../../transport/interfaces.ts';
import type { ArrivalOptions, ArrivalQueue, DepartureQueue, UdpEngine } from '../../transport/udp.ts';
import { pause, until, pushOne } from './engine-fixture.ts';
import { ENGINES } from './engines.ts';

const INSIDE = 'LANCAST_TEST_INSIDE_NAMESPACE';
const PORT = 5004;

/** Sends `hello` to a group every 20 ms. Arguments: family, group, own address, own card. */
const FAR_SENDER = `
  const [family, group, address, card] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket('udp' + family);
  socket.bind(0, address, () => {
    socket.setMulticastInterface(family === '6' ? '::%' + card : address);
    setInterval(() => socket.send('hello', ${PORT}, group), 20);
  });`;

/** Prints `datagram source` for each datagram of a group. Arguments: family, group, own address, own card. */
const FAR_LISTENER = `
  const [family, group, address, card] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket('udp' + family);
  socket.on('message', (data, from) => console.log(data + ' ' + from.address));
  socket.bind(${PORT}, family === '6' ? group + '%' + card : group, () => {
    socket.addMembership(group, family === '6' ? '::%' + card : address);
    console.log('ready');
  });`;

if (process.env[INSIDE] === undefined) {
  it('works over cards that come and go, and over IPv6 (in a network namespace)', async () => {
    const vitest = 'node_modules/vitest/vitest.mjs';
    const args = [
      process.execPath,
      vitest,
      'run',
      '--project',
      'transport',
      'test/transport/namespace.test.ts',
    ];
    const { code, output } = await run('unshare', ['-rnm', ...args]);
    const what = output.includes('unshare failed')
      ? 'This test makes network namespaces: run it as root, or allow unprivileged user namespaces (in Docker: --privileged).\n'
      : '';
    expect(code, what + output).toBe(0);
  });
} else describe('between two network namespaces', inside);

function inside(): void {
  let far: ChildProcess;
  let plugged = false;
  const opened: { close(): Promise<void> }[] = [];
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    sh('ip link set lo up');
    sh(
      'sysctl -qw net.ipv6.conf.default.accept_dad=0 || echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad',
    );
    far = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
    await until(() => namespaceOf(far) !== readlinkSync('/proc/self/ns/net'));
    // Without duplicate address detection, which takes a second or two, the cable is ready at once.
    const impatient = 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad';
    sh(`${impatient}; nsenter -t ${far.pid} -n sh -c '${impatient}'`);
  });

  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
    for (const child of children.splice(0)) child.kill();
  });

  afterAll(() => {
    far.kill();
  });

  /** Makes the cable: `near0` 10.9.0.1 and fd09::1 here, `far0` 10.9.0.2 and fd09::2 there; nothing when it is there. */
  async function plug(): Promise<void> {
    if (plugged) return;
    plugged = true;
    sh(`ip link add near0 type veth peer name far0 netns ${far.pid}`);
    sh('ip addr add 10.9.0.1/24 dev near0; ip addr add fd09::1/64 dev near0 nodad; ip link set near0 up');
    const there = `nsenter -t ${far.pid} -n`;
    sh(`${there} ip addr add 10.9.0.2/24 dev far0; ${there} ip addr add fd09::2/64 dev far0 nodad`);
    sh(`${there} ip link set far0 up`);
    await until(() => isReady('near0', '') && isReady('far0', there));
  }

  function unplug(): void {
    plugged = false;
    sh('ip link del near0');
  }

  /** Runs a script in the far namespace. */
  function there(script: string, group: string): ChildProcess {
    const six = group.includes(':');
    const args = [six ? '6' : '4', group, six ? 'fd09::2' : '10.9.0.2', 'far0'];
    const command = ['-t', String(far.pid), '-n', process.execPath, '-e', script, ...args];
    const child = spawn('nsenter', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  }

  /** Lines that a far listener prints. */
  async function listenThere(group: string): Promise<string[]> {
    const { stdout } = there(FAR_LISTENER, group);
    const lines: string[] = [];
    if (stdout) createInterface(stdout).on('line', (line) => lines.push(line));
    await until(() => lines.length > 0);
    return lines;
  }

  it('refuses to choose a card when none is up, and takes the one that is', async () => {
    for (const group of ['239.255.1.1', 'ff15::1']) {
      await expect(chooseInterface(group)).rejects.toMatchObject({
        code: 'E103',
        details: { destination: group },
      });
    }
    await plug();
    for (const group of ['239.255.1.1', 'ff15::1']) {
      expect(await chooseInterface(group)).toMatchObject({ name: 'near0' });
    }
    expect((await chooseInterface('239.255.1.1')).reason).toBe('the only card that is up');
    sh('ip route add 239.0.0.0/8 dev near0');
    expect((await chooseInterface('239.255.1.1')).reason).toBe('the route to 239.255.1.1');
  });

  for (const engine of ENGINES) describe(`by the ${engine.kind} engine`, () => over(engine));

  function over(engine: UdpEngine): void {
    // What went before has left the card without its IPv6 address.
    beforeAll(() => {
      if (plugged) unplug();
    });

    async function listen(group: string, more: Partial<ArrivalOptions> = {}) {
      const via = await chooseInterface(group, 'near0');
      const from: string[] = [];
      const options = { address: { address: group, port: PORT }, via, ...more };
      const queue: ArrivalQueue = await engine.openArrival(options, (_data, _at, { address }) => {
        from.push(address);
      });
      opened.push(queue);
      return { queue, from };
    }

    async function depart(group: string): Promise<DepartureQueue> {
      const via = await chooseInterface(group, 'near0');
      const queue = await engine.openDeparture({
        destinations: [{ address: group, port: PORT }],
        via,
        ttl: 1,
      });
      opened.push(queue);
      return queue;
    }

    it('says that there is no route rather than sending into nothing', async () => {
      await plug();
      const via = await chooseInterface('10.9.0.2', 'near0');
      const destinations = [{ address: '10.77.0.1', port: PORT }];
      const refused = engine.openDeparture({ destinations, via, ttl: 1 });
      await expect(refused).rejects.toMatchObject({ code: 'E103', details: { destination: '10.77.0.1' } });
      const onLoopback = { destinations: [{ address: 'ff15::1', port: PORT }], ttl: 1 };
      const lo = await chooseInterface('ff15::1', 'lo');
      await expect(engine.openDeparture({ ...onLoopback, via: lo })).rejects.toMatchObject({
        code: 'E103',
      });
    });

    for (const [group, source] of [
      ['239.255.9.1', '10.9.0.2'],
      ['ff15::9', 'fd09::2'],
    ] as const) {
      it(`hears ${group} from another machine`, async () => {
        await plug();
        const { from } = await listen(group);
        there(FAR_SENDER, group);
        await until(() => from.length > 3);
        expect(new Set(from)).toEqual(new Set([source]));
      });
    }

    for (const [group, source, stranger] of [
      ['232.255.9.1', '10.9.0.2', '10.9.0.3'],
      ['ff35::9', 'fd09::2', 'fd09::3'],
    ] as const) {
      it(`joins ${group} for one source`, async () => {
        await plug();
        const right = await listen(group, { sources: [source] });
        const wrong = await listen(group, { sources: [stranger] });
        there(FAR_SENDER, group);
        await until(() => right.from.length > 3);
        expect(wrong.from).toEqual([]);
      });
    }

    for (const [group, source] of [
      ['239.255.9.2', '10.9.0.1'],
      ['ff15::2', 'fd09::1'],
      ['ff12::2', 'fe80::'],
    ] as const) {
      it(`sends to ${group} by the card that was chosen`, async () => {
        await plug();
        const lines = await listenThere(group);
        const queue = await depart(group);
        for (let index = 0; index < 5; index++)
          pushOne(queue, Buffer.from(`number-${index}`), monotonicNow());
        await until(() => lines.length > 5);
        expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(
          [0, 1, 2, 3, 4].map((n) => `number-${n}`),
        );
        expect(lines[1]).toContain(` ${source}`);
      });
    }

    for (const [group, listening] of [
      ['239.255.9.3', '239.255.9.4'],
      ['ff15::3', 'ff15::4'],
      ['ff12::3', 'ff12::4'],
    ] as const) {
      it(`goes on when the card was deleted and made anew: ${group}`, async () => {
        await plug();
        const { queue, from } = await listen(listening);
        there(FAR_SENDER, listening);
        let lines = await listenThere(group);
        const out = await depart(group);
        const sending = setInterval(() => pushOne(out, Buffer.from('x'), monotonicNow()), 20);
        try {
          await until(() => from.length > 3 && lines.length > 3);
          unplug();
          children.splice(0).forEach((child) => child.kill());
          await pause(1200);
          const before = from.length;
          await plug();
          there(FAR_SENDER, listening);
          lines = await listenThere(group);
          await until(() => from.length > before + 3 && lines.length > 3);
        } finally {
          clearInterval(sending);
        }
        expect(queue.stats.rejoined).toBe(1);
        expect(out.stats.failed).toBeGreaterThan(0);
      });
    }

    it('needs no new join when the card was only down', async () => {
      await plug();
      const { queue, from } = await listen('239.255.9.5');
      there(FAR_SENDER, '239.255.9.5');
      await until(() => from.length > 3);
      sh('ip link set near0 down');
      await pause(1200);
      const before = from.length;
      sh('ip link set near0 up');
      await until(() => from.length > before + 3);
      expect(queue.stats.rejoined).toBe(0);
    });
  }
}

function sh(command: string): void {
  execFileSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** True when IPv6 has done its part too: an address to send from, and a way for groups. */
function isReady(card: string, inside: string): boolean {
  const addresses = execFileSync('sh', ['-c', `${inside} ip -6 addr show dev ${card}`], { encoding: 'utf8' });
  const routes = execFileSync('sh', ['-c', `${inside} ip -6 route show table local`], { encoding: 'utf8' });
  const addressed = addresses.includes('fe80:') && !addresses.includes('tentative');
  return addressed && routes.includes(`ff00::/8 dev ${card}`);
}

function namespaceOf(child: ChildProcess): string {
  return readlinkSync(`/proc/${child.pid}/ns/net`);
}

function run(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, [INSIDE]: '1', NO_COLOR: '1' } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}
