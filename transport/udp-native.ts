/** UDP on the native engine: one thread sends for all queues, another receives for all. Linux. */
import type { NativeAddon } from './native-addon.ts';
import { openNativeArrival } from './native-arrival.ts';
import { openNativeDeparture } from './native-departure.ts';
import { openNativeExchange } from './native-exchange.ts';
import type { UdpEngine } from './udp.ts';

/** The engine on a loaded addon. */
export function nativeEngine(addon: NativeAddon): UdpEngine {
  return {
    kind: 'native',
    openDeparture: (options) => openNativeDeparture(addon, options),
    openArrival: (options, sink) => openNativeArrival(addon, options, sink),
    openExchange: (options, sink) => openNativeExchange(addon, options, sink),
  };
}
