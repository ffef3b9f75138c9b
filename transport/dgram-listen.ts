/** Opens a receiving socket on `node:dgram`: bound so that it hears one group only, joined on one card. */
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { scopeOf, type Endpoint } from '../wire/address.ts';
import { boundSocket, closeSocket } from './dgram-socket.ts';
import { isBroadcast, withZone } from './interfaces.ts';
import { errnoOf, joinFailure, notMulticast, portTaken } from './socket-errors.ts';
import { RECEIVE_BUFFER_BYTES, type ArrivalOptions, type ChosenInterface } from './udp.ts';

/** A socket that hears `options.address` on the card `via`. Throws E102, E103, E104, E107, E111. */
export async function openListeningSocket(options: ArrivalOptions, via: ChosenInterface): Promise<Socket> {
  const socket = await bindTo(options.address, via);
  try {
    askForBuffer(socket, options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES);
    if (scopeOf(options.address.address) === 'multicast') join(socket, options, via);
    return socket;
  } catch (error) {
    await closeSocket(socket);
    throw error;
  }
}

async function bindTo({ address, port }: Endpoint, via: ChosenInterface): Promise<Socket> {
  const group = scopeOf(address) === 'multicast';
  const shared = group || isBroadcast(address);
  const type = isIPv6(address) ? ('udp6' as const) : ('udp4' as const);
  // Bound to any address, a socket of Linux hears every group that anybody on the machine has joined on this port.
  // Windows cannot bind to a group, and only Linux can bind to a broadcast address.
  const exact = group ? process.platform !== 'win32' : !shared || process.platform === 'linux';
  try {
    return await boundSocket(
      { type, reuseAddr: shared, ipv6Only: type === 'udp6' },
      { address: exact ? withZone(address, via) : '', port },
    );
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') throw portTaken(port, error);
    if (errnoOf(error) === 'EADDRNOTAVAIL') throw notMulticast(address, error);
    throw error;
  }
}

function join(socket: Socket, options: ArrivalOptions, via: ChosenInterface): void {
  const group = options.address.address;
  const card = via.family === 6 ? withZone('::', via) : via.address;
  try {
    if (!options.sources?.length) joinOnce(() => socket.addMembership(group, card));
    for (const source of options.sources ?? []) {
      joinOnce(() => socket.addSourceSpecificMembership(source, group, card));
    }
  } catch (error) {
    throw joinFailure(error, group, via);
  }
}

/** Joins; having joined before is as good. */
function joinOnce(joining: () => void): void {
  try {
    joining();
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE') throw error;
  }
}

function askForBuffer(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes);
  } catch {
    // Some systems refuse more than their limit instead of granting less: what there is stands in the stats.
  }
}

/** The receive buffer as it was asked for: Linux doubles that, for its own book-keeping, and reports the double. */
export function grantedBuffer(socket: Socket): number {
  const size = socket.getRecvBufferSize();
  return process.platform === 'linux' ? size / 2 : size;
}
