/** The engines that a test runs over. */
import { loadAddon, type NativeAddon } from '../../transport/native-addon.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { nativeEngine } from '../../transport/udp-native.ts';
import type { UdpEngine } from '../../transport/udp.ts';

const loaded = loadAddon();
if (typeof loaded === 'string') throw new Error(`these tests need the native engine: ${loaded}`);

/** What the native engine is made of. */
export const addon: NativeAddon = loaded;

/** The engine on the addon. */
export const native: UdpEngine = nativeEngine(addon);

/** All there are. */
export const ENGINES: readonly UdpEngine[] = [dgramEngine, native];
