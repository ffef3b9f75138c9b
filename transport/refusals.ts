/** What the departure queues of all engines make of sends that the kernel has refused. */
import { LancastError } from '../wire/errors.ts';
import { presentCard } from './interfaces.ts';
import { sendFailure } from './socket-errors.ts';
import type { ChosenInterface, DepartureOptions, DepartureStats } from './udp.ts';

/** So many sends refused and none ever done mean that this socket cannot send at all. */
const HOPELESS_SENDS = 10;
/** Refusals that a card gives which was taken down, or deleted and made anew. */
const CARD_IS_GONE: ReadonlySet<string> = new Set(['ENODEV', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EINVAL']);
/** How often new sockets are tried then. */
const REOPEN_MS = 1000;

/** The refusals of one queue. */
export class Refusals {
  /** See `DepartureQueue`. */
  readonly failure: Promise<LancastError>;

  readonly #options: DepartureOptions;
  #fail: (reason: LancastError) => void = () => undefined;
  #reason: LancastError | undefined;
  #reopenAt = 0; // not before

  constructor(options: DepartureOptions) {
    this.#options = options;
    this.failure = new Promise((resolve) => (this.#fail = resolve));
  }

  /** Why sending was refused while none was ever done. */
  get reason(): LancastError | undefined {
    return this.#reason;
  }

  /** Takes the system's error of a send, before any has been done; `failed` counts it. */
  add(error: unknown, { failed }: Pick<DepartureStats, 'failed'>): void {
    const [destination] = this.#options.destinations;
    const reason = sendFailure(error, destination?.address ?? '', this.#options.via);
    if (!(reason instanceof LancastError)) return;
    this.#reason = reason;
    if (failed >= HOPELESS_SENDS) this.#fail(reason);
  }

  /** A card that was made anew is not the one the sockets know: the card to open new ones on, when it is time to try. */
  cardMadeAnew(errno: string, now: number): ChosenInterface | undefined {
    if (!CARD_IS_GONE.has(errno) || now < this.#reopenAt) return undefined;
    this.#reopenAt = now + REOPEN_MS;
    return presentCard(this.#options.via)?.via;
  }
}
