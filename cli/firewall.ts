/**
 * Does a firewall of this PC drop what comes for its groups? Linux counts multicast for groups that somebody has joined in front of the
 * firewall's input rules (`InMcastPkts`), and all that it delivers behind them (`InDelivers`).
 *
 * IPv4 only: in IPv6 the same counter has groups that nobody has joined in it.
 */
import { readFileSync } from 'node:fs';

/** Packets so far. */
export interface Deliveries {
  /** Multicast for joined groups. */
  groups: number;
  /** All that was delivered, of any kind. */
  delivered: number;
  /** Parts of larger packets, each of which is delivered as one. */
  fragments: number;
}

/** What Linux has counted in this network namespace; `undefined` elsewhere. */
export function deliveriesNow(): Deliveries | undefined {
  try {
    return parseDeliveries(
      readFileSync('/proc/net/snmp', 'utf8') + readFileSync('/proc/net/netstat', 'utf8'),
    );
  } catch {
    return undefined; // not Linux
  }
}

/** Reads the counters: a line of names and a line of values for each protocol. `undefined` when one of them is not there. */
export function parseDeliveries(text: string): Deliveries | undefined {
  const lines = text.split('\n').map((line) => line.split(/[: ]+/));
  const count = (protocol: string, name: string): number => {
    const [names = [], values = []] = lines.filter(([first]) => first === protocol);
    const place = names.indexOf(name);
    return place < 0 ? Number.NaN : Number(values[place]);
  };
  const groups = count('IpExt', 'InMcastPkts');
  const delivered = count('Ip', 'InDelivers');
  const fragments = count('Ip', 'ReasmReqds');
  return Number.isFinite(groups + delivered + fragments) ? { groups, delivered, fragments } : undefined;
}

/**
 * Packets for groups of this PC that were dropped between two moments, at least: whatever else was delivered meanwhile hides as
 * many.
 */
export function droppedBetween(before: Deliveries, now: Deliveries): number {
  const passed = now.delivered - before.delivered + now.fragments - before.fragments;
  return Math.max(0, now.groups - before.groups - passed);
}
