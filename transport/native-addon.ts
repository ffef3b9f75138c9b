/** The native engine's addon: what it offers, and how it is loaded. `native/build.js` builds it. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { FileAddon } from './cached-read.ts';
import type { ArrivalAddon } from './native-arrival.ts';
import type { DepartureAddon } from './native-departure.ts';

/** A socket to be opened. Addresses are numeric, with a zone where IPv6 needs one. */
export interface SocketOptions {
  family: 4 | 6;
  /** Absent: any. */
  bindAddress?: string;
  /** Default 0: an ephemeral one. */
  bindPort?: number;
  /** Others may bind to the same: for groups and broadcast. */
  shared?: boolean;
  /** To be joined, on `card`, and nothing else is heard (IP_MULTICAST_ALL is off). */
  group?: string;
  /** Accept the group from these only. */
  sources?: readonly string[];
  /** A card's name: groups are joined on it and leave by it. */
  card?: string;
  /** Hops of what is sent, 1 to 255. */
  ttl?: number;
  /** 0 to 63. */
  dscp?: number;
  broadcast?: boolean;
  receiveBufferBytes?: number;
  connectAddress?: string;
  connectPort?: number;
}

/** Sockets. A socket is its descriptor. What fails throws an error with the errno's name as `code`, as Node's do. */
export interface SocketAddon {
  openSocket(options: SocketOptions): number;
  /** For a socket that no thread uses. */
  closeSocket(socket: number): void;
  localEndpoint(socket: number): [address: string, port: number];
  /** Bytes granted, counted as they were asked for. */
  receiveBuffer(socket: number): number;
  /** Datagrams the kernel has dropped because the buffer was full; -1 when it does not tell. */
  socketDrops(socket: number): number;
  /** Sends at once and never waits: the errno's name, or an empty text. */
  sendTo(socket: number, datagram: Buffer, address: string, port: number): string;
}

/** All that the addon offers. */
export interface NativeAddon extends SocketAddon, DepartureAddon, ArrivalAddon, FileAddon {
  readonly interfaceVersion: number;
}

/** That of `native/addon.c`. */
const INTERFACE_VERSION = 4;

/** Loads the addon. Gives the reason, a phrase for people, when there is none that can be used. */
export function loadAddon(folder = builtFolder(), version = INTERFACE_VERSION): NativeAddon | string {
  if (process.env['LANCAST_NO_NATIVE'] === '1') return 'LANCAST_NO_NATIVE=1 asks for it';
  const file = `${folder}/lancast.node`;
  if (!existsSync(file)) return reasonOf(`${folder}/build.json`);
  try {
    const addon: NativeAddon = createRequire(import.meta.url)(file);
    if (addon.interfaceVersion === version) return addon;
    return 'the native engine was built from other sources: run `npm rebuild`';
  } catch (error) {
    const words = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return `the native engine was built for another Node.js or another system (${words}): run \`npm rebuild\``;
  }
}

/** The same folder whether this runs built or from its sources. */
function builtFolder(): string {
  const built = import.meta.url.endsWith('.js'); // dist/transport/native-addon.js
  return fileURLToPath(new URL(built ? '../native' : '../dist/native', import.meta.url));
}

/** Why it was not built, as `build.js` wrote it down. */
function reasonOf(record: string): string {
  try {
    const { reason }: { reason?: unknown } = JSON.parse(readFileSync(record, 'utf8'));
    if (typeof reason === 'string') return reason;
  } catch {
    // not built yet: the install scripts of npm were not run
  }
  return 'the native engine was not built: run `npm rebuild`';
}
