/** Whether the kernel can keep the times of datagrams: the card's queue has to be of a kind that does, and we have to be allowed. */
import type { NativeAddon } from './native-addon.ts';
import { errnoOf } from './socket-errors.ts';
import type { ChosenInterface } from './udp.ts';

/** What was found. */
export interface KernelPacing {
  /** `fq` or `etf`; empty when the kernel does not keep times here. */
  cardQueue: string;
  /** Why not, for people. */
  note?: string;
}

/** Finds out what the card `via` can do. */
export function findKernelPacing(addon: NativeAddon, via: ChosenInterface): KernelPacing {
  const cardQueue = addon.cardQueue(via.name);
  const because = (reason: string): KernelPacing => ({
    cardQueue: '',
    note: `no kernel pacing: ${reason}; lancast keeps the pace itself`,
  });
  if (cardQueue === '') return because(`the kernel does not tell what queue ${via.name} has`);
  if (cardQueue !== 'fq' && cardQueue !== 'etf')
    return because(`the queue of ${via.name} is ${cardQueue}, and only fq and etf keep times`);
  const socket = addon.openSocket({ family: via.family });
  try {
    addon.allowTransmitTimes(socket, cardQueue);
    return { cardQueue };
  } catch (error) {
    return because(`the kernel refuses times for the queue ${cardQueue} (${errnoOf(error)})`);
  } finally {
    addon.closeSocket(socket);
  }
}
