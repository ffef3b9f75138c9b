/**
 * Which network card a stream uses, and why.
 *
 * Asked for by name or by address; else the one the kernel's route names; else the first that is up and is a real one.
 * `selectInterface` decides and is pure; `chooseInterface` asks the machine.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { LancastError } from '../wire/errors.ts';
import { interfaceIndex } from './proc-net.ts';
import type { ChosenInterface } from './udp.ts';

/** A card that is up. */
export interface NetworkCard {
  name: string;
  loopback: boolean;
  /** Made by software: a bridge, a tunnel, a virtual machine's or a container's end. Never the first choice. */
  virtual: boolean;
  addresses: readonly CardAddress[];
}

/** One address of a card. */
export interface CardAddress {
  address: string;
  family: 4 | 6;
  /** The subnet's broadcast address, where there is one: IPv4 only. */
  broadcast?: string;
  /** IPv6 zone number of a link-local address, for systems that want numbers. */
  scopeId?: number;
}

const VIRTUAL_NAME =
  /^(docker|br-|bridge|veth|virbr|vmnet|vboxnet|vnet|tun|tap|utun|wg|zt|tailscale|lxc|lxd|cni|flannel|cali|podman|ifb|dummy|vEthernet)/i;

/** The cards of this machine that are up and have an address, loopback included. */
export function listInterfaces(): NetworkCard[] {
  return Object.entries(networkInterfaces()).map(([name, entries = []]) => ({
    name,
    loopback: entries.some((entry) => entry.internal),
    virtual: VIRTUAL_NAME.test(name),
    addresses: entries.map((entry) => ({
      address: entry.address,
      family: entry.family === 'IPv4' ? (4 as const) : (6 as const),
      ...broadcastOf(entry.cidr),
      ...(entry.scopeid ? { scopeId: entry.scopeid } : {}),
    })),
  }));
}

/** True for 255.255.255.255 and the broadcast addresses of the cards' subnets. */
export function isBroadcast(address: string, cards: readonly NetworkCard[] = listInterfaces()): boolean {
  if (address === '255.255.255.255') return true;
  return cards.some((card) => card.addresses.some((own) => own.broadcast === address));
}

/**
 * The card for datagrams to or from `destination`.
 *
 * @param wanted a card's name or address, as people give it; `undefined`: automatic
 * @throws LancastError E102 when `wanted` is no card of this machine, E103 when no card can be chosen
 */
export async function chooseInterface(destination: string, wanted?: string): Promise<ChosenInterface> {
  const route = wanted === undefined ? await routeSource(destination) : undefined;
  return selectInterface(listInterfaces(), { destination, wanted, route });
}

/** What `selectInterface` decides on. */
export interface InterfaceQuestion {
  /** Numeric address that datagrams go to or come from; `0.0.0.0` and `::` stand for any. */
  destination: string;
  /** A card's name or address; `undefined`: automatic. */
  wanted?: string | undefined;
  /** Our address on the kernel's route to the destination; `undefined` when there is no route. */
  route?: string | undefined;
}

/** Chooses among `cards`. Throws as `chooseInterface`. */
export function selectInterface(cards: readonly NetworkCard[], question: InterfaceQuestion): ChosenInterface {
  const { destination, wanted, route } = question;
  const family = isIPv6(destination) ? 6 : 4;
  if (wanted !== undefined) return askedFor(cards, { wanted, destination, family });

  const routed = route === undefined ? undefined : cards.find((card) => owns(card, route));
  if (routed && route !== undefined)
    return { name: routed.name, address: route, family, reason: `the route to ${destination}` };

  return firstUsable(cards, destination, family);
}

/** `eth0 192.168.1.20`, one for each card that is up: for messages. */
export function describeCards(cards: readonly NetworkCard[]): string[] {
  return cards.map((card) => `${card.name} ${card.addresses.map((own) => own.address).join(' ')}`.trim());
}

/** `address` with the zone of the card `via` where IPv6 needs one: groups, link-local addresses and `::`. */
export function withZone(address: string, via: ChosenInterface): string {
  if (!/^(ff|fe[89ab]|::$)/i.test(address) || address.includes('%')) return address;
  if (process.platform !== 'win32') return `${address}%${via.name}`;
  const own = listInterfaces().find((card) => card.name === via.name)?.addresses;
  return `${address}%${own?.find((entry) => entry.scopeId !== undefined)?.scopeId ?? via.name}`;
}

/** The card `via` as it is now, by its name or else its address, and an identity that changes when it is made anew. */
export function presentCard(via: ChosenInterface): { via: ChosenInterface; identity: string } | undefined {
  const cards = listInterfaces();
  const card = cards.find(({ name }) => name === via.name) ?? cards.find((each) => owns(each, via.address));
  const address = card && (owns(card, via.address) ? via.address : addressFor(card, via.address, via.family));
  if (!card || address === undefined) return undefined;
  const index = interfaceIndex(card.name) ?? card.addresses.find((own) => own.scopeId !== undefined)?.scopeId;
  return { via: { ...via, name: card.name, address }, identity: `${card.name} ${index ?? ''}` };
}

/** E103: no card that is up leads to `destination`. */
export function noRoute(destination: string, cards: readonly NetworkCard[], cause?: unknown): LancastError {
  const details = { destination, have: describeCards(cards) };
  return new LancastError('E103', `no route to ${destination}`, details, { cause });
}

/** E102: `wanted` is neither the name nor the address of a card that is up. */
export function wrongInterface(wanted: string, cards: readonly NetworkCard[], cause?: unknown): LancastError {
  const details = { interface: wanted, have: describeCards(cards) };
  return new LancastError('E102', `${wanted} is not an interface or address of this machine`, details, {
    cause,
  });
}

/** Without a route: real cards before virtual ones; loopback only to listen on every card. */
function firstUsable(cards: readonly NetworkCard[], destination: string, family: 4 | 6): ChosenInterface {
  const any = isUnspecified(destination);
  const inFamily = cards.filter((card) => addressFor(card, destination, family) !== undefined);
  const outward = inFamily.filter((card) => !card.loopback);
  const usable = outward.length === 0 && any ? inFamily : outward;
  const chosen = usable.find((card) => !card.virtual) ?? usable[0];
  const address = chosen && addressFor(chosen, destination, family);
  if (!chosen || address === undefined) throw noRoute(destination, cards);
  const why = any ? '' : `, as there is no route to ${destination}`;
  const first = `the first of ${usable.length} cards that are up${why}`;
  const reason = usable.length === 1 ? 'the only card that is up' : first;
  return { name: chosen.name, address, family, reason };
}

function askedFor(
  cards: readonly NetworkCard[],
  asked: { wanted: string; destination: string; family: 4 | 6 },
): ChosenInterface {
  const { wanted, destination, family } = asked;
  const card = cards.find(({ name }) => name === wanted) ?? cards.find((each) => owns(each, wanted));
  if (!card) throw wrongInterface(wanted, cards);
  const named = isIPv6(wanted) === (family === 6) && owns(card, wanted) ? wanted : undefined;
  const address = named ?? addressFor(card, destination, family);
  if (address === undefined) {
    const details = { interface: wanted, family, have: describeCards(cards) };
    throw new LancastError('E102', `${wanted} has no IPv${family} address`, details);
  }
  return { name: card.name, address, family, reason: 'asked for by --iface' };
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function owns(card: NetworkCard, address: string): boolean {
  return card.addresses.some((own) => own.address === address);
}

/** The card's address in the family; for link-local IPv6 destinations the link-local one, else a wider one first. */
function addressFor(card: NetworkCard, destination: string, family: 4 | 6): string | undefined {
  const own = card.addresses.filter((entry) => entry.family === family).map((entry) => entry.address);
  const preferLocal = /^(fe80|ff.2):/i.test(destination);
  return own.find((address) => address.toLowerCase().startsWith('fe80:') === preferLocal) ?? own[0];
}

/** Our address on the kernel's route to `destination`: a connected UDP socket knows it, and sends nothing. */
async function routeSource(destination: string): Promise<string | undefined> {
  if (isUnspecified(destination)) return undefined;
  const socket = createSocket(isIPv6(destination) ? 'udp6' : 'udp4');
  try {
    return await new Promise<string | undefined>((resolve) => {
      socket.once('error', () => resolve(undefined));
      socket.bind(0, () => {
        socket.setBroadcast(true); // without it the kernel refuses to name a route to 255.255.255.255
        socket.connect(9, destination, (error?: Error) => {
          resolve(error ? undefined : socket.address().address);
        });
      });
    });
  } finally {
    socket.close();
  }
}

/** The last address of an IPv4 subnet that has room for one. */
function broadcastOf(cidr: string | null): { broadcast?: string } {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr ?? '');
  if (!match) return {};
  const [a = 0, b = 0, c = 0, d = 0, prefix = 32] = match.slice(1).map(Number);
  if (prefix > 30) return {};
  const hosts = 0xffffffff >>> prefix;
  const last = ((a << 24) | (b << 16) | (c << 8) | d | hosts) >>> 0;
  return { broadcast: [last >>> 24, (last >>> 16) & 255, (last >>> 8) & 255, last & 255].join('.') };
}
