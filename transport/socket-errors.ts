/** From the errno of a socket call of either engine to what a person has to fix. */
import { LancastError, type ErrorDetails } from '../wire/errors.ts';
import { isBroadcast, listInterfaces, noRoute, wrongInterface } from './interfaces.ts';
import { portOwner } from './proc-net.ts';
import type { ChosenInterface } from './udp.ts';

/** The errno name of a system error, such as `ENOBUFS`; empty for anything else. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}

/** Why a sending socket could not be opened, or cannot send at all. What is not in the table is given back as it is. */
export function sendFailure(error: unknown, destination: string, via: ChosenInterface): unknown {
  const details: ErrorDetails = { destination, interface: via.name };
  const fault = (code: 'E109' | 'E113' | 'E115', words: string): LancastError =>
    new LancastError(code, `${words} ${destination}`, details, { cause: error });
  switch (errnoOf(error)) {
    case 'EPERM':
      return fault('E109', 'the local firewall refused to send to');
    case 'EMSGSIZE':
      return fault('E113', 'a datagram does not fit the path to');
    case 'EACCES': // broadcast without leave, or a route that prohibits
      if (isBroadcast(destination)) return fault('E115', 'broadcast is not allowed to');
      return noRoute(destination, listInterfaces(), error);
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'ENETDOWN':
    case 'EINVAL': // a source address of one card and a destination behind another
      return noRoute(destination, listInterfaces(), error);
    case 'EADDRNOTAVAIL':
    case 'ENODEV':
      return wrongInterface(via.address, listInterfaces(), error);
    default:
      return error;
  }
}

/** Why a group could not be joined. */
export function joinFailure(error: unknown, group: string, via: ChosenInterface): unknown {
  switch (errnoOf(error)) {
    case 'EINVAL':
      return notMulticast(group, error);
    case 'ENODEV':
    case 'EADDRNOTAVAIL':
      return wrongInterface(via.name, listInterfaces(), error);
    case 'ENETUNREACH':
      return noRoute(group, listInterfaces(), error);
    case 'ENOBUFS':
      return new LancastError(
        'E107',
        `the kernel refused to join ${group}: too many groups`,
        { group },
        { cause: error },
      );
    default:
      return error;
  }
}

/** E104: an address that is neither a group nor one of this machine's. */
export function notMulticast(address: string, cause?: unknown): LancastError {
  return new LancastError(
    'E104',
    `${address} is neither a group nor an address of this machine`,
    { address },
    { cause },
  );
}

/** E111, with the program that holds the port where the system tells. */
export function portTaken(port: number, cause: unknown): LancastError {
  const owner = portOwner(port);
  const details = owner ? { port, owner: owner.name, pid: owner.pid } : { port };
  return new LancastError('E111', `UDP port ${port} is in use`, details, { cause });
}
