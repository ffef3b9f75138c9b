import { describe } from 'vitest';
import { loadAddon } from '../../transport/native-addon.ts';
import { nativeEngine } from '../../transport/udp-native.ts';
import { testBehaviour } from './engine-behaviour.ts';
import { testReach } from './engine-reach.ts';

describe('the native engine', () => {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new Error(addon);
  const engine = nativeEngine(addon);
  testReach(engine);
  testBehaviour(engine);
});
