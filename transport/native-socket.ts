/** Opens the native engine's sockets, with the errors that people can mend. */
import { isIPv6 } from 'node:net';
import { scopeOf, type Endpoint } from '../wire/address.ts';
import { isBroadcast, withZone } from './interfaces.ts';
import type { SocketAddon, SocketOptions } from './native-addon.ts';
import { errnoOf, joinFailure, notMulticast, portTaken, sendFailure } from './socket-errors.ts';
import {
  RECEIVE_BUFFER_BYTES,
  type ArrivalOptions,
  type ChosenInterface,
  type DepartureOptions,
  type ExchangeOptions,
} from './udp.ts';

/** A socket connected to one destination. Throws E102, E103, E115. */
export function openSending(
  addon: SocketAddon,
  destination: Endpoint,
  options: DepartureOptions & { via: ChosenInterface },
): number {
  const { via, ttl, broadcast = false, dscp } = options;
  const unicast = scopeOf(destination.address) === 'unicast' && !isBroadcast(destination.address);
  try {
    return addon.openSocket({
      family: isIPv6(destination.address) ? 6 : 4,
      // Bound to the card, so that groups and broadcasts leave by it; for unicast the kernel knows the way.
      ...(unicast ? {} : { bindAddress: withZone(via.address, via) }),
      card: via.name,
      ttl,
      broadcast,
      ...(dscp !== undefined && { dscp }),
      connectAddress: withZone(destination.address, via),
      connectPort: destination.port,
    });
  } catch (error) {
    throw sendFailure(error, destination.address, via);
  }
}

/** A socket that hears `options.address` on the card `via`. Throws E102, E103, E104, E107, E111. */
export function openListening(addon: SocketAddon, options: ArrivalOptions, via: ChosenInterface): number {
  const { address, port } = options.address;
  const group = scopeOf(address) === 'multicast';
  const { sources = [], receiveBufferBytes = RECEIVE_BUFFER_BYTES } = options;
  const socket: SocketOptions = {
    family: isIPv6(address) ? 6 : 4,
    bindAddress: withZone(address, via),
    bindPort: port,
    shared: group || isBroadcast(address),
    receiveBufferBytes,
    ...(group && { group: address, card: via.name, sources }),
  };
  try {
    return addon.openSocket(socket);
  } catch (error) {
    throw listenFailure(error, options.address, via);
  }
}

function listenFailure(error: unknown, { address, port }: Endpoint, via: ChosenInterface): unknown {
  const syscall = error instanceof Error && 'syscall' in error ? error.syscall : '';
  if (syscall !== 'bind') return joinFailure(error, address, via);
  if (errnoOf(error) === 'EADDRINUSE') return portTaken(port, error);
  return errnoOf(error) === 'EADDRNOTAVAIL' ? notMulticast(address, error) : error;
}

/** The socket of an exchange. Throws E102, E103, E111. */
export function openExchanging(
  addon: SocketAddon,
  { via, ttl, port = 0, broadcast = false, receiveBufferBytes = 0 }: ExchangeOptions,
): number {
  try {
    return addon.openSocket({
      family: via.family,
      bindAddress: withZone(via.address, via),
      bindPort: port,
      card: via.name,
      ttl,
      broadcast,
      receiveBufferBytes,
    });
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') throw portTaken(port, error);
    throw sendFailure(error, via.address, via);
  }
}
