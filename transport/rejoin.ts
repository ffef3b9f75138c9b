/** What arrival queues of all engines do about their card: refuse a wrong one, and join anew when it has been away. */
import { isReservedGroup, scopeOf } from '../wire/address.ts';
import { LancastError } from '../wire/errors.ts';
import { monotonicNow } from './clock.ts';
import { listInterfaces, presentCard, wrongInterface } from './interfaces.ts';
import { MembershipWatch } from './membership.ts';
import type { ArrivalOptions, ChosenInterface } from './udp.ts';

/** How often a membership is looked after. */
const WATCH_MS = 500;
/** What was seen of a card serves all queues on it for so long: hundreds of silent ones would look at nothing else. */
const FRESH_MS = 200;

/** A card that is there, and what tells it from the one that is made anew under its name. */
export interface PresentCard {
  via: ChosenInterface;
  identity: string;
}

/** The card to listen on, as it is now. Throws E102, E105. */
export function listeningCard({ address: { address }, via }: ArrivalOptions): PresentCard {
  if (isReservedGroup(address)) {
    throw new LancastError('E105', `${address} is a reserved group`, { group: address });
  }
  const card = presentCard(via);
  if (!card) throw wrongInterface(via.name, listInterfaces());
  return card;
}

/** Looks after the membership of one queue: has its socket opened anew when the card has been deleted and made again. */
export class Rejoiner {
  /** How often that was done. */
  rejoined = 0;

  readonly #options: ArrivalOptions;
  readonly #reopen: (via: ChosenInterface) => Promise<void>;
  readonly #watch: MembershipWatch;
  readonly #timer: NodeJS.Timeout | undefined;
  #rejoining: Promise<void> | undefined;

  /**
   * @param identity of the card that was joined
   * @param reopen opens a new socket, as the old one may be bound to the card that is gone, and closes that; rejects when
   *   the card is not ready yet: it is called again
   */
  constructor(options: ArrivalOptions, identity: string, reopen: (via: ChosenInterface) => Promise<void>) {
    this.#options = options;
    this.#reopen = reopen;
    this.#watch = new MembershipWatch(identity, monotonicNow());
    if (scopeOf(options.address.address) !== 'multicast') return;
    this.#timer = setInterval(() => this.#look(), WATCH_MS).unref();
  }

  /** A datagram came at `now`. */
  heard(now: number): void {
    this.#watch.heard(now);
  }

  /** Stops looking; resolves when nothing is being opened any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#rejoining;
  }

  #look(): void {
    const now = monotonicNow();
    if (this.#rejoining || !this.#watch.isSilent(now)) return;
    const card = lookAt(this.#options.via, now);
    if (!card || !this.#watch.isLost(card.identity)) return;
    this.#rejoining = this.#rejoin(card).finally(() => (this.#rejoining = undefined));
  }

  async #rejoin({ via, identity }: PresentCard): Promise<void> {
    try {
      await this.#reopen(via);
      this.#watch.rejoined(identity, monotonicNow());
      this.rejoined++;
    } catch {
      // The card is there but not ready yet: the next look tries again.
    }
  }
}

const seen = new Map<string, { at: number; card: PresentCard | undefined }>();

/** The card as it was a moment ago. */
function lookAt(via: ChosenInterface, now: number): PresentCard | undefined {
  const name = `${via.name} ${via.address}`;
  let look = seen.get(name);
  if (!look || now - look.at > FRESH_MS) {
    look = { at: now, card: presentCard(via) };
    seen.set(name, look);
  }
  return look.card;
}
