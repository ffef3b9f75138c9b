import { createSocket, type Socket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { pause } from './engine-fixture.ts';
import {
  DropCounter,
  interfaceIndex,
  parseIgmpTable,
  parseUdpTable,
  portOwner,
} from '../../transport/proc-net.ts';

const UDP = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  411: 0101FFEF:138C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41234 2 0000000000000000 212
  999: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9001 2 0000000000000000 0
`;
const UDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  411: 000015FF000000000000000001000000:138C 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 555 2 0000000000000000 3
`;
const IGMP = `Idx	Device    : Count Querier	Group    Users Timer	Reporter
1	lo        :     1      V3
				010000E0     1 0:00000000		0
12	wlx00c0ca : 2      V2
				0101FFEF     1 0:00000000		0
`;

describe('parseUdpTable', () => {
  it('reads ports, inodes and drops', () => {
    expect(parseUdpTable(UDP)).toEqual([
      { port: 5004, inode: '41234', drops: 212 },
      { port: 68, inode: '9001', drops: 0 },
    ]);
    expect(parseUdpTable(UDP6)).toEqual([{ port: 5004, inode: '555', drops: 3 }]);
  });

  it('finds no rows in anything else', () => {
    expect(parseUdpTable('')).toEqual([]);
    expect(parseUdpTable('garbage\n 1: zz:zz\n')).toEqual([]);
  });
});

describe('parseIgmpTable', () => {
  it('reads the index of each card', () => {
    expect([...parseIgmpTable(IGMP)]).toEqual([
      ['lo', 1],
      ['wlx00c0ca', 12],
    ]);
  });
});

describe('on Linux', () => {
  it('finds the index of loopback', () => {
    expect(interfaceIndex('lo')).toBe(1);
    expect(interfaceIndex('no-such-card')).toBeUndefined();
  });

  it('counts nothing of a socket that is not there', () => {
    const counter = new DropCounter();
    counter.follow(1, 4);
    expect(counter.total).toBeUndefined();
  });

  it('names the program that holds a port', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    expect(portOwner(port)).toMatchObject({ pid: process.pid });
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    expect(portOwner(port)).toBeUndefined();
  });

  it('counts what a full buffer dropped, for two sockets on one port apart', async () => {
    const groups = ['239.255.77.1', '239.255.77.2'];
    const sockets = await Promise.all(groups.map((group) => boundTo(group)));
    const counters = sockets.map(() => new DropCounter());
    for (const counter of counters) counter.follow(45_104, 4);
    expect(counters.map((counter) => counter.total)).toEqual([0, 0]);

    sockets[0]?.setRecvBufferSize(2000);
    await flood('239.255.77.1', 200); // nobody listens meanwhile: this thread is busy
    await pause(250); // the table is not read more often than five times a second
    const drops = counters.map((counter) => counter.total ?? -1).sort((a, b) => a - b);
    expect(drops[0]).toBe(0);
    expect(drops[1]).toBeGreaterThan(0);
    for (const counter of counters) counter.close();
    expect(counters.map((counter) => counter.total ?? -1).sort((a, b) => a - b)).toEqual(drops);
    for (const socket of sockets) socket.close();
  });
});

async function boundTo(group: string): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  await new Promise<void>((resolve) => socket.bind(45_104, group, resolve));
  socket.addMembership(group, '127.0.0.1');
  return socket;
}

/** Sends without ever giving the event loop a turn. */
async function flood(group: string, count: number): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  socket.setMulticastInterface('127.0.0.1');
  await new Promise<void>((resolve) => socket.connect(45_104, group, resolve));
  const datagram = Buffer.alloc(1316);
  for (let sent = 0; sent < count; sent++) socket.send(datagram);
  socket.close();
}
