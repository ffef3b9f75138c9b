/** What both engines refuse before they open a socket to send: hops and destinations that can only be a mistake. */
import { isReservedGroup, type Endpoint } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { isBroadcast } from './interfaces.ts';

/** Refuses hops that can only be a mistake: E106. */
export function checkTtl(ttl: number): void {
  if (ttl < 1)
    throw new LancastError('E106', `TTL ${ttl} would keep the stream inside this machine`, { ttl });
}

/** Refuses destinations that can only be a mistake: E105, E115. */
export function checkDestination({ address }: Endpoint, broadcast: boolean): void {
  if (isReservedGroup(address)) {
    throw new LancastError('E105', `${address} is a reserved group`, { group: address });
  }
  if (!broadcast && isBroadcast(address)) {
    throw new LancastError('E115', `broadcast is not allowed to ${address}`, { destination: address });
  }
}
