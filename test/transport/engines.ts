/** The engines that a test runs over. */
import { loadAddon } from '../../transport/native-addon.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { nativeEngine } from '../../transport/udp-native.ts';
import type { UdpEngine } from '../../transport/udp.ts';

const addon = loadAddon();
if (typeof addon === 'string') throw new Error(`these tests need the native engine: ${addon}`);

/** The engine on the addon. */
export const native: UdpEngine = nativeEngine(addon);

/** All there are. */
export const ENGINES: readonly UdpEngine[] = [dgramEngine, native];
