/**
 * What Linux tells in `/proc/net`: who owns a UDP port, how many datagrams a full buffer cost, which index a card has.
 *
 * `/proc/net` is that of our own network namespace; `/sys/class/net` need not be.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { monotonicNow } from './clock.ts';

/** Some ask for a counter often: the table is read anew when it is this old. */
const READ_AGAIN_MS = 200;

/** One row of `/proc/net/udp` or `/proc/net/udp6`. */
export interface UdpRow {
  /** Local port. */
  port: number;
  inode: string;
  /** Datagrams dropped because the receive buffer was full. */
  drops: number;
}

/** The program that holds a port. */
export interface PortOwner {
  name: string;
  pid: number;
}

/** Parses the table. Lines that are none of its rows are left out. */
export function parseUdpTable(text: string): UdpRow[] {
  const rows: UdpRow[] = [];
  for (const line of text.split('\n')) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops
    const fields = line.trim().split(/\s+/);
    const local = /^[0-9A-F]+:([0-9A-F]{4})$/.exec(fields[1] ?? '');
    const inode = fields[9];
    if (!local?.[1] || inode === undefined) continue;
    rows.push({ port: Number.parseInt(local[1], 16), inode, drops: Number(fields[12] ?? 0) });
  }
  return rows;
}

/** The program that holds UDP port `port`, as far as this user may see it; `undefined` elsewhere than on Linux. */
export function portOwner(port: number): PortOwner | undefined {
  const inodes = new Set(
    rowsOf(4)
      .concat(rowsOf(6))
      .filter((row) => row.port === port)
      .map((row) => row.inode),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of numbersIn('/proc')) {
    if (!socketsOf(pid).some((inode) => inodes.has(inode))) continue;
    return { name: readText(`/proc/${pid}/comm`)?.trim() ?? 'a program', pid: Number(pid) };
  }
  return undefined;
}

/** The index of a card, which it keeps until it is deleted; `undefined` elsewhere than on Linux. */
export function interfaceIndex(name: string): number | undefined {
  return parseIgmpTable(readText('/proc/net/igmp') ?? '').get(name);
}

/** The index of each card, by name, from `/proc/net/igmp`. */
export function parseIgmpTable(text: string): Map<string, number> {
  const rows = text.matchAll(/^(\d+)\s+(\S+)\s*:/gm); // 2 eth0 : 2 V3
  return new Map([...rows].map(([, index, name = '']) => [name, Number(index)]));
}

/** Counts what the kernel dropped at one socket of this process, and at those that take its place. */
export class DropCounter {
  #before = 0; // drops of the sockets followed earlier
  #known: number | undefined;
  #readAt = -Infinity;
  #family: 4 | 6 = 4;
  #inode: string | undefined;

  /** Follows the newest socket on local port `port`. Call it right after the socket was bound. */
  follow(port: number, family: 4 | 6): void {
    this.close();
    this.#before = this.#known ?? 0;
    const own = new Set(socketsOf('self'));
    const isFree = ({ inode }: UdpRow): boolean => own.has(inode) && !followed.has(inode);
    this.#family = family;
    this.#inode = rowsOf(family).find((row) => row.port === port && isFree(row))?.inode;
    if (this.#inode !== undefined) followed.add(this.#inode);
    this.#read();
  }

  /** Datagrams dropped since the first socket was opened; `undefined` when the system does not tell. */
  get total(): number | undefined {
    if (monotonicNow() - this.#readAt >= READ_AGAIN_MS) this.#read();
    return this.#known;
  }

  /** Lets go of the socket, which must still be open. What was counted stays. */
  close(): void {
    this.#read();
    if (this.#inode !== undefined) followed.delete(this.#inode);
    this.#inode = undefined;
  }

  #read(): void {
    if (this.#inode === undefined) return;
    const row = rowsOf(this.#family).find(({ inode }) => inode === this.#inode);
    if (row) this.#known = this.#before + row.drops;
    this.#readAt = monotonicNow();
  }
}

/** Sockets that have a counter, so that two on the same port do not count the same one. */
const followed = new Set<string>();

function rowsOf(family: 4 | 6): UdpRow[] {
  return parseUdpTable(readText(family === 4 ? '/proc/net/udp' : '/proc/net/udp6') ?? '');
}

function socketsOf(pid: string): string[] {
  const inodes: string[] = [];
  for (const fd of numbersIn(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
    if (inode !== undefined) inodes.push(inode);
  }
  return inodes;
}

function numbersIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return []; // another user's process, one that has just ended, or not Linux
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed meanwhile
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // not Linux
  }
}
