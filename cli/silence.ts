/**
 * Why does nothing arrive? What can be told cheaply and without privileges, for the words of E101, or that it is a firewall: E110.
 *
 * `isFirewalled` and `explainSilence` decide and are pure; `SilenceWatch` asks the machine.
 */
import { readFileSync } from 'node:fs';
import { listInterfaces, type NetworkCard } from '../transport/interfaces.ts';
import type { ChosenInterface } from '../transport/udp.ts';
import { formatMediaAddress, isSourceSpecific, type MediaAddress } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import type { StreamSnapshot } from '../wire/metrics.ts';
import { deliveriesNow, droppedBetween, type Deliveries } from './firewall.ts';
import { plural } from './format.ts';

/** What is known of a silent stream. */
export interface SilenceFacts {
  scope: MediaAddress['scope'];
  /** The address as people type it. */
  address: string;
  /** The group or host alone. */
  host: string;
  via: Pick<ChosenInterface, 'name' | 'address' | 'reason'>;
  /** Source-specific: only these are accepted. */
  sources: readonly string[];
  /** Datagrams that came and were none of the framings. */
  refused: number;
  /** The card's own state, as Linux tells it: `up`, `down`, `no-cable`, `gone`; `unknown` elsewhere. */
  card: 'up' | 'down' | 'no-cable' | 'gone' | 'unknown';
  /** Multicast datagrams of any group that reached the card meanwhile; `undefined` when the system does not tell. */
  otherMulticast: number | undefined;
  /** Packets for groups of this PC that a firewall of its own has dropped meanwhile, at least. */
  firewalled: number;
  /** Names of other cards that are up, loopback left out. */
  otherCards: readonly string[];
}

/** The slowest stream has more datagrams than this in a second; what a PC says of itself to others has fewer. */
const STREAM_PER_SECOND = 5;
const STREAM_LEAST = 10;

/** True when the packets of a stream have come in these seconds and a firewall of this PC has dropped them. */
export function isFirewalled({ scope, card, refused, firewalled }: SilenceFacts, seconds: number): boolean {
  if (scope !== 'multicast' || refused > 0 || card === 'gone' || card === 'down') return false;
  return firewalled >= Math.max(STREAM_LEAST, STREAM_PER_SECOND * seconds);
}

/** The likeliest reason, and the next step. */
export function explainSilence(facts: SilenceFacts): { why: string; fix: string } {
  const { via, otherCards } = facts;
  const on = `${via.name} (${via.address})`;
  if (facts.refused > 0) {
    return {
      why: `${plural(facts.refused, 'datagram')} came, and none is RTP, MPEG-TS or has a sequence header`,
      fix: 'something else is sent to this address: check the sender, or choose another address',
    };
  }
  if (facts.card === 'gone' || facts.card === 'down' || facts.card === 'no-cable') {
    const state = { gone: 'has gone', down: 'is down', 'no-cable': 'has no cable or no Wi-Fi' }[facts.card];
    return { why: `the card ${on} ${state}`, fix: others(otherCards, 'connect it') };
  }
  if (facts.scope === 'unicast') {
    return {
      why: `nobody sends to ${facts.address}, or a firewall on this PC drops it`,
      fix: 'let the sender send to this very address and port',
    };
  }
  if (via.name === 'lo' || via.address.startsWith('127.')) {
    return {
      why: `joined on ${on}, where only senders of this PC are heard`,
      fix: others(otherCards, 'start a sender here with --iface lo'),
    };
  }
  if (facts.sources.length > 0) {
    return {
      why: `joined on ${on}, for senders ${facts.sources.join(', ')} only`,
      fix: 'check the address of the sender, or leave --from out',
    };
  }
  if (isSourceSpecific(facts.host)) {
    return {
      why: `joined on ${on}, but this group is source-specific: networks carry it only to those who name its sender`,
      fix: "name the sender's address with --from",
    };
  }
  return silentGroup(facts, on);
}

function silentGroup({ via, otherMulticast, otherCards }: SilenceFacts, on: string) {
  if (otherMulticast !== undefined && otherMulticast > 0) {
    return {
      why: `joined on ${on}, where other multicast arrives (${plural(otherMulticast, 'datagram')}), but not this group`,
      fix: "start the sender; if routers lie between, raise the sender's --ttl",
    };
  }
  const heard = otherMulticast === 0 ? ', where no multicast arrives at all' : '';
  return {
    why: `joined on ${on}, ${via.reason}${heard}`,
    fix: others(otherCards, 'start the sender; check the firewall, the switch (IGMP snooping) and the Wi-Fi'),
  };
}

function others(cards: readonly string[], otherwise: string): string {
  return cards.length === 0 ? otherwise : `${otherwise}; or try --iface ${cards.join(' or --iface ')}`;
}

/** Watches the machine beside a stream that may stay silent. */
export class SilenceWatch {
  readonly #address: MediaAddress;
  readonly #via: ChosenInterface;
  readonly #sources: readonly string[];
  readonly #multicastBefore: number | undefined;
  readonly #deliveriesBefore: Deliveries | undefined;

  constructor(address: MediaAddress, via: ChosenInterface, sources: readonly string[]) {
    this.#address = address;
    this.#via = via;
    this.#sources = sources;
    this.#multicastBefore = multicastSeen(via.name);
    this.#deliveriesBefore = via.family === 4 ? deliveriesNow() : undefined;
  }

  /** E101 with the likeliest reason, or E110 when it is known. `seconds`: how long nothing has come. */
  diagnose(snapshot: Pick<StreamSnapshot, 'refused'>, seconds: number): LancastError {
    const cards = listInterfaces();
    const now = multicastSeen(this.#via.name);
    const deliveries = deliveriesNow();
    const address = formatMediaAddress(this.#address);
    const facts: SilenceFacts = {
      scope: this.#address.scope,
      address,
      host: this.#address.address,
      via: this.#via,
      sources: this.#sources,
      refused: Object.values(snapshot.refused).reduce((sum, count) => sum + count, 0),
      card: cardState(this.#via.name, cards),
      otherMulticast:
        now === undefined || this.#multicastBefore === undefined ? undefined : now - this.#multicastBefore,
      firewalled:
        this.#deliveriesBefore === undefined || deliveries === undefined
          ? 0
          : droppedBetween(this.#deliveriesBefore, deliveries),
      otherCards: cards
        .filter((card) => !card.loopback && !card.virtual && card.name !== this.#via.name)
        .map((card) => card.name),
    };
    if (isFirewalled(facts, seconds)) {
      const details = { address, interface: this.#via.name, port: this.#address.port };
      return new LancastError('E110', `a firewall drops what comes for ${address}`, details);
    }
    const details = { address, seconds: Math.round(seconds * 10) / 10, ...explainSilence(facts) };
    return new LancastError('E101', `no packets from ${address} for ${seconds} s`, details);
  }
}

function cardState(name: string, cards: readonly NetworkCard[]): SilenceFacts['card'] {
  if (!cards.some((card) => card.name === name)) return 'gone';
  if (systemFile(name, 'carrier') === '0') return 'no-cable';
  const state = systemFile(name, 'operstate');
  if (state === undefined) return 'unknown';
  return state === 'down' ? 'down' : 'up'; // loopback and tunnels say `unknown`, and are up
}

/** Multicast datagrams that the card has taken in since it came up. */
function multicastSeen(name: string): number | undefined {
  const text = systemFile(name, 'statistics/multicast');
  return text === undefined ? undefined : Number(text);
}

function systemFile(card: string, file: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${card}/${file}`, 'utf8').trim();
  } catch {
    return undefined; // not Linux, or the card does not tell
  }
}
