import { describe } from 'vitest';
import { loadAddon } from '../../transport/native-addon.ts';
import { openNativeDeparture } from '../../transport/native-departure.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { testBehaviour } from './engine-behaviour.ts';
import { testReach } from './engine-reach.ts';

const addon = loadAddon();
if (typeof addon === 'string') throw new Error(addon);

describe('the native engine sending', () => {
  const engine = { ...dgramEngine, openDeparture: openNativeDeparture.bind(undefined, addon) };
  testReach(engine);
  testBehaviour(engine);
});
