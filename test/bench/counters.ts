/** What this network namespace has sent, counted by the kernel. */
import { readFileSync } from 'node:fs';

/** IPv4 and UDP headers. */
const HEADER_BYTES = 28;

/**
 * UDP payload bytes handed to groups so far. Right also where one hand-over holds many datagrams (UDP GSO), which
 * the kernel counts as one packet.
 */
export function multicastBytes(): number {
  const lines = readFileSync('/proc/net/netstat', 'utf8').split('\n');
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith('IpExt:'))
    .map((line) => line.split(' '));
  const value = (name: string): number => Number(values[names.indexOf(name)]);
  return value('OutMcastOctets') - HEADER_BYTES * value('OutMcastPkts');
}
